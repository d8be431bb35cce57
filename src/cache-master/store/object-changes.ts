// Why: what is removed or moved here is removed or moved at the store first, many objects at a
// time, and never in a read-only namespace. There nothing is written, made or moved either, since
// it could never be persisted; what only the cache has from before can be removed.
import pLimit from 'p-limit'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { formatPath, isHiddenKey } from '../../base/paths.ts'
import type { FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import { storeKeyProblem } from '../../ufs/store-key-problem.ts'
import { namespacePolicy } from '../../ufs/store-options.ts'
import type { UnderFileSystem } from '../../ufs/under-file-system.ts'

/** Requests that change a store, at once. */
const requestsAtOnce = 16

/**
 * @param what does not happen, in words @throws SkeinError failed_precondition when the namespace
 *   is read-only
 */
export function checkWritable(record: NamespaceRecord, what: string): void {
  if (!namespacePolicy(record.attributes).readOnly) return
  throw new SkeinError('failed_precondition', `/${record.name} is read-only: ${what}`, { reason: 'read_only' })
}

/**
 * Refuses a file that could never be written to the store.
 * @throws SkeinError invalid_argument
 */
export function checkStorable({ name, uri }: NamespaceRecord, key: string): void {
  const problem = isHiddenKey(key) ? undefined : storeKeyProblem(uri, key)
  if (problem === undefined) return
  const path = formatPath({ namespace: name, key })
  throw new SkeinError('invalid_argument', `'${path}' is refused: the store of /${name} cannot have it: ${problem}`)
}

/**
 * Whether the store has an object for a file: its own, or the version whose place it takes once it
 * is persisted.
 */
export function hasObject(file: FileInode | undefined): boolean {
  return file !== undefined && (file.persisted || file.replacesEtag !== undefined)
}

/**
 * Deletes the object of a file. The version that an unpersisted file is to replace is deleted only
 * if it is still that version: another client's stays.
 */
export async function deleteObject(
  store: UnderFileSystem,
  key: string,
  file: FileInode | undefined,
  signal: AbortSignal,
): Promise<void> {
  if (file?.persisted !== false) return await store.delete(key, signal)
  try {
    await store.delete(key, signal, file.replacesEtag)
  } catch (thrown) {
    if (!isSkeinError(thrown, 'aborted', 'object_changed')) throw thrown
  }
}

export interface Attempts<Item, Result> {
  readonly done: readonly { readonly item: Item; readonly result: Result }[]
  readonly failed: readonly { readonly item: Item; readonly error: SkeinError }[]
}

/** Tries something for each item, some at once; the results in the items' order. Throws nothing. */
export async function tryEach<Item, Result>(
  items: readonly Item[],
  attempt: (item: Item) => Promise<Result>,
): Promise<Attempts<Item, Result>> {
  const limit = pLimit(requestsAtOnce)
  const done: { item: Item; result: Result }[] = []
  const failed: { item: Item; error: SkeinError }[] = []
  const settled = await Promise.allSettled(items.map((item) => limit(() => attempt(item))))
  settled.forEach((one, i) => {
    const item = items[i]
    if (item === undefined) return
    if (one.status === 'fulfilled') done.push({ item, result: one.value })
    else failed.push({ item, error: toSkeinError(one.reason) })
  })
  return { done, failed }
}
