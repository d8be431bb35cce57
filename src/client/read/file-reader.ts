// Why: a reader gets exactly the file's bytes or an error, whatever happens to the workers
// meanwhile. How: the master names the file's version and its replicas; each block is read from the
// best replica (one of this host as a file, where that can be), from the next one where that one
// fails, and from the store at last. What was given out is never given out again: a successor
// starts at the byte after it. A block id names one version of the content, so versions cannot mix.
// Of a part of a file only the blocks that it touches are looked at, and of those only the wanted
// bytes.
import { assert } from '../../base/assert.ts'
import { blockCount, blockIdOf, blockLength } from '../../base/block-id.ts'
import type { ExpectedBlock } from '../../base/expected-block.ts'
import { type Random, throwIfAborted } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { ByteRange, DataClient } from '../../wire/data/data-client.ts'
import type { FileInfo, MasterServiceDefinition, OpenFileResponse, WorkerInfo } from '../../wire/generated/master.ts'
import type { Service } from '../../wire/service.ts'
import type { PassiveCopies } from './passive-copies.ts'
import type { ShortCircuitReader } from './short-circuit-reader.ts'

/** What a reader needs of the data plane: verified bytes of one cached block. */
export type BlockReadClient = Pick<DataClient, 'read'>

/**
 * The file's bytes from the store beneath, in the version that `file.etag` names.
 * @throws SkeinError aborted with reason `object_changed`, not_found, and those of
 *   ufs/under-file-system.ts
 */
export interface OriginReader {
  readOrigin(file: FileInfo, offset: number, length: number, signal: AbortSignal): AsyncIterable<Uint8Array>
}

export interface FileReaderOptions {
  readonly master: Pick<Service<MasterServiceDefinition>, 'openFile' | 'refreshFile'>
  readonly data: BlockReadClient
  /** Reads blocks of this host's workers; undefined: over their data ports. */
  readonly near?: Pick<ShortCircuitReader, 'read'> | undefined
  /** How old what the master knows of the file may be; undefined: as the master has it. */
  readonly syncIntervalMs?: number | undefined
  /** Undefined: cached bytes only. */
  readonly origin: OriginReader | undefined
  /** This host's name; replicas on it are read first. */
  readonly hostname: string
  /** Spreads readers over the replicas of other hosts. */
  readonly random: Random
  /** Has what is read from other hosts copied to this one; undefined: nothing is. */
  readonly passive?: Pick<PassiveCopies, 'offer'> | undefined
  /**
   * Has a worker drop a block that is another one than its id says; undefined: it stays. Does not
   * wait, and does not throw.
   */
  readonly dropWrong?: ((worker: WorkerInfo, blockId: number) => void) | undefined
  readonly logger: Logger
}

/** A source of a part of a file; called with the bytes that are still wanted. */
interface Source {
  readonly name: string
  /** Undefined: the store. */
  readonly worker: WorkerInfo | undefined
  read(offset: number, length: number): AsyncIterable<Uint8Array>
}

export class FileReader {
  readonly #options: FileReaderOptions

  constructor(options: FileReaderOptions) {
    this.#options = options
  }

  /**
   * All bytes of the file at `path`, or those of `range` as far as it has them, in order. A file
   * that changes at the store before the first byte is read in its new version.
   * @throws SkeinError not_found, failed_precondition (a directory), aborted `object_changed`
   *   (changed in the middle), unavailable (no replica and no store could give the bytes),
   *   data_loss
   */
  async *read(path: string, signal: AbortSignal, range?: ByteRange): AsyncGenerator<Uint8Array, void, undefined> {
    let opened = await this.#open(path, signal)
    for (let reopened = false; ; reopened = true) {
      let emitted = 0
      try {
        for await (const chunk of this.readOpened(opened, signal, range)) {
          emitted += chunk.length
          yield chunk
        }
        return
      } catch (thrown) {
        const error = toSkeinError(thrown)
        const { file } = opened
        const isChanged = isSkeinError(error, 'aborted', 'object_changed')
        // What only the cache had may have been persisted, and freed, since it was opened.
        if (emitted > 0 || reopened || !(isChanged || (file !== undefined && isOnlyCached(file)))) throw error
        if (isChanged && file !== undefined)
          await this.#options.master.refreshFile({ namespaceId: file.namespaceId, key: file.key }, { signal })
        opened = await this.#open(path, signal)
      }
    }
  }

