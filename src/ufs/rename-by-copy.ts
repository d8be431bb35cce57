// Why: a bucket cannot rename, and other clients may write the same keys meanwhile. A rename must
// not lose any version, even if it is interrupted. How: copy one version to a free key, check the
// source again, and delete the source if it is still that version. If the delete has certainly not
// happened, the copy is removed. After an interruption, a second call finds the copy, recognizes it
// by its content, and continues with the delete.
import { isSkeinError, SkeinError, toSkeinError } from '../base/errors.ts'
import type { ObjectInfo, ReplacingVersions } from './under-file-system.ts'

/** The requests that a rename uses. */
export interface RenameSteps {
  find(key: string, signal: AbortSignal): Promise<ObjectInfo | undefined>
  /**
   * Copies exactly this version to a key that does not exist.
   * @throws SkeinError already_exists, aborted `object_changed`
   */
  copyNew(source: ObjectInfo, to: string, signal: AbortSignal): Promise<ObjectInfo>
  /**
   * Copies exactly this version to a key that has the version `replaces`.
   * @throws SkeinError aborted `object_changed`
   */
  copyOver(source: ObjectInfo, to: string, replaces: string, signal: AbortSignal): Promise<ObjectInfo>
  /**
   * @returns `changed` only when the object is certainly another version and was not deleted; an
   *   object that no longer exists counts as `deleted`
   */
  deleteVersion(key: string, etag: string, signal: AbortSignal): Promise<'deleted' | 'changed'>
  /** Removes the copy if it is unchanged. Does not use the caller's signal. Never throws. */
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
    // An earlier call may have completed without the caller's knowledge.
    if (there !== undefined && there.etag === etag && isDigest(etag)) return there
    throw new SkeinError('not_found', `the store has no object ${JSON.stringify(from)}`)
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
    // A delete with an unknown result may still take effect. Keep the copy then: it may be all that
    // is left.
    if (there === undefined && (!isDeleting || (await isRefused(steps, from, etag, thrown, signal))))
      await steps.undo(copied)
    throw thrown
  }
}

/** See UnderFileSystem.renameOver. */
export async function renameOverByCopy(
  steps: RenameSteps,
  from: string,
  to: string,
  { etag, replaces }: ReplacingVersions,
  signal: AbortSignal,
): Promise<ObjectInfo> {
  const source = await steps.find(from, signal)
  const there = source === undefined || from === to ? undefined : await steps.find(to, signal)
  if (source === undefined || there === undefined) return await renameByCopy(steps, from, to, etag, signal)
  if (source.etag !== etag) throw changedError(from)
  // A copy that an interrupted call made is not made again.
  if (there.etag !== replaces && !hasSameBytes(source, there)) throw changedError(to)
  const copied = there.etag === replaces ? await steps.copyOver(source, to, replaces, signal) : there
  // The old object is gone: whatever another client has put at `from` meanwhile stays there.
  if ((await steps.find(from, signal))?.etag === etag) await steps.deleteVersion(from, etag, signal)
  return copied
}

/** Whether two objects have the same bytes, as proven by the store's checksums. */
export function hasSameBytes(one: ObjectInfo, other: ObjectInfo): boolean {
  if (one.length !== other.length) return false
  return (one.etag === other.etag && isDigest(one.etag)) || (one.crc64 !== undefined && one.crc64 === other.crc64)
}

export function existsError(key: string): SkeinError {
  return new SkeinError('already_exists', `the store already has an object ${JSON.stringify(key)}`, {
    reason: 'object_exists',
  })
}

export function changedError(key: string): SkeinError {
  return new SkeinError('aborted', `the store has another version of ${JSON.stringify(key)} than expected`, {
    reason: 'object_changed',
    retryable: false,
  })
}

/** An MD5, or the MD5 of the parts' MD5s. */
function isDigest(etag: string): boolean {
  return /^[0-9a-f]{32}(-\d+)?$/.test(etag)
}

/** Whether the store refused the delete and the source still exists. */
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
