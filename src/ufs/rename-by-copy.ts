// Why: a bucket cannot rename, and others write it meanwhile: a rename must lose neither version of
// anything, whenever it is cut off. How: copy one version to a key that is free, look again, delete
// the source if it is still that version. What is certainly not done is undone; after that a second
// call finds the copy, knows it by its content, and goes on with the delete.
import { isSkeinError, SkeinError, toSkeinError } from '../base/errors.ts'
import type { ObjectInfo } from './under-file-system.ts'

/** What a rename is made of. */
export interface RenameSteps {
  find(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined>
  /**
   * Copies this version, and no other, to a key that nothing is at. @throws SkeinError
   * already_exists, aborted `object_changed`
   */
  copyNew(source: ObjectInfo, to: string, signal: AbortSignal): Promise<ObjectInfo>
  /**
   * @returns `changed` only when the object is certainly another version and untouched; what is
   *   gone already is deleted
   */
  deleteVersion(key: string, etag: string, signal: AbortSignal): Promise<'deleted' | 'changed'>
  /** Removes the copy, if it is still this one; not with the caller's signal. Throws nothing. */
  undo(copied: ObjectInfo): Promise<void>
}

/** See UnderFileSystem.rename. */
export async function renameByCopy(
  steps: RenameSteps,
  from: string,
  to: string,
  etag: string,
  signal: AbortSignal,
): Promise<ObjectInfo> {
  const source = await steps.find(from, signal)
  if (source !== undefined && source.etag !== etag) throw changedError(from)
  const there = from === to ? source : await steps.find(to, signal)
  if (source === undefined) {
    // An earlier call may have come to its end without its caller knowing.
    if (there !== undefined && there.etag === etag && isDigest(etag)) return there
    throw new SkeinError('not_found', `there is no object ${JSON.stringify(from)} in the store`)
  }
  if (from === to) return source
  if (there !== undefined && !hasSameBytes(source, there)) throw existsError(to)
  const copied = there ?? (await steps.copyNew(source, to, signal))
  let isDeleting = false
  try {
    const now = await steps.find(from, signal)
    if (now !== undefined && now.etag !== etag) throw changedError(from)
    isDeleting = true
    if (now !== undefined && (await steps.deleteVersion(from, etag, signal)) === 'changed') {
      isDeleting = false
      throw changedError(from)
    }
    return copied
  } catch (thrown) {
    // A delete whose answer is not known may be carried out yet: then the copy is all there is.
    if (there === undefined && (!isDeleting || (await isRefused(steps, from, etag, thrown, signal))))
      await steps.undo(copied)
    throw thrown
  }
}

/** Whether two objects have the same bytes, as far as the store's checksums prove it. */
export function hasSameBytes(one: ObjectInfo, other: ObjectInfo): boolean {
  if (one.length !== other.length) return false
  return (one.etag === other.etag && isDigest(one.etag)) || (one.crc64 !== undefined && one.crc64 === other.crc64)
}

export function existsError(key: string): SkeinError {
  return new SkeinError('already_exists', `there is an object ${JSON.stringify(key)} in the store already`, {
    reason: 'object_exists',
  })
}

export function changedError(key: string): SkeinError {
  return new SkeinError(
    'aborted',
    `${JSON.stringify(key)} is another version in the store than the one that was to be moved`,
    {
      reason: 'object_changed',
      retryable: false,
    },
  )
}

/** An MD5, or one of the parts' MD5s. */
function isDigest(etag: string): boolean {
  return /^[0-9a-f]{32}(-\d+)?$/.test(etag)
}

/** Whether the store would not delete, and has not. */
async function isRefused(
  steps: RenameSteps,
  from: string,
  etag: string,
  thrown: unknown,
  signal: AbortSignal,
): Promise<boolean> {
  const error = toSkeinError(thrown)
  if (!isSkeinError(error, 'permission_denied') && !isSkeinError(error, 'failed_precondition')) return false
  const now = await steps.find(from, signal).catch(() => undefined)
  return now?.etag === etag
}
