// Why: nothing of a request counts before it was found to be one that this door knows. How: a pure
// function from the head of a request to its operation, its path and its parameters.
import type { SkeinError } from '../../../base/errors.ts'
import { toSkeinError } from '../../../base/errors.ts'
import { firstNameOf, isHiddenKey } from '../../../base/paths.ts'
import { hadoopError, parameterError } from '../answer/hadoop-exceptions.ts'
import { isMethod, type Method, operationNames } from './operation-names.ts'
import { Parameters } from './parameters.ts'
import { decodedText, encodedPath } from './url-decoding.ts'

export interface RequestHead {
  readonly method: string
  /** One character per byte. */
  readonly url: string
  /** Of the `Host` header, or this server. */
  readonly host: string
}

export interface WebHdfsRequest {
  readonly method: Method
  /** One of operationNames. */
  readonly operation: string
  readonly path: string
  /** Empty for `/`. */
  readonly topName: string
  readonly parameters: Parameters
  readonly user: string
  readonly isData: boolean
  readonly dataUrl: string
  readonly fileUrl: string
}

const prefix = '/webhdfs/v1'
/** Ours: a client that followed the redirect. */
const dataMark = 'data'
/** As HDFS has it. */
const userName = /^[A-Za-z_][A-Za-z0-9._-]{0,254}[$]?$/

/** @throws errors of Hadoop for a path, an operation or a parameter that cannot be */
export function webHdfsRequest({ method, url, host }: RequestHead): WebHdfsRequest {
  const { rawPath, query } = split(url)
  const path = pathOf(rawPath)
  const topName = checkedPath(path)
  const parameters = new Parameters(query)
  if (!isMethod(method)) throw hadoopError('UnsupportedOperationException', `${method} is not supported`)
  const data = `${query}${query === '' ? '' : '&'}${dataMark}=true`
  return {
    ...{ method, path, topName, parameters, operation: operationOf(method, parameters) },
    ...{ user: userOf(parameters), isData: parameters.flag(dataMark, false) },
    dataUrl: `http://${host}${prefix}${encodedPath(path)}?${data}`,
    fileUrl: `webhdfs://${host}${encodedPath(path)}`,
  }
}

function split(url: string): { readonly rawPath: string; readonly query: string } {
  // A client that takes this server for a proxy sends the whole URL.
  const target = url.replace(/^https?:\/\/[^/?]*/i, '')
  const mark = target.indexOf('?')
  return mark < 0 ? { rawPath: target, query: '' } : { rawPath: target.slice(0, mark), query: target.slice(mark + 1) }
}

/** @throws FileNotFoundException for another prefix, IllegalArgumentException for a bad encoding */
function pathOf(rawPath: string): string {
  if (rawPath !== prefix && !rawPath.startsWith(`${prefix}/`))
    throw hadoopError('FileNotFoundException', `this port serves ${prefix} only`)
  const path = decodedText(rawPath.slice(prefix.length))
  if (path === undefined) throw hadoopError('IllegalArgumentException', 'the path is not percent-encoded UTF-8')
  return path === '' ? '/' : path
}

/**
 * @param path of a request, or in a parameter
 * @returns its first name: a namespace's, or that of something in the root mount
 * @throws InvalidPathException for a path that no file can have, AccessControlException for one
 *   that is not for clients
 */
export function checkedPath(path: string): string {
  try {
    const name = firstNameOf(path)
    if (!path.startsWith('/') || path.startsWith('//')) throw invalidPath(path, 'it must begin with one slash')
    const keys = [path.slice(1), path.slice(name.length + 2)]
    if (keys.some((key) => isHiddenKey(key) || isHiddenKey(`${key}/`)))
      throw hadoopError('AccessControlException', `${path.slice(0, 200)} is reserved`)
    return name
  } catch (thrown) {
    const error = toSkeinError(thrown)
    throw error.code === 'invalid_argument' && error.reason === undefined ? invalidPath(path, error.message) : error
  }
}

function invalidPath(path: string, problem: string): SkeinError {
  return hadoopError('InvalidPathException', `Invalid path name ${path.slice(0, 200)}: ${problem}`)
}

/** @throws IllegalArgumentException for an operation that Hadoop has not with this method */
function operationOf(method: Method, parameters: Parameters): string {
  const operation = (parameters.text('op') ?? 'NULL').toUpperCase()
  if (operationNames[method].has(operation)) return operation
  if (operation === 'NULL') throw hadoopError('UnsupportedOperationException', 'op=NULL is not supported')
  const place = `org.apache.hadoop.hdfs.web.resources.${method.charAt(0)}${method.slice(1).toLowerCase()}OpParam.Op`
  throw parameterError('op', `No enum constant ${place}.${operation.slice(0, 100).toWellFormed()}`)
}

function userOf(parameters: Parameters): string {
  for (const name of ['doas', 'user.name']) {
    const user = parameters.text(name)
    if (user === undefined) continue
    if (!userName.test(user)) throw parameterError(name, `"${user.slice(0, 100).toWellFormed()}" is not a user name`)
    return user
  }
  return ''
}
