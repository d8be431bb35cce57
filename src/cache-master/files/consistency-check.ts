// Why: the store may change behind the cache. How: a path is listed page by page and held against
// what is known; either what differs is named, or it is made known, which drops the blocks of what
// changed in the same step. What is at no store differs from nothing there, so it is asked of the
// workers: a block that none of them has makes its file unreadable.
import { directoryAt, fileAt, hiddenByNamespaces } from '../../meta/resolve-path.ts'
import type { FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import type { ListPosition } from '../../ufs/under-file-system.ts'
import type {
  CheckConsistencyRequest,
  CheckConsistencyResponse,
  LoadMetadataRequest,
  LoadMetadataResponse,
  UnreadableFiles,
} from '../../wire/generated/lifecycle.ts'
import type { UnusablePaths } from '../../wire/generated/master.ts'
import type { CallOptions } from '../../wire/service.ts'
import { cachedOf } from '../paths/file-info.ts'
import { directoryKey } from '../paths/file-look-up.ts'
import { type MasterContext, pathOf, placesOf } from '../master-context.ts'
import type { PathLocator } from '../paths/path-locator.ts'
import { pageLimitMax } from '../store/listing-prefetch.ts'
import type { StoreSync } from '../store/store-sync.ts'
import { isNews, type SyncTally } from '../store/sync-tally.ts'
import { treePages } from '../paths/tree-pages.ts'
import { mergeUnusable, unusablePaths } from '../store/unusable-names.ts'

/** Paths that an answer names. */
const namedPathsMax = 1000

export class ConsistencyService {
  readonly #context: MasterContext
  readonly #locator: PathLocator
  readonly #sync: StoreSync

  constructor(context: MasterContext, locator: PathLocator, sync: StoreSync) {
    this.#context = context
    this.#locator = locator
    this.#sync = sync
  }

  /**
   * Lists a path at the store, whatever is known of it and how old that is. @throws SkeinError
   * not_found, and what the store says
   */
  async loadMetadata(request: LoadMetadataRequest, { signal }: CallOptions): Promise<LoadMetadataResponse> {
    const tally: SyncTally = { added: 0, changed: 0, removed: 0, unchanged: 0 }
    let unusable: UnusablePaths | undefined
    for (const { record, key } of placesOf(this.#context, request.path)) {
      const wasFile = await this.#loadFile(record, key, tally, signal)
      if (!wasFile) await this.#locator.locate({ record, key }, signal)
      if (wasFile) continue
      const prefix = directoryKey(key)
      await (request.recursive
        ? this.#sync.tree(record, prefix, signal, tally)
        : this.#sync.children(record, prefix, signal, tally))
      unusable = mergeUnusable(unusable, unusablePaths(record, this.#sync, prefix, request.recursive))
    }
    return { ...tally, ...(unusable !== undefined && { unusable }) }
  }

  /**
   * Names the files below a path that the store has in another version, has not, or has beside
   * them; `total` counts them. Apart from those: what is at no store, with a block on no live
   * worker.
   */
  async check(request: CheckConsistencyRequest, { signal }: CallOptions): Promise<CheckConsistencyResponse> {
    const answer: CheckConsistencyResponse = { inconsistent: [], total: 0, repaired: request.repair }
    const unreadable: UnreadableFiles = { paths: [], total: 0 }
    let unusable: UnusablePaths | undefined
    for (const { record, key } of placesOf(this.#context, request.path)) {
      await this.#findUnreadable(record, key, unreadable, signal)
      if (request.cachedOnly === true) continue
      if (key !== '' && !key.endsWith('/') && (await this.#checkFile(record, key, request.repair, answer, signal)))
        continue
      const prefix = directoryKey(key)
      let after: ListPosition | undefined
      let differs = false
      let isEmpty = true
      do {
        const { diff, next } = await this.#sync.compare(
          record,
          prefix,
          after,
          pageLimitMax,
          signal,
          (compared) => compared,
        )
        const isHidden = hiddenByNamespaces(this.#context.tables, record.rootId)
        const differing = [...diff.files.filter(isNews).map(({ object }) => object.key), ...diff.removals]
        const keys = differing.filter((each) => isHidden?.(each) !== true)
        const named = keys.slice(0, namedPathsMax - answer.inconsistent.length)
        answer.inconsistent.push(...named.map((each) => pathOf(record, each)))
        answer.total += keys.length
        differs ||= keys.length + diff.markers.length + diff.unmarked.length > 0
        isEmpty &&= diff.files.length + diff.removals.length === 0
        after = next
      } while (after !== undefined)
      unusable = mergeUnusable(unusable, unusablePaths(record, this.#sync, prefix, true))
      isEmpty &&= unusable === undefined
      if (differs && request.repair) await this.#sync.tree(record, prefix, signal)
      if (isEmpty && prefix !== '') await this.#locator.locate({ record, key }, signal)
    }
    return { ...answer, ...(unreadable.total > 0 && { unreadable }), ...(unusable !== undefined && { unusable }) }
  }

  async #findUnreadable(
    record: NamespaceRecord,
    key: string,
    found: UnreadableFiles,
    signal: AbortSignal,
  ): Promise<void> {
    const { tables, workers } = this.#context
    workers.expire()
    const look = (fileKey: string, file: FileInode): void => {
      if (file.persisted || cachedOf(this.#context, file).replicas > 0) return
      found.total += 1
      if (found.paths.length < namedPathsMax) found.paths.push(pathOf(record, fileKey))
    }
    const file = fileAt(tables, record.rootId, key)
    if (file !== undefined) {
      look(key, file)
      return
    }
    const directory = directoryAt(tables, record.rootId, directoryKey(key))
    if (directory === undefined) return
    for await (const page of treePages(this.#context, directory.id, directoryKey(key), signal))
      for (const entry of page) if (entry.file !== undefined) look(entry.key, entry.file)
  }

  /** @returns whether the path is a file, here or at the store */
  async #loadFile(record: NamespaceRecord, key: string, tally: SyncTally, signal: AbortSignal): Promise<boolean> {
    if (key === '' || key.endsWith('/')) return false
    const before = fileAt(this.#context.tables, record.rootId, key)
    const now = await this.#sync.refresh(record, key, signal)
    if (before === undefined && now === undefined) return false
    if (before === undefined) tally.added += 1
    else if (now === undefined) tally.removed += 1
    else if (now.id !== before.id) tally.changed += 1
    else tally.unchanged += 1
    return true
  }

  async #checkFile(
    record: NamespaceRecord,
    key: string,
    repair: boolean,
    answer: CheckConsistencyResponse,
    signal: AbortSignal,
  ): Promise<boolean> {
    const known = fileAt(this.#context.tables, record.rootId, key)
    const state = await this.#sync.compareFile(record, key, signal)
    if (state === 'none' && known === undefined) return false
    if (state === 'same') return true
    answer.total += 1
    answer.inconsistent.push(pathOf(record, key))
    if (repair) await this.#sync.refresh(record, key, signal)
    return true
  }
}
