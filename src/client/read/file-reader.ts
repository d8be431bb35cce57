// Why: a reader gets exactly the bytes of the file or an error, whatever happens to the workers
// meanwhile. How: the master returns the version of the file and its replicas. Each block is read
// from the best replica (on this host as a local file if possible), then from the next one if that
// fails, and last from the store. No byte is returned twice: the next source starts after the last
// byte. A block id names one version of the content, so versions cannot mix. For a range only the
// blocks and bytes in the range are read.
import { assert } from '../../base/assert.ts'
import { blockCount, blockIdOf, blockLength } from '../../base/block-id.ts'
import { type Random, throwIfAborted } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { ChunkMemory } from '../../base/flow/lent-pieces.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { ByteRange, DataClient } from '../../wire/data/data-client.ts'
import type { FileInfo, MasterServiceDefinition, OpenFileResponse, WorkerInfo } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import { expectedBlock, nearBlock } from './near-block.ts'
import type { PassiveCopies } from './passive-copies.ts'
import { newReadMemory, type ReadMemory, wasReadWhole } from './read-memory.ts'
import type { ReadTarget } from './read-target.ts'
import type { ShortCircuitReader } from './short-circuit-reader.ts'
import type { SmallBlockCache } from './small-block-cache.ts'

/** The data-plane call that a reader needs: verified bytes of one cached block. */
export type BlockReadClient = Pick<DataClient, 'read'>

/**
 * Reads bytes of the file from its store, in the version of `file.etag`.
 * @throws SkeinError aborted with reason `object_changed`, not_found, and the errors of
 *   ufs/under-file-system.ts
 */
export interface OriginReader {
  readOrigin(file: FileInfo, offset: number, length: number, signal: AbortSignal): AsyncIterable<Uint8Array>
}

export interface FileReaderOptions {
  readonly master: Pick<Service<MasterServiceDefinition>, 'openFile' | 'refreshFile'>
  readonly data: BlockReadClient & Partial<Pick<SmallBlockCache, 'kept'>>
  /** Reads blocks of workers on this host. Undefined: their data ports are used. */
  readonly near?: Pick<ShortCircuitReader, 'read' | 'readOpened' | 'readsFilesOf'> | undefined
  /** Maximum age of the master's metadata for the file. Undefined: the master's default. */
  readonly syncIntervalMs?: number | undefined
  /** Undefined: only cached bytes can be read. */
  readonly origin: OriginReader | undefined
  /** Name of this host. Its replicas are read first. */
  readonly hostname: string
  /** Distributes readers over the replicas on other hosts. */
  readonly random: Random
  /**
   * Requests a replica on this host after a block was read from another host. Undefined: no
   * replicas are requested.
   */
  readonly passive?: Pick<PassiveCopies, 'offer'> | undefined
  /**
   * Tells a worker to drop a block that does not match its id. Undefined: the block stays. Does not
   * wait and does not throw.
   */
  readonly dropWrong?: ((worker: WorkerInfo, blockId: number) => void) | undefined
  readonly logger: Logger
}

interface ReadHow {
  readonly range?: ByteRange | undefined
  /**
   * By offset in the file. Chunks are in the target already (read-target.ts), or in memory of their
   * own, which is the caller's.
   */
  readonly target?: ReadTarget | undefined
  /** Memory for chunks, in place of a target; they may be in memory of their own, too. */
  readonly lent?: ChunkMemory | undefined
  /** Default: of this read alone. */
  readonly memory?: ReadMemory
  /** Told where bytes came from. */
  readonly onSource?: ((source: 'cache' | 'store', bytes: number) => void) | undefined
}

/** A source for a part of a block. Called with the range that is still missing. */
interface Source {
  readonly name: string
  /** Undefined: the store. */
  readonly worker: WorkerInfo | undefined
  read(offset: number, length: number): AsyncIterable<Uint8Array>
}

interface WantedBlock extends Pick<ReadHow, 'onSource'> {
  readonly name: string
  readonly blockId: number
  readonly isOnlyCached: boolean
}

export class FileReader {
  readonly #options: FileReaderOptions

  constructor(options: FileReaderOptions) {
    this.#options = options
  }

  /**
   * Yields the bytes of the file at `path`, or those of `range` that it has, in order. If the file
   * changes in the store before the first byte, the new version is read.
   * @throws SkeinError not_found, failed_precondition (a directory), aborted `object_changed`
   *   (changed during the read), unavailable (no replica and no store could return the bytes),
   *   data_loss
   */
  async *read(path: string, signal: AbortSignal, range?: ByteRange): AsyncGenerator<Uint8Array, void, undefined> {
    let opened = await this.#open(path, signal)
    for (let reopened = false; ; reopened = true) {
      let emitted = 0
      try {
        for await (const chunk of this.readOpened(opened, signal, { range })) {
          emitted += chunk.length
          yield chunk
        }
        return
      } catch (thrown) {
        const error = toSkeinError(thrown)
        const { file } = opened
        const isChanged = isSkeinError(error, 'aborted', 'object_changed')
        // A file that was only cached may have been persisted, and its blocks freed, since it was
        // opened.
        if (emitted > 0 || reopened || !(isChanged || (file !== undefined && isOnlyCached(file)))) throw error
        if (isChanged && file !== undefined)
          await this.#options.master.refreshFile({ namespaceId: file.namespaceId, key: file.key }, { signal })
        opened = await this.#open(path, signal)
      }
    }
  }

