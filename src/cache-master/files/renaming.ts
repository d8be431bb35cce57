// Why: mv. How: here it is one edge that moves, whatever hangs on it. Objects move at the store
// first: a file in the one step the store has for it; a tree by objects, all of them before the
// edge moves, and back again when one of them fails, so that nothing is half done.
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { directoryAt, fileAt, type Place, placeOf, resolve } from '../../meta/resolve-path.ts'
import type { DirectoryInode, FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import type { RenameRequest } from '../../wire/generated/lifecycle.ts'
import type { CallOptions } from '../../wire/service.ts'
import { currentNamespace, type MasterContext, pathOf, placeAt } from '../master-context.ts'
import { persistAppeared } from './hidden-moves.ts'
import { type Movable, ObjectMoves } from './object-moves.ts'
import { movedAnyway } from './moved-anyway.ts'
import { isRefused, type Move, submitRename } from './rename-command.ts'
import { RenameTargets } from './rename-targets.ts'
import { isMoved, replaceFile } from './replacing-file.ts'
import { checkWritable, deleteObject, hasObject, tryEach } from '../store/object-changes.ts'
import type { PathHolds } from '../paths/path-holds.ts'
import type { PathLocator } from '../paths/path-locator.ts'
import type { PersistService } from '../written/persisting.ts'
import type { StoreSync } from '../store/store-sync.ts'
import { type Target, targetAt, treePages } from '../paths/tree-pages.ts'

/**
 * Objects that one rename of a directory moves at the store: what has been moved is kept in mind
 * until the end.
 */
const movedObjectsMax = 100_000
const anyAge = -1

interface PlacedFile {
  readonly key: string
  readonly file: FileInode
}

export class RenameService {
  readonly #context: MasterContext
  readonly #locator: PathLocator
  readonly #sync: StoreSync
  readonly #holds: PathHolds
  readonly #persisting: Pick<PersistService, 'settle' | 'persist'>
  readonly #targets: RenameTargets
  readonly #objects: ObjectMoves

  constructor(
    context: MasterContext,
    locator: PathLocator,
    sync: StoreSync,
    holds: PathHolds,
    persisting: Pick<PersistService, 'settle' | 'persist'>,
  ) {
    this.#context = context
    this.#locator = locator
    this.#sync = sync
    this.#holds = holds
    this.#persisting = persisting
    this.#targets = new RenameTargets(context, sync)
    this.#objects = new ObjectMoves(context, sync)
  }

  /**
   * Moves a file or a directory to a free name; with `intoDirectory` into a directory that is
   * there, with `overwrite` a file to the place of another one.
   * @throws SkeinError invalid_argument (a namespace, another namespace, into itself), not_found,
   *   already_exists, failed_precondition (read-only, too many objects, into `.skein/`),
   *   deadline_exceeded (`path_busy`), and what the store says
   */
  async rename(request: RenameRequest, options: CallOptions): Promise<void> {
    const from = placeAt(this.#context, request.from, '/ cannot be moved: give a path below it')
    const fromPath = pathOf(from.record, from.key)
    const asked = placeAt(this.#context, request.to, `${fromPath} cannot be moved to /: give a path in its namespace`)
    if (from.record.id !== asked.record.id) {
      const both = `${fromPath} -> ${pathOf(asked.record, asked.key)}`
      throw new SkeinError('invalid_argument', `mv across namespaces is not supported: ${both}; copy, then remove`, {
        reason: 'other_namespace',
      })
    }
    if (from.key === '') throw new SkeinError('invalid_argument', `${fromPath} cannot be moved: give a path below it`)
    const move = await this.#moveOnce(request, from, asked, options)
    await persistAppeared(this.#context, this.#persisting, move, options)
  }

  /** A call that is made again, because the answer to it was lost, may find its work done. */
  async #moveOnce(request: RenameRequest, from: Place, asked: Place, options: CallOptions): Promise<Move> {
    const done = { record: from.record, from: from.key, to: asked.key }
    if (this.#isMoved(request, done)) return done
    try {
      return await this.#move(request, from, asked, options)
    } catch (thrown) {
      if (isRefused(thrown) && this.#isMoved(request, done)) return done
      throw thrown
    }
  }

  /** Whether what the caller means is at its new name. */
  #isMoved({ fileId }: RenameRequest, { record, from, to }: Move): boolean {
    const { tables } = this.#context
    const inode = fileId === undefined ? undefined : tables.inode(fileId)
    if (inode === undefined || inode.kind === 'pending') return false
    const place = placeOf(tables, inode)
    const [at, before, after] = [place?.key, from, to].map((key) => key?.replace(/\/$/, ''))
    return place?.record.id === record.id && at === after && at !== before
  }

  async #move(request: RenameRequest, from: Place, asked: Place, options: CallOptions): Promise<Move> {
    const { signal } = options
    const patience = this.#holds.patienceOf(options, request.waitMs)
    const known = await this.#sourceOf(request, from, signal)
    checkWritable(known.record, 'nothing is moved there')
    const to = await this.#targets.keyFor(known, asked, request, signal)
    const move = { record: known.record, from: known.key, to }
    if (to === known.key && known.file !== undefined) return move
    const hold = await this.#holds.take(known.record, [known.key, to, `${to}/`], 'moved', patience)
    try {
      for (const key of [known.key, to, `${to}/`]) await this.#persisting.settle(known.record, key, patience)
      const source = this.#asHeld(known)
      const isReplaced = request.overwrite === true && this.#replaced(source, to) !== undefined
      if (!isReplaced) this.#checkFree(source, to)
      if (isReplaced) await replaceFile({ context: this.#context, sync: this.#sync }, source, to, signal)
      else if (source.directory === undefined) await this.#renameFile(source, to, signal)
      else await this.#renameDirectory(source, source.directory, `${to}/`, signal)
      if (source.file !== undefined) this.#context.persistProblems.forget(source.file.id)
    } finally {
      hold.release()
    }
    return move
  }

  /**
   * What is moved. Of the version that the caller knows the store is not asked: it may have the
   * object at its new name already, from a call that was cut off.
   */
  async #sourceOf({ fileId }: RenameRequest, from: Place, signal: AbortSignal): Promise<Target> {
    const isKnown = fileId !== undefined && fileAt(this.#context.tables, from.record.rootId, from.key)?.id === fileId
    return await targetAt(this.#locator, from, signal, isKnown ? anyAge : undefined)
  }

  /** The same as it is since its path is held: what was being persisted is so, or is not. */
  #asHeld({ record: before, path, key, ...was }: Target): Target {
    const { tables } = this.#context
    const record = currentNamespace(this.#context, before)
    const file = was.file === undefined ? undefined : fileAt(tables, record.rootId, key)
    const directory = was.directory === undefined ? undefined : directoryAt(tables, record.rootId, key)
    if (file === undefined && directory === undefined)
      throw new SkeinError('not_found', `${path} does not exist any more`)
    return { record, path, key, file, directory }
  }

  /** The file whose place a file takes. */
  #replaced({ record, file }: Target, to: string): FileInode | undefined {
    return file === undefined ? undefined : fileAt(this.#context.tables, record.rootId, to)
  }

  #checkFree({ record }: Target, to: string): void {
    const { file, directory } = resolve(this.#context.tables, record.rootId, to)
    if (file !== undefined || directory !== undefined)
      throw new SkeinError('already_exists', `${pathOf(record, to)} exists already`)
  }

  async #renameFile({ record, key, file }: Target, to: string, signal: AbortSignal): Promise<void> {
    if (file?.persisted !== true) {
      if (file !== undefined) await this.#deleteReplaced(record, [{ key, file }], signal)
      return await submitRename(this.#context, { record, from: key, to })
    }
    checkWritable(record, 'nothing is moved there')
    const store = await this.#context.stores.get(record)
    const end = this.#context.changes.changing(record, [key, to])
    try {
      const moved = await this.#objects
        .moveObject(record, store, { fileId: file.id, from: key, etag: file.etag }, to, signal)
        .catch(async (thrown: unknown) => {
          const there = await movedAnyway(store, { from: key, to, file, replaces: '' }, thrown)
          if (there.how === 'same') return { fileId: file.id, from: key, to, ...there }
          if (there.how === 'unproven') return undefined
          if (isSkeinError(thrown, 'already_exists'))
            throw new SkeinError('already_exists', `${pathOf(record, to)} exists already`)
          throw thrown
        })
      await submitRename(this.#context, { record, from: key, to }).catch(async (thrown: unknown) => {
        // Somebody looked at the old name meanwhile: the store has the object at its new name only.
        const isGone = isSkeinError(thrown, 'not_found')
        if (isGone && (await isMoved({ sync: this.#sync }, { record, from: key, to }, signal))) return
        if (isRefused(thrown) && moved !== undefined) await this.#objects.moveBack(store, [moved])
        throw thrown
      })
      if (moved === undefined) return void (await this.#sync.refresh(record, to, signal))
      await this.#objects.keepVersions([moved])
      await this.#objects.lookAgain(record, [moved], signal)
    } finally {
      end()
    }
  }

  async #renameDirectory(
    { record, key }: Target,
    directory: DirectoryInode,
    to: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { tables, persistProblems } = this.#context
    await this.#sync.tree(record, key, signal)
    if (directoryAt(tables, record.rootId, key)?.id !== directory.id) {
      throw new SkeinError('not_found', `${pathOf(record, key)} does not exist any more`)
    }
    const markers: string[] = directory.marker ? [key] : []
    const objects: Movable[] = []
    const replaced: PlacedFile[] = []
    const problematic: number[] = []
    for await (const page of treePages(this.#context, directory.id, key, signal)) {
      for (const entry of page) {
        if (entry.file !== undefined && persistProblems.of(entry.file.id) !== undefined) problematic.push(entry.file.id)
        if (entry.file?.persisted === true)
          objects.push({ fileId: entry.file.id, from: entry.key, etag: entry.file.etag })
        else if (entry.file !== undefined && hasObject(entry.file)) replaced.push({ key: entry.key, file: entry.file })
        else if (entry.directory?.marker === true) markers.push(entry.key)
      }
      if (objects.length + markers.length + replaced.length > movedObjectsMax) {
        const message =
          `${pathOf(record, key)} has more than ${movedObjectsMax} persisted files: ` +
          'move it at the store, or in parts'
        throw new SkeinError('failed_precondition', message)
      }
    }
    const all = [...objects, ...markers.map((from) => ({ fileId: 0, from, etag: undefined }))]
    if (all.length > 0) checkWritable(record, 'nothing is moved there')
    await this.#deleteReplaced(record, replaced, signal)
    const end = this.#context.changes.changing(record, [key, to])
    try {
      const moved = all.length === 0 ? [] : await this.#objects.moveObjects(record, all, key, to, signal)
      await submitRename(this.#context, { record, from: key, to }).catch(async (thrown: unknown) => {
        if (isRefused(thrown)) await this.#objects.moveBack(await this.#context.stores.get(record), moved)
        throw thrown
      })
      const files = moved.filter(({ fileId }) => fileId !== 0)
      for (const fileId of problematic) persistProblems.forget(fileId)
      await this.#objects.keepVersions(files)
      await this.#objects.lookAgain(record, files, signal)
    } finally {
      end()
    }
  }

  /**
   * The objects that unpersisted files have overwritten do not come back at the old names. What is
   * left of a rename that fails is well: the files are persisted as new ones.
   */
  async #deleteReplaced(record: NamespaceRecord, files: readonly PlacedFile[], signal: AbortSignal): Promise<void> {
    const there = files.filter(({ file }) => hasObject(file))
    if (there.length === 0) return
    checkWritable(record, 'nothing is moved there')
    const store = await this.#context.stores.get(record)
    const { failed } = await tryEach(there, ({ key, file }) => deleteObject(store, key, file, signal))
    const [first] = failed
    if (first === undefined) return
    const path = pathOf(record, first.item.key)
    throw new SkeinError(first.error.code, `${path} could not be moved (nothing was moved): ${first.error.message}`)
  }
}
