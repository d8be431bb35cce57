// Why: a stream of bytes becomes a file in the cache that no crash of one process loses: every
// block is on a worker's disk before the file is seen. How: the master places each block on a
// worker; one that fails is left out and the block is sent to another, from the bytes that are kept
// until it is committed. Then the namespace's write policy decides about the store:
//
//   MUST_CACHE     nothing: the file is in the cache only, until somebody persists it
//   ASYNC_THROUGH  nothing here: the master persists it soon
//   CACHE_THROUGH  it is persisted before this returns
//   THROUGH        the same, and then its blocks are freed
import { blockCount, blockIdOf, blockLength } from '../../base/block-id.ts'
import { type Clock, type Random, throwIfAborted } from '../../base/clock.ts'
import { isSkeinError, SkeinError, toSkeinError } from '../../base/errors.ts'
import { backoffMs, type RetryPolicy } from '../../base/flow/retry.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type {
  CreateFileResponse,
  LifecycleServiceDefinition,
  PlaceBlockResponse,
} from '../../wire/generated/lifecycle.ts'
import type { MasterServiceDefinition } from '../../wire/generated/master.ts'
import type { BlockHeader } from '../../wire/generated/worker.ts'
import type { Service } from '../../wire/service.ts'
import type { BlockTargetPool } from './block-target-pool.ts'
import type { BlockTarget } from './block-target.ts'
import { KeptBytes } from './kept-bytes.ts'

/** Blocks up to this size are sent whole. */
const smallBytesMax = 1024 * 1024
const abandonMs = 5000
/** Of a call that returns when a whole file is at the store. */
const persistMs = 24 * 3600 * 1000
/** Of the call that waits until the master knows of all blocks. */
const completeMs = 60_000

export interface FileWriterOptions {
  readonly lifecycle: Pick<
    Service<LifecycleServiceDefinition>,
    'createFile' | 'placeBlock' | 'completeFile' | 'abandonFile' | 'persist'
  >
  readonly master: Pick<Service<MasterServiceDefinition>, 'free'>
  readonly targets: Pick<BlockTargetPool, 'targetFor'>
  /** Of new files; default: as their namespace says. */
  readonly blockSizeBytes?: number | undefined
  /** A word that no other file has: a call whose answer was lost is known by it. */
  readonly uniqueId: () => string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /**
   * How often a block is sent, and the pauses once no worker is left that did not fail. Default: 8
   * times.
   */
  readonly retry?: RetryPolicy
}

export interface WrittenFile {
  readonly fileId: number
  readonly length: number
  readonly writePolicy: string
  /** Whether the store has it now. */
  readonly persisted: boolean
}

const retryDefault: RetryPolicy = { attemptsMax: 8, initialMs: 200, maxMs: 3000 }

export class FileWriter {
  readonly #options: FileWriterOptions

  constructor(options: FileWriterOptions) {
    this.#options = options
  }

