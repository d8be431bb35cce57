// Why: what only the cache has is put at the store. How: a worker that has the file's blocks writes
// the object, then the file's new version is journaled; a file that is at the store already is left
// alone. Meanwhile the file's key is held (path-holds.ts), so that it is neither moved nor removed
// between the two. Each file by itself: those that fail are named, the others are done.
import { blockCount, blockIdOf } from '../../base/block-id.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { isHiddenKey } from '../../base/paths.ts'
import { blockKeyOf, fileAt, namespaceById, placeOf } from '../../meta/resolve-path.ts'
import type { FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import type { BlockSource, PersistResponse, PersistServiceDefinition } from '../../wire/generated/lifecycle.ts'
import type { CallOptions, Service } from '../../wire/service.ts'
import { type AdoptWrite, CutOffWrites } from './cut-off-writes.ts'
import { isCutOff, whileItLives } from './living-worker.ts'
import { currentNamespace, type MasterContext, pathOf } from '../master-context.ts'
import { checkWritable, tryEach } from '../store/object-changes.ts'
import type { PathHolds, Patience } from '../paths/path-holds.ts'
import type { PathLocator } from '../paths/path-locator.ts'
import { storedInfo } from '../paths/file-info.ts'
import { filesOf, targetOf } from '../paths/tree-pages.ts'

/** The PersistService of the worker at an RPC address. */
export type PersistOn = (workerRpcAddress: string) => Service<typeof PersistServiceDefinition>

/**
 * How long a worker may take for an object: a base, and its bytes at the slowest speed that is put
 * up with (1 MiB/s).
 */
const deadlineBaseMs = 60_000
const slowestBytesPerMs = 1024 ** 2 / 1000
/** Failures that an answer names. */
const failuresMax = 1000

/** An unpersisted file, and where it is now. */
interface PlacedFile {
  readonly record: NamespaceRecord
  readonly key: string
  readonly file: FileInode
}

export interface PersistParts {
  readonly persistOn: PersistOn | undefined
  /** Blocks may be on workers that have not said so yet. */
  readonly mayBlocksCome: () => boolean
}

export class PersistService {
  readonly #context: MasterContext
  readonly #locator: PathLocator
  readonly #holds: PathHolds
  readonly #persistOn: PersistOn | undefined
  readonly #writes: CutOffWrites

  constructor(
    context: MasterContext,
    locator: PathLocator,
    holds: PathHolds,
    { persistOn, mayBlocksCome }: PersistParts,
  ) {
    this.#context = context
    this.#locator = locator
    this.#holds = holds
    this.#persistOn = persistOn
    this.#writes = new CutOffWrites(context, mayBlocksCome)
  }

  /** For others who write to the store: what is cut off of that is found out here, too. */
  get writes(): CutOffWrites {
    return this.#writes
  }

  /**
   * @throws SkeinError not_found, invalid_argument for `/`, failed_precondition for a read-only
   *   namespace
   */
  async persist(pathText: string, options: CallOptions): Promise<PersistResponse> {
    const { signal } = options
    const patience = this.#holds.patienceOf(options)
    const target = await targetOf(
      this.#locator,
      pathText,
      '/ itself cannot be persisted: name a namespace, a directory or a file',
      signal,
    )
    checkWritable(target.record, 'nothing is persisted there')
    if (isHiddenKey(target.key))
      throw new SkeinError('failed_precondition', `${target.path} is never written to the store`)
    const answer: PersistResponse = { persisted: 0, already: 0, failures: [] }
    for await (const page of filesOf(this.#context, target, signal)) {
      const only = page.filter(({ file }) => !file.persisted)
      answer.already += page.length - only.length
      const { done, failed } = await tryEach(only, ({ key, file }) =>
        this.#persistFile(target.record, key, file.id, patience),
      )
      for (const { result } of done) {
        if (result) answer.persisted += 1
        else answer.already += 1
      }
      const texts = failed.map(({ item, error }) => `${pathOf(target.record, item.key)}: ${error.message}`)
      answer.failures.push(...texts.slice(0, failuresMax - answer.failures.length))
    }
    return answer
  }

  /**
   * One file, unless somebody has its path for something at the moment: nobody is waited for.
   * @returns false when somebody has @throws SkeinError as persist names its failures
   */
  async persistUnlessBusy(fileId: number, signal: AbortSignal): Promise<boolean> {
    const placed = this.#placed(fileId)
    if (placed === undefined) return true
    const hold = this.#holds.tryTake(placed.record, [placed.key], 'written to the store')
    if (hold === undefined) return false
    try {
      await this.#write(placed, signal)
      return true
    } finally {
      hold.release()
    }
  }

  /**
   * Waits until nothing that was cut off can arrive at a key, or below it; what did is the file's
   * object from then on. The caller holds the key. @throws SkeinError deadline_exceeded
   * (`path_busy`)
   */
  settle(record: NamespaceRecord, key: string, patience: Patience): Promise<void> {
    return this.#writes.settle(record, key, this.#adopt, patience)
  }

  /** Finds out what came of writes that were cut off, where nobody asks. */
  async sweep(signal: AbortSignal): Promise<void> {
    await this.#writes.sweep(
      this.#adopt,
      (record, key) => this.#holds.tryTake(record, [key], 'written to the store'),
      signal,
    )
  }

  /** The store is asked first: what has not arrived is not written now. */
  readonly #adopt: AdoptWrite = async (record, key, file, signal) => {
    const store = await this.#context.stores.get(record)
    try {
      const found = await store.stat(key, signal)
      // Still the version that was to be replaced.
      if (found.length !== file.length || found.etag === file.replacesEtag) return 'not_there'
      await this.#write({ record, key, file }, signal)
      return 'adopted'
    } catch (thrown) {
      const { code, reason } = toSkeinError(thrown)
      // Nobody can tell, since no worker has the bytes.
      if (reason === 'block_missing') return 'unknown'
      // Not there, or somebody else's.
      if (
        code === 'not_found' ||
        code === 'already_exists' ||
        code === 'failed_precondition' ||
        reason === 'object_changed'
      )
        return 'not_there'
      throw thrown
    }
  }

  /**
   * One file, when its path is nobody else's any more. @returns false when it was persisted
   * already, or by somebody else meanwhile
   */
  async #persistFile(record: NamespaceRecord, key: string, fileId: number, patience: Patience): Promise<boolean> {
    for (let id = fileId; ;) {
      // Overwritten meanwhile: what was asked for is the file of this name.
      if (this.#context.tables.inode(id) === undefined) id = fileAt(this.#context.tables, record.rootId, key)?.id ?? id
      const asked = this.#placed(id)
      if (asked === undefined) return false
      const hold = await this.#holds.take(asked.record, [asked.key], 'written to the store', patience)
      try {
        if (this.#context.tables.inode(id) === undefined) continue
        const placed = this.#placed(id)
        if (placed === undefined) return false
        // Moved while it was waited for: that name is not held.
        if (placed.key !== asked.key) continue
        await this.#write(placed, patience.signal)
        return true
      } finally {
        hold.release()
      }
    }
  }

  /** The file as it is now; undefined when it is persisted. @throws SkeinError not_found */
  #placed(fileId: number): PlacedFile | undefined {
    const { tables } = this.#context
    const file = tables.inode(fileId)
    const place = file?.kind === 'file' ? placeOf(tables, file) : undefined
    if (file?.kind !== 'file' || place === undefined) throw removedMeanwhile()
    return file.persisted || isHiddenKey(place.key) ? undefined : { ...place, file }
  }

  /**
   * The caller holds the key. What was written by a definition that is not the present one any more
   * is written again.
   */
  async #write(placed: PlacedFile, signal: AbortSignal): Promise<void> {
    const { persistProblems } = this.#context
    try {
      for (let isWritten = false; !isWritten;) {
        const record = currentNamespace(this.#context, placed.record)
        isWritten = await this.#writeBy({ ...placed, record }, signal)
      }
      persistProblems.forget(placed.file.id)
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (!signal.aborted && isFinal(error)) persistProblems.note(placed.file.id, error)
      throw thrown
    }
  }

  /** @returns false when the definition is another one by now */
  async #writeBy({ record, key, file }: PlacedFile, signal: AbortSignal): Promise<boolean> {
    const { tables, log, clock, changes } = this.#context
    checkWritable(record, 'nothing is persisted there')
    if (this.#persistOn === undefined)
      throw new SkeinError('unimplemented', 'this master has no connection to the workers that persist')
    const { workerId, rpcAddress, blocks } = this.#sources(file)
    const { id: fileId, length, blockSizeBytes } = file
    const worker = this.#persistOn(rpcAddress)
    const blockKey = blockKeyOf(record, key, file)
    const request = {
      namespaceId: record.id,
      key,
      ...(blockKey === undefined ? {} : { blockKey }),
      fileId,
      length,
      blockSizeBytes,
      blocks,
      ...storedInfo(file),
      overwrite: file.replacesEtag !== undefined,
      ...(file.replacesEtag === undefined ? {} : { replacedEtag: file.replacesEtag }),
      namespaceVersion: record.version,
    }
    const deadlineMs = deadlineBaseMs + length / slowestBytesPerMs
    await this.#writes.begin(record, key, fileId)
    const { etag, modifiedMs } = await whileItLives(this.#context, workerId, signal, (living) =>
      worker.persistFile(request, { signal: living, deadlineMs }),
    ).catch(async (thrown: unknown) => {
      if (isCutOff(toSkeinError(thrown), signal)) this.#writes.cutOff(record, key)
      else await this.#writes.end({ namespaceId: record.id, key })
      throw thrown
    })
    this.#writes.arrived(record, key)
    // Until it is journaled nobody changes the definition.
    const turn = await changes.turn(record, key, signal)
    try {
      const now = namespaceById(tables, record.id)
      if (now !== undefined && now.version !== record.version) return false
      const { changed } = await log.submit({
        type: 'persist_files',
        atMs: clock.nowMs(),
        files: [{ fileId, etag, modifiedMs }],
      })
      if (changed > 0 || tables.inode(fileId) !== undefined) return true
    } finally {
      turn.release()
    }
    await this.#takeBack(record, key, etag, signal)
    await this.#writes.end({ namespaceId: record.id, key })
    throw removedMeanwhile()
  }

  /**
   * Removes what was written for a file that is gone, as with its namespace, unless it is another
   * file's by now, or somebody else's.
   */
  async #takeBack(record: NamespaceRecord, key: string, etag: string, signal: AbortSignal): Promise<void> {
    const { tables, stores, logger } = this.#context
    if (fileAt(tables, record.rootId, key) !== undefined) return
    try {
      const store = await stores.get(record)
      const found = await store.stat(key, signal)
      if (found.etag === etag) await store.delete(key, signal)
    } catch (error) {
      if (isSkeinError(error, 'not_found')) return
      logger.warn('the object of a removed file was not deleted', { key, error: toSkeinError(error) })
    }
  }

  /** Who has the blocks, and of these the one that has most of them: it writes the object. */
  #sources(file: FileInode): {
    readonly workerId: string
    readonly rpcAddress: string
    readonly blocks: BlockSource[]
  } {
    const { workers } = this.#context
    workers.expire()
    const blocksOf = new Map<string, number>()
    const blocks: BlockSource[] = []
    for (let index = 0; index < blockCount(file.length, file.blockSizeBytes); index += 1) {
      const ids = workers.workerIds(blockIdOf(file.id, index))
      if (ids.length === 0) {
        throw new SkeinError('unavailable', `block ${index} is on no live worker: start the worker that holds it`, {
          reason: 'block_missing',
        })
      }
      for (const id of ids) blocksOf.set(id, (blocksOf.get(id) ?? 0) + 1)
      blocks.push({ dataAddresses: workers.infos(ids).map(({ dataAddress }) => dataAddress) })
    }
    const [most] = [...blocksOf].sort(([, a], [, b]) => b - a)
    const [writer] = most === undefined ? workers.list().filter(({ live }) => live) : workers.infos([most[0]])
    if (writer === undefined) throw new SkeinError('unavailable', 'no live worker can write the object')
    return { workerId: writer.workerId, rpcAddress: writer.rpcAddress, blocks }
  }
}

/** Whether the next attempt will get the same answer, unless somebody does something about it. */
function isFinal({ code, reason }: SkeinError): boolean {
  if (code === 'unavailable' || code === 'deadline_exceeded' || code === 'cancelled' || code === 'not_found')
    return false
  return code !== 'aborted' || reason === 'object_changed'
}

function removedMeanwhile(): SkeinError {
  return new SkeinError('not_found', 'the file was removed meanwhile')
}
