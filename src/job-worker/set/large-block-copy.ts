// Why: reads a large block once from the store and writes it to all its targets. How: each chunk is
// written to all sinks before the next one is read. The slowest target sets the pace, and only the
// read-ahead uses memory. A sink that fails is dropped, and the others continue; without sinks the
// read stops. A block is committed only if all its bytes arrived.
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { BlockSink } from '../../client/write/block-target.ts'
import type { SetPiece } from '../../wire/generated/job.ts'
import type { BlockHeader } from '../../wire/generated/worker.ts'
import type { SetTarget } from './set-targets.ts'

export interface LargeBlock {
  readonly piece: SetPiece
  readonly blockIndex: number
  readonly header: BlockHeader
  /** Reads the block from byte `offset` of the block. */
  read(offset: number): AsyncIterable<Uint8Array>
  /**
   * Called after a failed read.
   * @returns true when it is worth continuing from where the read stopped
   */
  mayReadOn(error: SkeinError): Promise<boolean>
  /** Called for each chunk that arrived. */
  received(bytes: number): void
  /**
   * Called with chunks that nobody needs any more, at most once each. After an error it may not be
   * called.
   */
  settled(chunk: Uint8Array): void
}

interface OpenSink {
  readonly target: SetTarget
  readonly sink: BlockSink
}

/**
 * Copies a block to the targets that lack it. Records failures of targets. All sinks are closed at
 * the end.
 * @throws SkeinError the error of the read, the signal's reason, or data_loss when the read
 *   returned another number of bytes
 */
export async function copyLargeBlock(
  block: LargeBlock,
  targets: readonly SetTarget[],
  signal: AbortSignal,
): Promise<void> {
  const opened = await openSinks(block, targets, signal)
  let sinks = opened
  const held = new HeldChunks(block)
  try {
    if (signal.aborted) return
    if (sinks.length === 0) return
    sinks = await stream(block, sinks, held)
    if (signal.aborted) return
    const committed = await Promise.all(sinks.map((open) => commit(block, open)))
    if (committed.every(Boolean)) held.settleAll()
    sinks = []
  } finally {
    // Runs after an error or an abort. Aborting a sink twice is harmless.
    if (sinks.length > 0) await Promise.all(opened.map(({ sink }) => sink.abort().catch(() => undefined)))
  }
}

async function openSinks(block: LargeBlock, targets: readonly SetTarget[], signal: AbortSignal): Promise<OpenSink[]> {
  const sinks: OpenSink[] = []
  await Promise.all(
    targets.map(async (target) => {
      try {
        const sink = await target.target.open(block.header, signal)
        if (sink !== undefined) sinks.push({ target, sink })
      } catch (thrown) {
        if (!signal.aborted) target.failed(block.piece, block.blockIndex, thrown)
      }
    }),
  )
  return sinks
}

/**
 * Reads the block into the sinks.
 * @returns the sinks that received every byte
 */
async function stream(block: LargeBlock, all: readonly OpenSink[], held: HeldChunks): Promise<OpenSink[]> {
  const { header } = block
  let sinks = [...all]
  let offset = 0
  for (;;) {
    try {
      for await (const chunk of block.read(offset)) {
        if (offset + chunk.length > header.length) throw wrongLength(header, offset + chunk.length)
        offset += chunk.length
        block.received(chunk.length)
        held.add(chunk, offset)
        sinks = await writeChunk(block, sinks, chunk)
        if (sinks.length < all.length) held.drop()
        if (sinks.length === 0) return sinks
        held.settle(sinks)
      }
      if (offset !== header.length) throw wrongLength(header, offset)
      return sinks
    } catch (thrown) {
      const error = toSkeinError(thrown)
      if (!(await block.mayReadOn(error))) throw error
    }
  }
}

async function writeChunk(block: LargeBlock, sinks: OpenSink[], chunk: Uint8Array): Promise<OpenSink[]> {
  const [only] = sinks
  if (only !== undefined && sinks.length === 1) return (await write(block, only, chunk)) ? sinks : []
  const written = await Promise.all(sinks.map((open) => write(block, open, chunk)))
  return written.every(Boolean) ? sinks : sinks.filter((_, index) => written[index])
}

async function write(block: LargeBlock, { target, sink }: OpenSink, chunk: Uint8Array): Promise<boolean> {
  try {
    await sink.write(chunk)
    return true
  } catch (thrown) {
    target.failed(block.piece, block.blockIndex, thrown)
    await sink.abort().catch(() => undefined)
    return false
  }
}

async function commit(block: LargeBlock, { target, sink }: OpenSink): Promise<boolean> {
  try {
    await sink.commit()
    target.succeeded()
    return true
  } catch (thrown) {
    target.failed(block.piece, block.blockIndex, thrown)
    await sink.abort().catch(() => undefined)
    return false
  }
}

/** Chunks that a sink may still need. */
class HeldChunks {
  readonly #block: LargeBlock
  readonly #chunks: { readonly end: number; readonly chunk: Uint8Array }[] = []
  #dropped = false

  constructor(block: LargeBlock) {
    this.#block = block
  }

  /** @param end position of the chunk's end in the block */
  add(chunk: Uint8Array, end: number): void {
    if (!this.#dropped) this.#chunks.push({ end, chunk })
  }

  /**
   * Settles chunks that no sink needs any more. If a sink needs all chunks, tracking stops, because
   * the list would grow to a whole block.
   */
  settle(sinks: readonly OpenSink[]): void {
    let bytes = Number.POSITIVE_INFINITY
    for (const { sink } of sinks) {
      const { settledBytes } = sink
      if (settledBytes === undefined) return this.drop()
      bytes = Math.min(bytes, settledBytes)
    }
    this.#settleTo(bytes)
  }

  /** Call when every sink has committed. */
  settleAll(): void {
    this.#settleTo(Number.POSITIVE_INFINITY)
  }

  #settleTo(bytes: number): void {
    for (let first = this.#chunks[0]; first !== undefined && first.end <= bytes; first = this.#chunks[0]) {
      this.#chunks.shift()
      this.#block.settled(first.chunk)
    }
  }

  /** Stops settling chunks: a failed sink may still be writing them. */
  drop(): void {
    this.#dropped = true
    this.#chunks.splice(0)
  }
}

function wrongLength(header: BlockHeader, bytes: number): SkeinError {
  return new SkeinError(
    'data_loss',
    `the store returned ${bytes} bytes or more for a block of ${header.length} bytes of ${header.key}`,
    {
      retryable: true,
    },
  )
}
