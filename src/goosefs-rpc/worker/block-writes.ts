// Why: clients of GooseFS send each block of a file that they write to the worker that their hash
// names, and say how long it is by ending the stream. How: the file is asked for at the master by
// the block's id; its block is written as those of every writer (client/write/block-output.ts),
// here if there is room. The master is told its length before the stream ends: CompleteFile comes
// right after. Of one block one stream writes at a time. Sequence: src/io/writer.rs and
// src/client/worker.rs of the Rust client, 0.2.2.
import { blockIdOf } from '../../base/block-id.ts'
import type { Clock, Random } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { Budget } from '../../base/flow/budget.ts'
import type { RetryPolicy } from '../../base/flow/retry.ts'
import { BlockOutput } from '../../client/write/block-output.ts'
import { KeptChunks } from '../../client/write/kept-chunks.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { LifecycleServiceDefinition } from '../../wire/generated/lifecycle.ts'
import type { Service } from '../../wire/service.ts'
import type { BlockWorkerDefinition } from '../generated/goosefs/blocks.ts'
import { blockOfNative } from '../ids/native-ids.ts'
import type { Bidirectional, NativeCall } from '../native-service.ts'
import { GatheredBytes } from './gathered-bytes.ts'
import { ownWorkerFirst, type Placing } from './own-worker-first.ts'
import { type WriteMessages, writeMessages } from './write-messages.ts'

export type WriteBlock = Bidirectional<BlockWorkerDefinition['methods']['writeBlock']>
type SendOffset = Parameters<WriteBlock>[2]
/** Writes an object at the store: a stream that names no block. */
export type WriteObject = (messages: WriteMessages, call: NativeCall, send: SendOffset) => Promise<void>

export interface BlockWritesParts extends Placing {
  readonly lifecycle: Pick<Service<LifecycleServiceDefinition>, 'getUnfinishedFile' | 'placeBlock' | 'noteWrittenBlock'>
  /** Whether this worker has a block. */
  readonly has: (blockId: number) => boolean
  readonly writeObject: WriteObject
  /** Streams that write at once. */
  readonly streamsMax: number
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** A stream without messages for so long is given up. Default: 10 min. */
  readonly idleMs?: number
  /** Attempts per block, and the pauses when all workers have failed. Default: 3 attempts. */
  readonly retry?: RetryPolicy
}

const idleDefaultMs = 600_000
const retryDefault: RetryPolicy = { attemptsMax: 3, initialMs: 200, maxMs: 1000 }
/** RequestType of GooseFS's protocol: blocks are of the first or the last. */
const objectType = 1
const requestTypeMax = 2

export class BlockWrites {
  readonly #parts: BlockWritesParts
  readonly #streams: Budget
  /** Nothing is kept for another worker: the client has the bytes no more, and memory is scarce. */
  readonly #nothingKept = new Budget('bytes kept of blocks that clients of GooseFS write', 1)
  readonly #writing = new Set<number>()

  constructor(parts: BlockWritesParts) {
    this.#parts = parts
    this.#streams = new Budget('streams that write blocks', parts.streamsMax)
  }

  readonly write: WriteBlock = async (requests, call, send) => {
    const slot = this.#streams.tryAcquire(1)
    if (slot === undefined)
      throw new SkeinError('resource_exhausted', `${this.#streams.capacity} streams write here already: try again`)
    const { clock, idleMs = idleDefaultMs, writeObject } = this.#parts
    try {
      call.begin()
      const messages = await writeMessages(requests, { clock, idleMs })
      const { type = 0 } = messages.command
      if (type < 0 || type > requestTypeMax) throw new SkeinError('invalid_argument', `${type} is no type of a stream`)
      if (type === objectType) await writeObject(messages, call, send)
      else await this.#writeBlock(messages, call, send)
    } finally {
      slot.release()
    }
  }

  async #writeBlock(messages: WriteMessages, call: NativeCall, send: SendOffset): Promise<void> {
    const { id } = messages.command
    if (id === undefined) throw new SkeinError('invalid_argument', 'the command names no block')
    const { fileId, index } = blockOfNative(id)
    const blockId = blockIdOf(fileId, index)
    if (this.#writing.has(blockId) || this.#parts.has(blockId))
      throw new SkeinError('already_exists', `block ${id} is being written here, or was`)
    this.#writing.add(blockId)
    try {
      await this.#take(messages, { fileId, blockIndex: index }, call, send)
    } finally {
      this.#writing.delete(blockId)
    }
  }

  async #take(
    { steps }: WriteMessages,
    block: { readonly fileId: number; readonly blockIndex: number },
    { signal }: NativeCall,
    send: SendOffset,
  ): Promise<void> {
    const { lifecycle } = this.#parts
    const output = await this.#begin(block, signal)
    const { leftBytes: most } = output
    const gathered = new GatheredBytes()
    let length = 0
    try {
      for await (const step of steps) {
        if (step === 'flush') {
          await send({ offset: BigInt(length) })
          continue
        }
        length += step.bytes.length
        if (length > most) throw new SkeinError('invalid_argument', `a block of this file has at most ${most} bytes`)
        for (const bytes of gathered.add(step.bytes)) await output.write(bytes)
      }
      if (length === 0) throw new SkeinError('invalid_argument', 'a block has at least one byte')
      for (const bytes of gathered.take()) await output.write(bytes)
      await output.finish()
    } catch (thrown) {
      await output.abort()
      throw thrown
    }
    await lifecycle.noteWrittenBlock({ ...block, length }, { signal })
  }

  /** @throws SkeinError not_found: the file is not being written */
  async #begin(
    block: { readonly fileId: number; readonly blockIndex: number },
    signal: AbortSignal,
  ): Promise<BlockOutput> {
    const { lifecycle, clock, random, logger, retry = retryDefault } = this.#parts
    const { fileId, blockIndex } = block
    const { namespaceId, key, blockSizeBytes } = await lifecycle.getUnfinishedFile({ fileId }, { signal })
    return new BlockOutput({
      header: {
        ...{ blockId: blockIdOf(fileId, blockIndex), length: blockSizeBytes, offset: blockIndex * blockSizeBytes },
        ...{ namespaceId, key, etag: '', durable: true },
      },
      openEnded: true,
      ...ownWorkerFirst(this.#parts, block, { signal }),
      kept: new KeptChunks(this.#nothingKept),
      giveBack: () => undefined,
      ...{ retry, clock, random, logger, signal },
    })
  }
}
