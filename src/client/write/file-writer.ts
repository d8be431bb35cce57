// Why: writes a stream as a file in the cache that survives the crash of any one process: every
// block is on a worker's disk before the file becomes visible. How: the master chooses a worker for
// each block. If the worker fails, the block is sent to another one; its bytes are kept until it is
// committed. Then the write policy of the namespace decides about the store:
//
//   MUST_CACHE     nothing: the file is only in the cache until it is persisted by a command
//   ASYNC_THROUGH  nothing here: the master persists the file soon
//   CACHE_THROUGH  the file is persisted before the write returns
//   THROUGH        like CACHE_THROUGH, and then its blocks are freed
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

/** Blocks up to this size are sent in one piece. */
const smallBytesMax = 1024 * 1024
const abandonMs = 5000
/** Deadline of the call that persists a whole file. */
const persistMs = 24 * 3600 * 1000
/** Deadline of the call that waits until the master knows all blocks. */
const completeMs = 60_000

export interface FileWriterOptions {
  readonly lifecycle: Pick<
    Service<LifecycleServiceDefinition>,
    'createFile' | 'placeBlock' | 'completeFile' | 'abandonFile' | 'persist'
  >
  readonly master: Pick<Service<MasterServiceDefinition>, 'free'>
  readonly targets: Pick<BlockTargetPool, 'targetFor'>
  /** Block size of new files. Default: from their namespace. */
  readonly blockSizeBytes?: number | undefined
  /** Returns a unique word per file. It identifies a repeated call whose first answer was lost. */
  readonly uniqueId: () => string
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Attempts per block, and the pauses when all workers have failed. Default: 8 attempts. */
  readonly retry?: RetryPolicy
}

export interface WrittenFile {
  readonly fileId: number
  readonly length: number
  readonly writePolicy: string
  /** Whether the store has the file. */
  readonly persisted: boolean
}

const retryDefault: RetryPolicy = { attemptsMax: 8, initialMs: 200, maxMs: 3000 }

export class FileWriter {
  readonly #options: FileWriterOptions

  constructor(options: FileWriterOptions) {
    this.#options = options
  }

  /**
   * Creates the file `path` with exactly `length` bytes. The caller must not change chunks
   * afterwards; the chunks of one block are kept in memory until it is written. A file that cannot
   * be completed is abandoned and never becomes visible.
   * @throws SkeinError already_exists, not_found (namespace), invalid_argument (more or fewer
   *   bytes, or not a valid file path), resource_exhausted (`no_capacity`), unavailable, what the
   *   stream throws; unavailable with reason `not_persisted` when the file is complete in the
   *   cache, but its policy requires it in the store and persisting failed
   */
  async write(
    path: string,
    length: number,
    chunks: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<WrittenFile> {
    if (!Number.isSafeInteger(length) || length < 0)
      throw new SkeinError('invalid_argument', `${length} is not a valid file length`)
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
        // The stream's own error is thrown unchanged: another worker would not help.
        if (bytes.failure !== undefined) throw bytes.failure
        throwIfAborted(signal)
        const error = toSkeinError(thrown)
        if (attempt >= policy.attemptsMax || (worker === undefined && failedWorkers.size === 0 && !error.retryable))
          throw error
        logger.warn('cannot write a block to a worker; trying another worker', {
          key,
          index,
          worker: worker?.workerId,
          error: error.message,
        })
        if (worker !== undefined) {
          failedWorkers.add(worker.workerId)
        } else {
          // All workers have failed. Some of them may have recovered.
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

  /**
   * Waits as the write policy requires.
   * @returns whether the store has the file
   */
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
        `${path} is complete in the cache, but not in the store: ${toSkeinError(thrown).message}`,
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
   * Uses its own signal, because the caller's signal is often the reason. If the call fails, the
   * master abandons the file after a time.
   */
  async #abandon(path: string, fileId: number): Promise<void> {
    try {
      await this.#options.lifecycle.abandonFile(
        { fileId },
        { signal: new AbortController().signal, deadlineMs: abandonMs },
      )
    } catch (thrown) {
      this.#options.logger.warn('cannot abandon a file; the master does it later', {
        path,
        error: toSkeinError(thrown).message,
      })
    }
  }
}

/** Writes one block to one worker. Aborts the sink on failure. */
async function send(target: BlockTarget, header: BlockHeader, bytes: KeptBytes, signal: AbortSignal): Promise<void> {
  if (header.length <= smallBytesMax) {
    const chunks: Uint8Array[] = []
    for await (const chunk of bytes.read()) chunks.push(chunk)
    await target.put({ header, bytes: Buffer.concat(chunks) }, signal)
    return
  }
  const sink = await target.open(header, signal)
  try {
    // Without a sink the worker already has the block, because an answer was lost. The stream must
    // still be read past this block.
    for await (const chunk of bytes.read()) await sink?.write(chunk)
    await sink?.commit()
  } catch (thrown) {
    await sink?.abort()
    // The block was committed, but the answer was lost.
    if (isSkeinError(thrown, 'already_exists', 'committed')) return
    throw thrown
  }
}
