// Why: a listing's word is not enough where it is odd about an object, where it contradicts what is
// known, and before anything is removed: an object of 0 or 10 listed bytes may have more, and what
// a listing leaves out may still be there. How: the object itself is looked at, many at a time;
// what that says counts.
import pLimit from 'p-limit'
import { throwIfAborted } from '../../base/clock.ts'
import { isSkeinError, type SkeinError, toSkeinError } from '../../base/errors.ts'
import type { FileInode } from '../../meta/meta-tables.ts'
import type { ListPage, ObjectInfo } from '../../ufs/under-file-system.ts'

/** Looks at objects of one store that are under way at once. */
const looksAtOnce = 32

/** The object as the store has it now; undefined when there is none. @throws SkeinError */
export type LookAtObject = (key: string, signal: AbortSignal) => Promise<ObjectInfo | undefined>

export interface KnownObjects {
  file(key: string): FileInode | undefined
  /** Whether the key is known to stand for a directory. */
  isMarker(key: string): boolean
}

/**
 * A page in which every object's length and version are its own. What cannot be told of one is its
 * problem alone.
 */
export async function withOwnWord(
  page: ListPage,
  known: KnownObjects,
  look: LookAtObject,
  signal: AbortSignal,
): Promise<ListPage> {
  const odd = page.objects.flatMap((object, index) => (isOdd(object, known) ? [index] : []))
  if (odd.length === 0 && page.objects.every(({ doubt }) => doubt === undefined)) return page
  const objects: (ObjectInfo | undefined)[] = page.objects.map((object) => agreed(object))
  await inParallel(odd, signal, async (index) => {
    const listed = page.objects[index]
    if (listed !== undefined) objects[index] = await ownWord(listed, look, signal)
  })
  return { ...page, objects: objects.filter((object) => object !== undefined) }
}

/**
 * Those of some keys that the store does not have, or does not show: what may not be looked at may
 * not be read either.
 */
export async function goneOf(
  keys: readonly string[],
  look: LookAtObject,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const gone = new Set<string>()
  await inParallel(keys, signal, async (key) => {
    try {
      if ((await look(key, signal)) === undefined) gone.add(key)
    } catch (thrown) {
      if (!isSkeinError(thrown, 'permission_denied')) throw thrown
      gone.add(key)
    }
  })
  return gone
}

function isOdd(object: ObjectInfo, known: KnownObjects): boolean {
  if (object.problem !== undefined) return false
  const file = known.file(object.key)
  const isSame = file?.persisted === true && object.etag !== '' && file.etag === object.etag
  // One version has one length.
  if (object.doubt === undefined) return isSame && file.length !== object.length
  if (isSame && file.length === object.length) return false
  return !(object.key.endsWith('/') && object.length === 0 && known.isMarker(object.key))
}

async function ownWord(listed: ObjectInfo, look: LookAtObject, signal: AbortSignal): Promise<ObjectInfo | undefined> {
  try {
    return await look(listed.key, signal)
  } catch (thrown) {
    const error = toSkeinError(thrown)
    if (error.retryable || signal.aborted) throw error
    return { ...agreed(listed), problem: problemOf(listed, error) }
  }
}

function problemOf({ doubt }: ObjectInfo, error: SkeinError): string {
  return doubt === undefined ? error.message : `${doubt}; ${error.message}`
}

/** Without its doubt. */
function agreed(object: ObjectInfo): ObjectInfo {
  if (object.doubt === undefined) return object
  const { doubt: _doubt, ...rest } = object
  return rest
}

async function inParallel<Item>(
  items: readonly Item[],
  signal: AbortSignal,
  run: (item: Item) => Promise<void>,
): Promise<void> {
  const limit = pLimit(looksAtOnce)
  try {
    await Promise.all(items.map((item) => limit(run, item)))
  } catch (thrown) {
    limit.clearQueue()
    throw thrown
  }
  throwIfAborted(signal)
}
