// Why: what to load is given as a list of paths, from a file or a pipe, and a list may have
// millions of lines. How: line by line: a path, or `path,replicas`; blank lines and `#` comments
// are passed over; a line that is neither is named.
import { pathOfText } from '../../base/paths.ts'
import { toSkeinError } from '../../base/errors.ts'
import { textLines } from '../../base/files/text-file.ts'
import type { IndexItem } from '../../wire/generated/job.ts'
import { usageError } from '../frame/exit-codes.ts'

const replicasMax = 1000
const lineMax = 4096

/**
 * The items of an index file. A path that does not begin with `/` is below `base`.
 * @throws SkeinError invalid_argument (usage) naming file and line
 */
export async function* indexItems(file: string, base: string | undefined): AsyncGenerator<IndexItem, void, undefined> {
  const name = file === '-' ? 'stdin' : file
  let number = 0
  for await (const line of textLines({ file, name, isPipeAllowed: true }, usageError)) {
    number += 1
    const text = line.trimStart()
    if (text === '' || text.startsWith('#')) continue
    yield itemOf(text, base, `${name}:${number}`)
  }
}

function itemOf(text: string, base: string | undefined, where: string): IndexItem {
  // Not to be shown whole.
  if (text.length > lineMax)
    throw usageError(`${where}: '${text.slice(0, 40)}...' is longer than ${lineMax} characters and cannot be a path`)
  const match = /^(.*\S)\s*,\s*(\d{1,9})\s*$/.exec(text)
  const replication = match === null ? undefined : Number(match[2])
  if (replication !== undefined && (replication < 1 || replication > replicasMax))
    throw usageError(`${where}: ${replication} replicas: must be a whole number from 1 to ${replicasMax}`)
  const path = pathOf(match?.[1] ?? text, base, where)
  return { path, ...(replication !== undefined && { replication }) }
}

function pathOf(text: string, base: string | undefined, where: string): string {
  const isWhole = text.startsWith('/') || /^(?:gfs|goosefs|skein):\/\//.test(text)
  if (!isWhole && base === undefined)
    throw usageError(
      `${where}: '${text}' is not a path: use /namespace/dir/file, or add the base directory after the index file`,
    )
  try {
    const path = pathOfText(isWhole ? text : `${base?.replace(/\/$/, '') ?? ''}/${text}`)
    if (path === '/') throw usageError(`'${text}' is no file and no directory`)
    return path
  } catch (thrown) {
    throw usageError(`${where}: ${toSkeinError(thrown).message}`)
  }
}
