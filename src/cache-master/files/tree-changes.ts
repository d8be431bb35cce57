// Why: users make and remove directories and remove files. How: what the store has is removed there
// first, page by page, and each page is journaled once it is gone; what fails stays as it is. What
// only the cache has goes in one step. The path is held meanwhile (path-holds.ts), and read again
// then: what is being persisted is at the store or is not, before it goes.
import { SkeinError } from '../../base/errors.ts'
import { isHiddenKey, keyProblem } from '../../base/paths.ts'
import { directoryAt, fileAt, placeOf, placeOfText } from '../../meta/resolve-path.ts'
import type { DirectoryInode, NamedInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import { isEmpty } from '../../meta/apply/tree.ts'
import type { DeleteRequest, DeleteResponse, MakeDirectoryRequest } from '../../wire/generated/lifecycle.ts'
import type { CallOptions } from '../../wire/service.ts'
import { directoryKey } from '../paths/file-look-up.ts'
import { currentNamespace, type MasterContext, pathOf } from '../master-context.ts'
import type { DetachedClearing } from './detached-clearing.ts'
import { checkStorable, checkWritable, deleteObject, hasObject, tryEach } from '../store/object-changes.ts'
import type { PathHolds, Patience } from '../paths/path-holds.ts'
import { checkNotBelowFile, mayStandBeside } from '../paths/names-beside.ts'
import type { PathLocator } from '../paths/path-locator.ts'
import type { PersistService } from '../written/persisting.ts'
import type { StoreSync } from '../store/store-sync.ts'
import { countTree, type Target, type TreeEntry, targetAt, treePages } from '../paths/tree-pages.ts'

interface TreeParts {
  readonly clearing: DetachedClearing
  readonly holds: PathHolds
  readonly persisting: Pick<PersistService, 'settle'>
}

export class TreeService {
  readonly #context: MasterContext
  readonly #locator: PathLocator
  readonly #sync: StoreSync
  readonly #clearing: DetachedClearing
  readonly #holds: PathHolds
  readonly #persisting: Pick<PersistService, 'settle'>

  constructor(context: MasterContext, locator: PathLocator, sync: StoreSync, parts: TreeParts) {
    this.#context = context
    this.#locator = locator
    this.#sync = sync
    this.#clearing = parts.clearing
    this.#holds = parts.holds
    this.#persisting = parts.persisting
  }

  /**
   * With its parents, here only: the store shows it once something in it is persisted. @throws
   * SkeinError already_exists for a file, failed_precondition below one; neither `asObject`
   */
  async makeDirectory(request: MakeDirectoryRequest, { signal }: CallOptions): Promise<void> {
    const place = placeOfText(this.#context.tables, request.path)
    if (place === undefined) return
    const { record } = place
    const key = directoryKey(place.key)
    const problem = keyProblem(key)
    if (problem !== undefined) throw new SkeinError('invalid_argument', `'${request.path}' is refused: ${problem}`)
    const there = directoryAt(this.#context.tables, record.rootId, key)
    if (key === '' || there?.made === true || there?.marker === true) return
    checkStorable(record, key.slice(0, -1))
    checkWritable(record, 'nothing is created there')
    if (!mayStandBeside(record, request.asObject)) await this.#checkNoFile(record, key, signal)
    const atMs = this.#context.clock.nowMs()
    const listed = there === undefined && (await this.#sync.probeDirectory(record, key, signal)) === undefined
    const made = { atMs, namespaceId: record.id, key, listed, explicit: true }
    await this.#context.log.submit({ type: 'make_directory', ...made })
  }

  async #checkNoFile(record: NamespaceRecord, directory: string, signal: AbortSignal): Promise<void> {
    const { tables } = this.#context
    await checkNotBelowFile({ tables, sync: this.#sync }, record, directory, signal)
    const key = directory.slice(0, -1)
    const file = fileAt(tables, record.rootId, key) ?? (await this.#sync.refresh(record, key, signal))
    if (file !== undefined) throw new SkeinError('already_exists', `${pathOf(record, key)} is a file`)
  }

  /**
   * Removes a file, or with `recursive` a directory and all below it, at the store too unless
   * `cacheOnly`. With `keepEntries` a directory is from then on there only for what is below it.
   * @throws SkeinError not_found, invalid_argument (`/`, a namespace, another kind than there is),
   *   failed_precondition (not empty, read-only, `is_directory`, `is_file`), aborted
   *   (`file_changed`), deadline_exceeded (`path_busy`), and what the store says
   */
  async delete(request: DeleteRequest, options: CallOptions): Promise<DeleteResponse> {
    const patience = this.#holds.patienceOf(options, request.waitMs)
    const place = placeOfText(this.#context.tables, request.path)
    if (place === undefined || place.key === '') {
      throw new SkeinError(
        'invalid_argument',
        `'${request.path}' cannot be removed: give a path below it, or delete the namespace with 'ns delete'`,
      )
    }
    const target = await targetAt(this.#locator, place, options.signal)
    checkNamed(target, request)
    const hold = await this.#holds.take(target.record, [target.key], 'removed', patience)
    try {
      if (!request.cacheOnly) await this.#persisting.settle(target.record, target.key, patience)
      return await this.#deleteHeld(target, request, options.signal)
    } finally {
      hold.release()
    }
  }

  async #deleteHeld(target: Target, request: DeleteRequest, signal: AbortSignal): Promise<DeleteResponse> {
    const { tables } = this.#context
    const { path, key } = target
    const { recursive, cacheOnly, keepEntries } = request
    const record = currentNamespace(this.#context, target.record)
    if (target.file !== undefined) {
      const file = fileAt(tables, record.rootId, key)
      if (file !== undefined) checkNamed({ path, file }, request)
      // Removed while it was waited for: so it was to be.
      if (file !== undefined) await this.#removeEntries(record, [{ key, file }], cacheOnly, signal)
      return { files: 1, directories: 0 }
    }
    if (keepEntries === true) {
      const directory = directoryAt(tables, record.rootId, key)
      if (directory !== undefined) await this.#removeEntries(record, [{ key, directory }], cacheOnly, signal)
      return { files: 0, directories: 1 }
    }
    if (!recursive) {
      if (!cacheOnly) await this.#sync.children(record, key, signal)
      const now = directoryAt(tables, record.rootId, key)
      if (now !== undefined && !isEmpty(tables, now.id))
        throw new SkeinError('failed_precondition', `${path} is not empty: use -R`)
    }
    if (!cacheOnly) return this.#deleteTree(record, key, signal)
    const directory = directoryAt(tables, record.rootId, key)
    return directory === undefined ? { files: 0, directories: 1 } : this.#detach(record, key, directory, signal)
  }

  /**
   * Removes a file, or a directory and all below it, at the store too, if that is still wanted once
   * its path is nobody else's.
   * @returns whether it was. @throws what delete throws; aborted when it was moved meanwhile
   */
  async deleteInode(inode: NamedInode, isWanted: (now: NamedInode) => boolean, patience: Patience): Promise<boolean> {
    const { tables } = this.#context
    const place = placeOf(tables, inode)
    if (place === undefined) return false
    const { key } = place
    const hold = await this.#holds.take(place.record, [key], 'removed', patience)
    try {
      await this.#persisting.settle(place.record, key, patience)
      const now = tables.inode(inode.id)
      if (now === undefined || now.kind === 'pending' || !isWanted(now)) return false
      const { record, key: nowKey } = placeOf(tables, now) ?? {}
      if (record === undefined) return false
      if (nowKey !== key) throw new SkeinError('aborted', `${pathOf(record, key)} was moved meanwhile`)
      if (now.kind === 'file') await this.#removeEntries(record, [{ key, file: now }], false, patience.signal)
      else await this.#deleteTree(record, key, patience.signal)
      return true
    } finally {
      hold.release()
    }
  }

  /**
   * Removes a directory and all below it, at the store too. @param key ends in `/`; the caller
   * holds it
   */
  async #deleteTree(record: NamespaceRecord, key: string, signal: AbortSignal): Promise<DeleteResponse> {
    const { tables } = this.#context
    await this.#sync.tree(record, key, signal)
    const directory = directoryAt(tables, record.rootId, key)
    if (directory === undefined) return { files: 0, directories: 1 }
    for await (const page of treePages(this.#context, directory.id, key, signal)) {
      for (const { file, directory: below } of page)
        if (hasObject(file) || below?.marker === true) checkWritable(record, 'nothing is removed there')
    }
    const counted = { files: 0, directories: 1 }
    for await (const page of treePages(this.#context, directory.id, key, signal)) {
      const files = page.filter(({ file }) => file !== undefined).length
      await this.#removeEntries(record, page, false, signal)
      counted.files += files
      counted.directories += page.length - files
    }
    // Last, so that it stays for another try when something in it could not be removed.
    const left = directoryAt(tables, record.rootId, key)
    if (left !== undefined) await this.#removeEntries(record, [{ key, directory: left }], false, signal)
    return counted
  }

  /** Everything below is gone in one step, and cleared away piece by piece. */
  async #detach(
    record: NamespaceRecord,
    key: string,
    directory: DirectoryInode,
    signal: AbortSignal,
  ): Promise<DeleteResponse> {
    const counted = await countTree(this.#context, directory.id, key, signal)
    await this.#context.log.submit({ type: 'detach', atMs: this.#context.clock.nowMs(), namespaceId: record.id, key })
    await this.#clearing.run()
    return { files: counted.files, directories: counted.directories + 1 }
  }

  /** The caller holds the keys, and has read the entries since. */
  async #removeEntries(
    record: NamespaceRecord,
    entries: readonly TreeEntry[],
    cacheOnly: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    const { stores, log, clock } = this.#context
    const atStore = (entry: TreeEntry): boolean =>
      !cacheOnly && !isHiddenKey(entry.key) && (hasObject(entry.file) || entry.directory?.marker === true)
    const here = entries.filter((entry) => !atStore(entry))
    const there = entries.filter(atStore)
    if (there.length > 0) checkWritable(record, 'nothing is removed there')
    const store = there.length > 0 ? await stores.get(record) : undefined
    const { done, failed } = await tryEach(there, async ({ key, file }) => {
      if (store !== undefined) await deleteObject(store, key, file, signal)
    })
    const gone = [...here, ...done.map(({ item }) => item)]
    if (gone.length > 0) {
      await log.submit({
        type: 'remove_entries',
        atMs: clock.nowMs(),
        namespaceId: record.id,
        files: gone.flatMap(({ key, file }) => (file === undefined ? [] : [{ key, fileId: file.id }])),
        directories: gone.flatMap(({ key, directory }) => (directory === undefined ? [] : [key])),
      })
    }
    const [first] = failed
    if (first === undefined) return
    const { error, item } = first
    const more = failed.length > 1 ? ` (and ${failed.length - 1} more)` : ''
    throw new SkeinError(error.code, `${pathOf(record, item.key)} could not be removed${more}: ${error.message}`, {
      reason: error.reason,
      retryable: error.retryable,
    })
  }
}

/** The caller names what is to go: another thing that has come to its path stays. */
function checkNamed(
  { path, file, directory }: Pick<Target, 'path' | 'file'> & { readonly directory?: DirectoryInode | undefined },
  { kind, ifFileId }: DeleteRequest,
): void {
  if (kind !== undefined && kind !== 'FILE' && kind !== 'DIRECTORY')
    throw new SkeinError('invalid_argument', `the kind must be FILE or DIRECTORY, not '${kind}'`)
  if (kind === 'FILE' && file === undefined)
    throw new SkeinError('failed_precondition', `${path} is a directory`, { reason: 'is_directory' })
  if (kind === 'DIRECTORY' && file !== undefined)
    throw new SkeinError('failed_precondition', `${path} is a file`, { reason: 'is_file' })
  if (ifFileId !== undefined && (file ?? directory)?.id !== ifFileId)
    throw new SkeinError('aborted', `${path} was changed or removed meanwhile`, {
      reason: 'file_changed',
      retryable: false,
    })
}