  /**
   * Like read, for a file that was opened with OpenFile. Same errors.
   */
  async *readOpened(
    opened: OpenFileResponse,
    signal: AbortSignal,
    { range, target, lent, memory = newReadMemory(), onSource }: ReadHow = {},
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { file } = opened
    assert(file !== undefined, 'OpenFile returns a file')
    const workers = new Map(opened.workers.map((worker) => [worker.workerId, worker]))
    const from = range?.offset ?? 0
    const to = Math.min(file.length, from + (range?.length ?? file.length))
    if (!Number.isSafeInteger(from) || from < 0 || !(to >= from || from >= file.length)) {
      throw new SkeinError('invalid_argument', `bytes ${from}+${range?.length} are not a valid range of a file`)
    }
    const blocks = file.length === 0 || from >= to ? 0 : blockCount(to, file.blockSizeBytes)
    for (let index = Math.floor(from / file.blockSizeBytes); index < blocks; index += 1) {
      const start = index * file.blockSizeBytes
      const length = blockLength(file.length, file.blockSizeBytes, index)
      const part = { offset: Math.max(0, from - start), end: Math.min(length, to - start) }
      const replicas = (opened.blocks[index]?.workerIds ?? []).flatMap((id) => workers.get(id) ?? [])
      const sources = this.#sourcesOf({ file, index, target, lent }, replicas, memory, signal)
      const blockId = blockIdOf(file.fileId, index)
      const what = { name: `block ${index} of ${file.path}`, blockId, isOnlyCached: isOnlyCached(file), onSource }
      const last = yield* this.#readBlock(what, part, sources, memory, signal)
      if (last.worker === undefined) memory.wasStoreRead = true
      else if (wasReadWhole(memory, index, part.end - part.offset, length))
        this.#options.passive?.offer(file, blockId, last.worker, replicas)
    }
  }

  /** Whether the block at an offset of the file is expected to be read from a file of this host. */
  isInFile(opened: OpenFileResponse, offset: number, memory: Pick<ReadMemory, 'failedWorkers'>): boolean {
    return this.#workerHere(opened, offset, memory) !== undefined
  }

  /**
   * Bytes of one block that are in memory, and must not be changed. Undefined: read them. Only
   * what a worker has is taken, as the master said.
   */
  keptBytes({ file, blocks }: OpenFileResponse, { offset, length }: ByteRange): Uint8Array | undefined {
    if (file === undefined) return undefined
    const index = Math.floor(offset / file.blockSizeBytes)
    if ((blocks[index]?.workerIds.length ?? 0) === 0) return undefined
    const at = offset - index * file.blockSizeBytes
    return this.#options.data.kept?.(blockIdOf(file.fileId, index), expectedBlock(file, index), { offset: at, length })
  }

  /**
   * Fills `into` from the file of a block that is open already, as most reads of a large file are:
   * in a tenth of the steps of `readOpened`.
   * @returns false when it cannot be: `readOpened` reads the range then
   * @throws the signal's reason
   */
  async readFromFile(
    opened: OpenFileResponse,
    offset: number,
    into: Uint8Array,
    signal: AbortSignal,
    { memory, onSource }: { readonly memory: ReadMemory } & Pick<ReadHow, 'onSource'>,
  ): Promise<boolean> {
    const { near } = this.#options
    const { file } = opened
    const worker = this.#workerHere(opened, offset, memory)
    if (near === undefined || file === undefined || worker === undefined) return false
    const index = Math.floor(offset / file.blockSizeBytes)
    const block = nearBlock(file, index, worker)
    const inBlock = offset - index * file.blockSizeBytes
    if (inBlock + into.length > block.length || !(await near.readOpened(block, inBlock, into, signal))) return false
    onSource?.('cache', into.length)
    return true
  }