  /**
   * Makes the file `path` of exactly `length` bytes. Chunks must not be changed afterwards; those
   * of one block are kept in memory until it is written. A file that cannot be written to its end
   * is abandoned: it is never seen.
   * @throws SkeinError already_exists, not_found (namespace), invalid_argument (more or fewer
   *   bytes, or no path of a file), resource_exhausted (`no_capacity`), unavailable, what the
   *   stream throws; unavailable with reason `not_persisted` when the file is complete in the
   *   cache, but its policy wants it at the store and that failed
   */
  async write(
    path: string,
    length: number,
    chunks: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<WrittenFile> {
    if (!Number.isSafeInteger(length) || length < 0)
      throw new SkeinError('invalid_argument', `${length} is no length of a file`)
    const { lifecycle, uniqueId, blockSizeBytes = 0 } = this.#options
    const file = await lifecycle.createFile({ path, blockSizeBytes, requestKey: uniqueId() }, { signal })
    const bytes = new KeptBytes(chunks, signal)
    try {
      const blocks = length === 0 ? 0 : blockCount(length, file.blockSizeBytes)
      for (let index = 0; index < blocks; index += 1) await this.#writeBlock(file, index, length, bytes, signal)
      await bytes.expectEnd()
      await lifecycle.completeFile({ fileId: file.fileId, length }, { signal, deadlineMs: completeMs })
    } catch (thrown) {
      await this.#abandon(path, file.fileId)
      throw thrown
    } finally {
      await bytes.close()
    }
    const persisted = await this.#follow(path, file.writePolicy, signal)
    return { fileId: file.fileId, length, writePolicy: file.writePolicy, persisted }
  }

  async #writeBlock(
    file: CreateFileResponse,
    index: number,
    fileLength: number,
    bytes: KeptBytes,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, random, logger, retry: policy = retryDefault } = this.#options
    const { fileId, namespaceId, key, blockSizeBytes } = file
    const length = blockLength(fileLength, blockSizeBytes, index)
    const offset = index * blockSizeBytes
    const header: BlockHeader = {
      blockId: blockIdOf(fileId, index),
      length,
      namespaceId,
      key,
      etag: '',
      offset,
      durable: true,
    }
    const failedWorkers = new Set<string>()
    bytes.beginBlock(length)
    for (let attempt = 1; ; attempt += 1) {
      throwIfAborted(signal)
      let worker: PlaceBlockResponse | undefined
      try {
        worker = await this.#place(fileId, index, length, failedWorkers, signal)
        await send(this.#options.targets.targetFor(worker), header, bytes, signal)
        return
      } catch (thrown) {
        // The stream's own error is thrown as it is: another worker cannot mend it.
        if (bytes.failure !== undefined) throw bytes.failure
        throwIfAborted(signal)
        const error = toSkeinError(thrown)
        if (attempt >= policy.attemptsMax || (worker === undefined && failedWorkers.size === 0 && !error.retryable))
          throw error
        logger.warn('a block could not be written; it is sent to another worker', {
          key,
          index,
          worker: worker?.workerId,
          error: error.message,
        })
        if (worker !== undefined) {
          failedWorkers.add(worker.workerId)
        } else {
          // Nobody is left: those that failed may be well again.
          failedWorkers.clear()
          await clock.sleep(backoffMs(policy, attempt, random), signal)
        }
      }
    }
  }

  #place(
    fileId: number,
    blockIndex: number,
    length: number,
    failed: ReadonlySet<string>,
    signal: AbortSignal,
  ): Promise<PlaceBlockResponse> {
    return this.#options.lifecycle.placeBlock(
      { fileId, blockIndex, length, excludedWorkerIds: [...failed] },
      { signal },
    )
  }

  /** Whether the store has the file now. */
  async #follow(path: string, writePolicy: string, signal: AbortSignal): Promise<boolean> {
    if (writePolicy !== 'CACHE_THROUGH' && writePolicy !== 'THROUGH') return false
    const { lifecycle, master } = this.#options
    try {
      const { failures } = await lifecycle.persist({ path }, { signal, deadlineMs: persistMs })
      if (failures.length > 0) throw new SkeinError('unavailable', failures[0] ?? '')
    } catch (thrown) {
      throwIfAborted(signal)
      throw new SkeinError(
        'unavailable',
        `${path} is complete in the cache, but not at the store: ${toSkeinError(thrown).message}`,
        {
          reason: 'not_persisted',
          retryable: false,
          cause: thrown,
        },
      )
    }
    if (writePolicy === 'THROUGH') await master.free({ path, force: false }, { signal })
    return true
  }

  /**
   * With a signal of its own: the caller's is often why. What is not abandoned here the master
   * gives up after a time.
   */
  async #abandon(path: string, fileId: number): Promise<void> {
    try {
      await this.#options.lifecycle.abandonFile(
        { fileId },
        { signal: new AbortController().signal, deadlineMs: abandonMs },
      )
    } catch (thrown) {
      this.#options.logger.warn('a file could not be abandoned; the master gives it up later', {
        path,
        error: toSkeinError(thrown).message,
      })
    }
  }
}

/** Writes one block to one worker. The sink is aborted when it fails. */
async function send(target: BlockTarget, header: BlockHeader, bytes: KeptBytes, signal: AbortSignal): Promise<void> {
  if (header.length <= smallBytesMax) {
    const chunks: Uint8Array[] = []
    for await (const chunk of bytes.read()) chunks.push(chunk)
    await target.put({ header, bytes: Buffer.concat(chunks) }, signal)
    return
  }
  const sink = await target.open(header, signal)
  try {
    // Without a sink the worker has the block: an answer was lost. The stream must pass all the
    // same.
    for await (const chunk of bytes.read()) await sink?.write(chunk)
    await sink?.commit()
  } catch (thrown) {
    await sink?.abort()
    // A commit whose answer was lost: the block is in.
    if (isSkeinError(thrown, 'already_exists', 'committed')) return
    throw thrown
  }
}
