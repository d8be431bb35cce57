// Why: what is moved here is moved at the store as well, and other clients write there at the same
// time. How: each object in the version that is known; all of them, or none; afterwards the files
// have the versions that the store gave them, and what others have put at the old names is theirs.
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import type { UnderFileSystem } from '../../ufs/under-file-system.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import { entriesPerPage } from '../paths/tree-pages.ts'
import { tryEach } from '../store/object-changes.ts'
import type { StoreSync } from '../store/store-sync.ts'
import { isMoved } from './replacing-file.ts'

export interface Movable {
  readonly fileId: number
  readonly from: string
  /** The version that is known; undefined for a marker: as it is. */
  readonly etag: string | undefined
}

export interface Moved {
  readonly fileId: number
  readonly from: string
  readonly to: string
  readonly etag: string
  readonly modifiedMs: number
}

export class ObjectMoves {
  readonly #context: MasterContext
  readonly #sync: StoreSync

  constructor(context: MasterContext, sync: StoreSync) {
    this.#context = context
    this.#sync = sync
  }

  async moveObjects(
    record: NamespaceRecord,
    objects: readonly Movable[],
    fromPrefix: string,
    toPrefix: string,
    signal: AbortSignal,
  ): Promise<Moved[]> {
    const store = await this.#context.stores.get(record)
    const moved: Moved[] = []
    for (let at = 0; at < objects.length; at += entriesPerPage) {
      const { done, failed } = await tryEach(objects.slice(at, at + entriesPerPage), (object) => {
        const to = toPrefix + object.from.slice(fromPrefix.length)
        return this.moveObject(record, store, object, to, signal)
      })
      moved.push(...done.map(({ result }) => result))
      const [first] = failed
      if (first !== undefined) {
        const stuck = await this.moveBack(store, moved)
        const left = stuck === 0 ? 'nothing was moved' : `${stuck} objects are at the new name now`
        throw new SkeinError(
          first.error.code,
          `${pathOf(record, first.item.from)} could not be moved (${left}): ${first.error.message}`,
        )
      }
    }
    return moved
  }

  /**
   * In the version that is known here; what has changed at the store is moved as it is there now,
   * and is a new file.
   */
  async moveObject(
    record: NamespaceRecord,
    store: UnderFileSystem,
    object: Movable,
    to: string,
    signal: AbortSignal,
  ): Promise<Moved> {
    const { from } = object
    const move = async (fileId: number, version: string): Promise<Moved> => {
      const { etag, modifiedMs } = await store.rename(from, to, version, signal)
      return { fileId, from, to, etag, modifiedMs }
    }
    if (object.etag === undefined) return await move(object.fileId, (await store.stat(from, signal)).etag)
    try {
      return await move(object.fileId, object.etag)
    } catch (thrown) {
      if (!isSkeinError(thrown, 'aborted', 'object_changed')) throw thrown
      const now = await this.#sync.refresh(record, from, signal)
      if (now === undefined) throw new SkeinError('not_found', `${pathOf(record, from)} does not exist any more`)
      if (now.id === object.fileId || !now.persisted) throw thrown
      return await move(now.id, now.etag)
    }
  }

  /**
   * @returns how many objects could not be moved back; the next listing shows them where they are
   */
  async moveBack(store: UnderFileSystem, moved: readonly Moved[]): Promise<number> {
    // The caller may have gone; what was begun is undone all the same.
    const { signal } = new AbortController()
    const { done, failed } = await tryEach(moved, ({ from, to, etag }) => store.rename(to, from, etag, signal))
    for (const { error, item } of failed)
      this.#context.logger.warn('an object could not be moved back', { key: item.to, error: toSkeinError(error) })
    await this.keepVersions(
      done.flatMap(({ item, result }) =>
        item.fileId === 0 ? [] : [{ ...item, etag: result.etag, modifiedMs: result.modifiedMs }],
      ),
    )
    return failed.length
  }

  /**
   * Another client may have put an object at an old name, and somebody may have looked at it before
   * the file moved here: then that one has moved, and not the one that the store has moved.
   */
  async lookAgain(record: NamespaceRecord, moved: readonly Moved[], signal: AbortSignal): Promise<void> {
    for (let at = 0; at < moved.length; at += entriesPerPage) {
      const other = moved.slice(at, at + entriesPerPage).filter(({ fileId }) => !this.#isKnown(fileId))
      // Where the store does not answer, the next look finds out.
      await tryEach(other, (move) => isMoved({ sync: this.#sync }, { ...move, record }, signal))
    }
  }

  #isKnown(fileId: number): boolean {
    return this.#context.tables.inode(fileId) !== undefined
  }

  /** The objects' new versions, so that what is cached of them stays good. */
  async keepVersions(moved: readonly Moved[]): Promise<void> {
    for (let at = 0; at < moved.length; at += entriesPerPage) {
      const files = moved
        .slice(at, at + entriesPerPage)
        .map(({ fileId, etag, modifiedMs }) => ({ fileId, etag, modifiedMs }))
      await this.#context.log.submit({ type: 'persist_files', atMs: this.#context.clock.nowMs(), files })
    }
  }
}