  /** In the order of `readOpened`: a replica here is the first source, unless it has failed. */
  #workerHere(
    { file, blocks, workers }: OpenFileResponse,
    offset: number,
    { failedWorkers }: Pick<ReadMemory, 'failedWorkers'>,
  ): WorkerInfo | undefined {
    const { near } = this.#options
    if (near === undefined || file === undefined) return undefined
    const { workerIds = [] } = blocks[Math.floor(offset / file.blockSizeBytes)] ?? {}
    return workers.find(
      (worker) =>
        this.#isHere(worker) &&
        worker.live &&
        workerIds.includes(worker.workerId) &&
        !failedWorkers.has(worker.workerId) &&
        near.readsFilesOf(worker),
    )
  }

  #isHere({ hostname }: WorkerInfo): boolean {
    return hostname === this.#options.hostname
  }

  async #open(path: string, signal: AbortSignal): Promise<OpenFileResponse> {
    const { master, syncIntervalMs } = this.#options
    const opened = await master.openFile(syncIntervalMs === undefined ? { path } : { path, syncIntervalMs }, { signal })
    if (opened.file === undefined || opened.file.folder)
      throw new SkeinError('failed_precondition', `${path} is a directory; give a file`)
    return opened
  }

  #sourcesOf(
    { file, index, target, lent }: { file: FileInfo; index: number } & Pick<ReadHow, 'target' | 'lent'>,
    replicas: readonly WorkerInfo[],
    { failedWorkers, silentWorkers }: ReadMemory,
    signal: AbortSignal,
  ): Source[] {
    const { data, near, origin, random } = this.#options
    const blockId = blockIdOf(file.fileId, index)
    const blockBytes = blockLength(file.length, file.blockSizeBytes, index)
    const blockOffset = index * file.blockSizeBytes
    const expected = expectedBlock(file, index)
    const rank = (worker: WorkerInfo): number =>
      (failedWorkers.has(worker.workerId) ? 4 : 0) +
      (worker.live ? 0 : 2) +
      (this.#isHere(worker) ? 0 : 1) +
      random() / 2
    const inBlock: ReadTarget | undefined =
      target === undefined ? undefined : { at: (offset) => target.at(blockOffset + offset) }
    const workers: Source[] = replicas
      .map((worker) => ({ worker, rank: rank(worker) }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ worker }) => ({
        name: `worker ${worker.hostname} (${worker.dataAddress})`,
        worker,
        read: (offset, length) =>
          near !== undefined && this.#isHere(worker)
            ? near.read({ worker, blockId, length: blockBytes, expected }, { offset, length }, signal, {
                target: inBlock,
                lent,
              })
            : data.read(worker.dataAddress, blockId, { offset, length }, signal, expected),
      }))
    if (origin === undefined || isOnlyCached(file)) return workers
    const store: Source = {
      name: 'the store',
      worker: undefined,
      read: (offset, length) => origin.readOrigin(file, blockOffset + offset, length, signal),
    }
    const isSilent = ({ worker }: Source): boolean => silentWorkers.has(worker?.workerId ?? '')
    return [...workers.filter((source) => !isSilent(source)), store, ...workers.filter(isSilent)]
  }

  /**
   * The worker reports that the block is gone, and the master orders a new replica. Blocks whose
   * bytes exist nowhere else are kept.
   */
  #dropWrong(worker: WorkerInfo, blockId: number, why: SkeinError): void {
    this.#options.logger.warn('a worker returned a wrong block', {
      worker: worker.hostname,
      blockId,
      error: why.message,
    })
    this.#options.dropWrong?.(worker, blockId)
  }

  /** @returns the source that delivered the last byte */
  async *#readBlock(
    what: WantedBlock,
    { offset, end }: { readonly offset: number; readonly end: number },
    sources: readonly Source[],
    { failedWorkers, silentWorkers }: ReadMemory,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, Source, undefined> {
    const length = end - offset
    let emitted = 0
    // What the store says is final, whatever workers say that are asked after it.
    let isFromStore = false
    let failure: SkeinError | undefined
    for (const source of sources) {
      const before = emitted
      try {
        for await (const chunk of source.read(offset + emitted, length - emitted)) {
          throwIfAborted(signal)
          if (chunk.length > length - emitted)
            throw new SkeinError('data_loss', `${source.name} returned more bytes than requested`)
          emitted += chunk.length
          if (chunk.length > 0) yield chunk
        }
        if (emitted === length) return source
        throw new SkeinError('data_loss', `${source.name} returned ${emitted} of ${length} bytes`, { retryable: true })
      } catch (thrown) {
        throwIfAborted(signal)
        if (emitted === length) return source
        const error = toSkeinError(thrown)
        if (!isFromStore) failure = error
        isFromStore ||= source.worker === undefined
        if (source.worker !== undefined) {
          failedWorkers.add(source.worker.workerId)
          if (error.reason === 'unreachable' || error.reason === 'stalled') silentWorkers.add(source.worker.workerId)
          if (error.reason === 'wrong_block' && !what.isOnlyCached) this.#dropWrong(source.worker, what.blockId, error)
        }
        this.#options.logger.debug('a source of a block failed', {
          what: what.name,
          source: source.name,
          error: error.message,
        })
      } finally {
        if (emitted > before) what.onSource?.(source.worker === undefined ? 'store' : 'cache', emitted - before)
      }
    }
    const isNowhere = what.isOnlyCached && sources.length === 0
    const why = isNowhere ? 'no live worker has it' : 'no worker has it, and this client cannot read its store'
    const last = failure ?? new SkeinError('unavailable', why)
    const nowhere = what.isOnlyCached
      ? '; the file is not persisted, so no store has it: wait for the worker that has it'
      : ''
    throw new SkeinError(last.code, `${what.name} could not be read: ${last.message}${nowhere}`, {
      reason: last.reason,
      retryable: last.retryable,
      cause: last,
    })
  }
}

/** Whether no store has the file, as far as the client knows. */
function isOnlyCached({ persistenceState }: FileInfo): boolean {
  return persistenceState === 'NOT_PERSISTED' || persistenceState === 'TO_BE_PERSISTED'
}