  /** The same of a file that OpenFile has answered. Same errors. */
  async *readOpened(
    opened: OpenFileResponse,
    signal: AbortSignal,
    range?: ByteRange,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { file } = opened
    assert(file !== undefined, 'OpenFile answers a file')
    const workers = new Map(opened.workers.map((worker) => [worker.workerId, worker]))
    const failedWorkers = new Set<string>()
    const from = range?.offset ?? 0
    const to = Math.min(file.length, from + (range?.length ?? file.length))
    if (!Number.isSafeInteger(from) || from < 0 || !(to >= from || from >= file.length)) {
      throw new SkeinError('invalid_argument', `bytes ${from}+${range?.length} are no part of a file`)
    }
    const blocks = file.length === 0 || from >= to ? 0 : blockCount(to, file.blockSizeBytes)
    for (let index = Math.floor(from / file.blockSizeBytes); index < blocks; index += 1) {
      const start = index * file.blockSizeBytes
      const length = blockLength(file.length, file.blockSizeBytes, index)
      const part = { offset: Math.max(0, from - start), end: Math.min(length, to - start) }
      const replicas = (opened.blocks[index]?.workerIds ?? []).flatMap((id) => workers.get(id) ?? [])
      const sources = this.#sourcesOf(file, index, replicas, failedWorkers, signal)
      const blockId = blockIdOf(file.fileId, index)
      const what = { name: `block ${index} of ${file.path}`, blockId, isOnlyCached: isOnlyCached(file) }
      const last = yield* this.#readBlock(what, part, sources, failedWorkers, signal)
      if (last.worker !== undefined && part.offset === 0 && part.end === length) {
        this.#options.passive?.offer(file, blockId, last.worker, replicas)
      }
    }
  }

  async #open(path: string, signal: AbortSignal): Promise<OpenFileResponse> {
    const { master, syncIntervalMs } = this.#options
    const opened = await master.openFile(syncIntervalMs === undefined ? { path } : { path, syncIntervalMs }, { signal })
    if (opened.file === undefined || opened.file.folder)
      throw new SkeinError('failed_precondition', `${path} is a directory`)
    return opened
  }

  #sourcesOf(
    file: FileInfo,
    index: number,
    replicas: readonly WorkerInfo[],
    failedWorkers: ReadonlySet<string>,
    signal: AbortSignal,
  ): Source[] {
    const { data, near, origin, hostname, random } = this.#options
    const blockId = blockIdOf(file.fileId, index)
    const blockBytes = blockLength(file.length, file.blockSizeBytes, index)
    const blockOffset = index * file.blockSizeBytes
    const { namespaceId, key, etag, keyMoved = true } = file
    const expected: ExpectedBlock = { namespaceId, key, etag, length: blockBytes, offset: blockOffset, keyMoved }
    const rank = (worker: WorkerInfo): number =>
      (failedWorkers.has(worker.workerId) ? 4 : 0) +
      (worker.live ? 0 : 2) +
      (worker.hostname === hostname ? 0 : 1) +
      random() / 2
    const sources: Source[] = replicas
      .map((worker) => ({ worker, rank: rank(worker) }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ worker }) => ({
        name: `worker ${worker.hostname} (${worker.dataAddress})`,
        worker,
        read: (offset, length) =>
          near !== undefined && worker.hostname === hostname
            ? near.read({ worker, blockId, length: blockBytes, expected }, { offset, length }, signal)
            : data.read(worker.dataAddress, blockId, { offset, length }, signal, expected),
      }))
    if (origin !== undefined && !isOnlyCached(file)) {
      sources.push({
        name: 'the store',
        worker: undefined,
        read: (offset, length) => origin.readOrigin(file, blockOffset + offset, length, signal),
      })
    }
    return sources
  }

  /**
   * The worker reports that it is gone, and others make a replica of the right one. Bytes that
   * exist nowhere else stay.
   */
  #dropWrong(worker: WorkerInfo, blockId: number, why: SkeinError): void {
    this.#options.logger.warn('a worker has another block under the id of this one', {
      worker: worker.hostname,
      blockId,
      error: why.message,
    })
    this.#options.dropWrong?.(worker, blockId)
  }

  /** @returns the source of the last byte */
  async *#readBlock(
    what: { readonly name: string; readonly blockId: number; readonly isOnlyCached: boolean },
    { offset, end }: { readonly offset: number; readonly end: number },
    sources: readonly Source[],
    failedWorkers: Set<string>,
    signal: AbortSignal,
  ): AsyncGenerator<Uint8Array, Source, undefined> {
    const length = end - offset
    let emitted = 0
    let last = new SkeinError('unavailable', 'it is cached nowhere, and its store cannot be read from here')
    if (what.isOnlyCached && sources.length === 0) last = new SkeinError('unavailable', 'it is on no live worker')
    for (const source of sources) {
      try {
        for await (const chunk of source.read(offset + emitted, length - emitted)) {
          throwIfAborted(signal)
          if (chunk.length > length - emitted)
            throw new SkeinError('data_loss', `${source.name} gave more bytes than were asked for`)
          emitted += chunk.length
          if (chunk.length > 0) yield chunk
        }
        if (emitted === length) return source
        throw new SkeinError('data_loss', `${source.name} gave ${emitted} of ${length} bytes`, { retryable: true })
      } catch (thrown) {
        throwIfAborted(signal)
        if (emitted === length) return source
        last = toSkeinError(thrown)
        if (source.worker !== undefined) {
          failedWorkers.add(source.worker.workerId)
          if (last.reason === 'wrong_block' && !what.isOnlyCached) this.#dropWrong(source.worker, what.blockId, last)
        }
        this.#options.logger.debug('a source of a block failed', {
          what: what.name,
          source: source.name,
          error: last.message,
        })
      }
    }
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

/** Whether no store has the file, as far as is known. */
function isOnlyCached({ persistenceState }: FileInfo): boolean {
  return persistenceState === 'NOT_PERSISTED' || persistenceState === 'TO_BE_PERSISTED'
}
