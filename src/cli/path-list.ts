// Why: what to load is given as a list of paths, from a file or a pipe, and a list may have millions of lines. How: line by
// line: a path, or `path,replicas`; blank lines and `#` comments are passed over; a line that is neither is named.
import { createReadStream } from 'node:fs'
import { formatPath, parsePath } from '../base/paths.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { IndexItem } from '../wire/generated/job.ts'
import { usageError } from './exit-codes.ts'

const replicasMax = 1000
const lineMax = 4096

/** The text's lines, without their ends. `file`: `-` is stdin. @throws SkeinError not_found, failed_precondition */
export async function* linesOf(file: string): AsyncGenerator<string, void, undefined> {
  const stream = file === '-' ? process.stdin : createReadStream(file)
  stream.setEncoding('utf8')
  let rest = ''
  try {
    for await (const chunk of stream) {
      const lines = (rest + String(chunk)).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) yield line.replace(/\r$/, '')
    }
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException
    throw new SkeinError(code === 'ENOENT' ? 'not_found' : 'failed_precondition', `${file} cannot be read: ${message}`, { cause: thrown })
  }
  if (rest !== '') yield rest.replace(/\r$/, '')
}

/**
 * The items of an index file. A path that does not begin with `/` is below `base`.
 * @throws SkeinError invalid_argument (usage) naming file and line
 */
export async function* indexItems(file: string, base: string | undefined): AsyncGenerator<IndexItem, void, undefined> {
  const name = file === '-' ? 'stdin' : file
  let number = 0
  for await (const line of linesOf(file)) {
    number += 1
    const text = (number === 1 ? line.replace(/^\uFEFF/, '') : line).trimStart()
    if (text === '' || text.startsWith('#')) continue
    yield itemOf(text, base, `${name}:${number}`)
  }
}

function itemOf(text: string, base: string | undefined, where: string): IndexItem {
  // Not to be shown whole.
  if (text.length > lineMax) throw usageError(`${where}: '${text.slice(0, 40)}...' is longer than ${lineMax} characters: that is no path`)
  const match = /^(.*\S)\s*,\s*(\d{1,9})\s*$/.exec(text)
  const replication = match === null ? undefined : Number(match[2])
  if (replication !== undefined && (replication < 1 || replication > replicasMax))
    throw usageError(`${where}: ${replication} replicas: a whole number from 1 to ${replicasMax}`)
  const path = pathOf(match?.[1] ?? text, base, where)
  return { path, ...(replication !== undefined && { replication }) }
}

function pathOf(text: string, base: string | undefined, where: string): string {
  const isWhole = text.startsWith('/') || /^(?:gfs|goosefs|skein):\/\//.test(text)
  if (!isWhole && base === undefined)
    throw usageError(
      `${where}: '${text}' is not a path: write /namespace/dir/file, or give the directory that it is in behind the index file`,
    )
  try {
    const path = parsePath(isWhole ? text : `${base?.replace(/\/$/, '') ?? ''}/${text}`)
    if (path.namespace === '') throw usageError(`'${text}' names no namespace`)
    return formatPath(path)
  } catch (thrown) {
    throw usageError(`${where}: ${toSkeinError(thrown).message}`)
  }
}
