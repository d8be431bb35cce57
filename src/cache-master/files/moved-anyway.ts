// Why: a store may have moved an object although its answer is lost, or in an earlier call that was
// cut off. A copy in parts has another ETag than its source, so that nobody can prove whose bytes
// they are. How: the caller holds both paths, and a move removes the old name last: it has happened
// where the object is gone there, and the new name has another version than before, of the same
// length. Only with the same ETag is it the same version.
import { isSkeinError } from '../../base/errors.ts'
import type { ObjectInfo, UnderFileSystem } from '../../ufs/under-file-system.ts'

interface ObjectMove {
  readonly from: string
  readonly to: string
  readonly file: { readonly etag: string; readonly length: number }
  /** The version that was at `to` before; empty: none. */
  readonly replaces: string
}

export type MovedAnyway =
  /** The file, in this version. */
  | { readonly how: 'same'; readonly etag: string; readonly modifiedMs: number }
  /** Most likely the file. What the store has at the new name counts, and no cached block. */
  | { readonly how: 'unproven' }
  | { readonly how: 'not' }
  /** The store does not answer. */
  | { readonly how: 'unknown' }

const inParts = /-\d+$/

/** @param thrown what the store said of the move */
export async function movedAnyway(
  store: Pick<UnderFileSystem, 'stat'>,
  { from, to, file, replaces }: ObjectMove,
  thrown: unknown,
): Promise<MovedAnyway> {
  const isLost = isSkeinError(thrown, 'unavailable') || isSkeinError(thrown, 'deadline_exceeded')
  if (!isLost && !isSkeinError(thrown, 'not_found')) return { how: 'not' }
  try {
    if ((await find(store, from)) !== undefined) return { how: 'not' }
    const there = await find(store, to)
    if (there === undefined || there.etag === replaces || there.length !== file.length) return { how: 'not' }
    if (there.etag === file.etag) return { how: 'same', etag: there.etag, modifiedMs: there.modifiedMs }
    return inParts.test(there.etag) || inParts.test(file.etag) ? { how: 'unproven' } : { how: 'not' }
  } catch {
    return { how: 'unknown' }
  }
}

async function find(store: Pick<UnderFileSystem, 'stat'>, key: string): Promise<ObjectInfo | undefined> {
  try {
    // The caller may have gone.
    return await store.stat(key, new AbortController().signal)
  } catch (thrown) {
    if (isSkeinError(thrown, 'not_found')) return undefined
    throw thrown
  }
}
