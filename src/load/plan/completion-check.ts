// Why: the report of a job worker about a set decides what is planned next, and becomes part of the
// load's record. How: it is checked against the set in flight. Entries about other files, blocks or
// workers are ignored, because the set may have changed since it was dispatched. Duplicates count
// once. An invalid new version is refused. Pure.
import { containerOf, fileIdOf, sizeProblem } from '../../base/block-id.ts'
import { SkeinError } from '../../base/errors.ts'
import { setBytes, type Piece, type SetRecord } from '../load.ts'
import type { BlockFailure } from './retry-policy.ts'

/** wire: CompleteSetRequest */
interface Completion {
  readonly failures: readonly BlockFailure[]
  readonly replacements: readonly NewVersion[]
  readonly originBytes: number
  readonly filesVerified?: number | undefined
  readonly filesUnverifiable?: number | undefined
  readonly metadata?: { readonly files: readonly { readonly fileId: number }[] } | undefined
}

/** wire: FileReplacement */
interface NewVersion {
  readonly oldFileId: number
  readonly fileId: number
  readonly key: string
  readonly length: number
  readonly blockSizeBytes: number
}

/** Upper bound for how often the bytes of a set are read, including retries of single requests. */
const readsMax = 1000
const leastBytes = 1024 ** 2

/**
 * Returns the part of the completion that belongs to this set.
 * @throws SkeinError invalid_argument for an invalid new version
 */
export function completionOf<Given extends Completion>(
  record: Pick<SetRecord, 'pieces' | 'targets'>,
  given: Given,
): Given & { readonly failures: Given['failures'][number][]; readonly replacements: Given['replacements'][number][] } {
  const pieces = Map.groupBy(record.pieces, ({ fileId }) => fileId)
  const workers = new Set(['', ...record.targets])
  const seen = new Set<string>()
  const failures = given.failures.filter(({ fileId, blockIndex, workerId }) => {
    if (!workers.has(workerId) || pieces.get(fileId)?.some((piece) => isIn(piece, blockIndex)) !== true) return false
    return isNew(seen, `${fileId}/${blockIndex}/${workerId}`)
  })
  const replaced = new Set<number>()
  const replacements = given.replacements.filter((version) => {
    const [old] = pieces.get(version.oldFileId) ?? []
    if (old === undefined || !isNew(replaced, version.oldFileId)) return false
    const problem = version.fileId === 0 ? undefined : versionProblem(old, version)
    if (problem !== undefined)
      throw new SkeinError(
        'invalid_argument',
        `the completion of a set names an invalid new version of ${old.key}: ${problem}`,
      )
    return true
  })
  const files = pieces.size
  const filesVerified = Math.min(given.filesVerified ?? 0, files)
  return {
    ...given,
    failures,
    replacements,
    ...(given.metadata !== undefined && { metadata: { files: describedOf(pieces, given.metadata.files) } }),
    originBytes: Math.min(given.originBytes, readBytesMax(setBytes(record))),
    filesVerified,
    filesUnverifiable: Math.min(given.filesUnverifiable ?? 0, files - filesVerified),
  }
}

function describedOf<File extends { readonly fileId: number }>(
  pieces: ReadonlyMap<number, unknown>,
  files: readonly File[],
): File[] {
  const seen = new Set<number>()
  return files.filter(({ fileId }) => pieces.has(fileId) && isNew(seen, fileId))
}

/** Upper bound for the bytes read from the store for a set of this size. */
export function readBytesMax(bytes: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, readsMax * Math.max(bytes, leastBytes))
}

function isIn({ firstBlock, blockCount: blocks }: Piece, index: number): boolean {
  return index >= firstBlock && index < firstBlock + blocks
}

function isNew<Value>(seen: Set<Value>, value: Value): boolean {
  const isFirst = !seen.has(value)
  seen.add(value)
  return isFirst
}

function versionProblem(old: Piece, { fileId, key, length, blockSizeBytes }: NewVersion): string | undefined {
  if (key !== old.key) return `its key is ${key.slice(0, 100)}`
  if (!Number.isSafeInteger(fileId) || fileId < 0 || fileIdOf(containerOf(fileId)) !== fileId)
    return `${fileId} is not a file id`
  return sizeProblem(length, blockSizeBytes)
}
