// Why: what clients change about one path. How: one change of the file system each, after what
// Hadoop looks at first.
import { isSkeinError, toSkeinError } from '../../../base/errors.ts'
import { namespaceOf } from '../../../client/status/namespace-of.ts'
import { ownerName } from '../../../base/attributes/ownership.ts'
import { fileTimeMsMax } from '../../../base/attributes/set-times.ts'
import { hadoopError, parameterError } from '../answer/hadoop-exceptions.ts'
import {
  booleanReply,
  emptyReply,
  type WebHdfsCall,
  type WebHdfsContext,
  type WebHdfsReply,
} from '../call/webhdfs-call.ts'
import { existing } from './path-answers.ts'
import { found, parentOf, withoutSlash } from './paths-found.ts'

/** Of HDFS. */
const defaultDirectoryMode = 0o755

/** MKDIRS. Mode and owner are those of the directory itself; parents have the default ones. */
export async function makeDirectories({ fileSystem }: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { parameters, user, signal } = call
  const path = withoutSlash(call.path)
  const mode = parameters.permission('permission') ?? defaultDirectoryMode
  const there = await found(fileSystem, path, signal)
  if (there?.kind === 'file') throw hadoopError('FileAlreadyExistsException', `Path is not a directory: ${path}`)
  if (there?.isExplicit === true || path === '/') return booleanReply(true)
  const namespace = there === undefined ? await namespaceAt(fileSystem, path, signal) : ''
  if (namespace !== '')
    throw hadoopError('AccessControlException', `namespaces are made with: skein ns create ${namespace}`)
  await refuseBelowFile(fileSystem, path, signal)
  await fileSystem.makeDirectory(path, { signal })
  if (there === undefined) {
    const owner = user === '' ? {} : { owner: user }
    await fileSystem.setAttributes(path, { mode, ...owner, signal })
  }
  return booleanReply(true)
}

/** The name of the namespace whose own path this is, or would be; empty: it is none's. */
async function namespaceAt(
  fileSystem: WebHdfsContext['fileSystem'],
  path: string,
  signal: AbortSignal,
): Promise<string> {
  return parentOf(path) === '/' ? await namespaceOf(fileSystem, path, { signal }) : ''
}

/** @throws ParentNotDirectoryException when the nearest path above that exists is a file */
async function refuseBelowFile(
  fileSystem: WebHdfsContext['fileSystem'],
  path: string,
  signal: AbortSignal,
): Promise<void> {
  for (let above = parentOf(path); above !== '/'; above = parentOf(above)) {
    const status = await found(fileSystem, above, signal)
    if (status?.kind === 'file')
      throw hadoopError('ParentNotDirectoryException', `Parent path is not a directory: ${above}`)
    if (status !== undefined) return
  }
}

/** DELETE */
export async function deletePath({ fileSystem }: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { path, parameters, signal } = call
  const recursive = parameters.flag('recursive', false)
  if (path === '/') return booleanReply(false)
  if ((await namespaceAt(fileSystem, path, signal)) !== '')
    throw hadoopError('AccessControlException', 'namespaces are removed with: skein ns delete')
  try {
    await fileSystem.delete(path, { recursive, signal })
    return booleanReply(true)
  } catch (thrown) {
    const error = toSkeinError(thrown)
    if (error.code === 'not_found') return booleanReply(false)
    const isFull = error.code === 'failed_precondition' && error.reason === undefined && !recursive
    if (!isFull) throw error
    throw hadoopError('PathIsNotEmptyDirectoryException', `\`${path} is non empty': Directory is not empty`)
  }
}

/** SETPERMISSION */
export async function setPermission(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const mode = call.parameters.permission('permission') ?? defaultDirectoryMode
  await existing(context, call)
  await context.fileSystem.setAttributes(call.path, { mode, signal: call.signal })
  return emptyReply()
}

/** SETOWNER */
export async function setOwner(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { parameters, path, signal } = call
  const [owner, group] = [parameters.text('owner'), parameters.text('group')]
  if (owner === undefined && group === undefined)
    throw hadoopError('IllegalArgumentException', 'Both owner and group are empty.')
  for (const [name, value] of Object.entries({ owner, group })) {
    const problem = value === undefined ? undefined : ownerName(value)
    if (problem !== undefined) throw parameterError(name, `the name${problem}`)
  }
  await existing(context, call)
  await context.fileSystem.setAttributes(path, {
    ...(owner !== undefined && { owner }),
    ...(group !== undefined && { group }),
    signal,
  })
  return emptyReply()
}

/** SETTIMES: -1 leaves a time as it is. */
export async function setTimes(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { parameters, path, signal } = call
  const [modified, accessed] = ['modificationtime', 'accesstime'].map((name) => {
    const ms = parameters.whole(name, -1) ?? -1
    if (ms > fileTimeMsMax) throw parameterError(name, `Invalid parameter range: ${name} = ${ms} > ${fileTimeMsMax}`)
    return ms < 0 ? undefined : { ms, ns: 0 }
  })
  await existing(context, call)
  await context.fileSystem.setAttributes(path, { times: { modified, accessed }, signal })
  return emptyReply()
}

/** SETREPLICATION: the least number of replicas in the cache. */
export async function setReplication({ fileSystem }: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { parameters, path, signal } = call
  const replicationMin = parameters.whole('replication', 1) ?? 1
  if (replicationMin > 32_767)
    throw parameterError('replication', `Failed to parse "${replicationMin}" as a radix-10 short integer.`)
  const status = await found(fileSystem, path, signal)
  if (status?.kind !== 'file') return booleanReply(false)
  const { replicationMax } = status
  const raised = replicationMax !== undefined && replicationMax < replicationMin
  try {
    const limits = { replicationMin, ...(raised && { replicationMax: replicationMin }) }
    await fileSystem.setAttributes(path, { ...limits, signal })
  } catch (thrown) {
    if (isSkeinError(thrown, 'not_found')) return booleanReply(false)
    throw thrown
  }
  return booleanReply(true)
}
