// Why: a large block is read from the store once and written to all its targets. How: chunks go to
// the sinks in lockstep, so the slowest target sets the pace and memory stays what the read-ahead
// holds. A sink that fails is dropped and the others go on; when none is left the read stops.
// Nothing is committed unless every byte came in.
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { BlockSink } from '../../client/write/block-target.ts'
import type { SetPiece } from '../../wire/generated/job.ts'
import type { BlockHeader } from '../../wire/generated/worker.ts'
import type { SetTarget } from './set-targets.ts'

export interface LargeBlock {
  readonly piece: SetPiece
  readonly blockIndex: number
  readonly header: BlockHeader
  /** The block's bytes from `offset` in the block on. */
  read(offset: number): AsyncIterable<Uint8Array>
  /** Asked after a failed read: true when reading on from where it stopped may work now. */
  mayReadOn(error: SkeinError): Promise<boolean>
  /** Told of every chunk that came in. */
  received(bytes: number): void
  /**
   * Told of chunks, each at most once, that nothing has any use for any more. After a fault it may
   * hear of none.
   */
  settled(chunk: Uint8Array): void
}

interface OpenSink {
  readonly target: SetTarget
  readonly sink: BlockSink
}

/**
 * Copies a block to the targets that lack it. Failures of targets are recorded there. No sink is
 * open when it ends.
 * @throws SkeinError what the read threw, the signal's reason, or data_loss when the read gave
 *   another number of bytes
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
    // After an error or an abort; ending a sink twice does nothing.
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

/** Reads the block into the sinks; gives those that took every byte. */
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

/** Chunks that came in and that a sink may still need. */
class HeldChunks {
  readonly #block: LargeBlock
  readonly #chunks: { readonly end: number; readonly chunk: Uint8Array }[] = []
  #dropped = false

  constructor(block: LargeBlock) {
    this.#block = block
  }

  /** `end`: in the block. */
  add(chunk: Uint8Array, end: number): void {
    if (!this.#dropped) this.#chunks.push({ end, chunk })
  }

  /**
   * What none of the sinks needs any more. A sink that keeps everything would have a whole block
   * lie here: then nothing is.
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

  /** Every sink has committed. */
  settleAll(): void {
    this.#settleTo(Number.POSITIVE_INFINITY)
  }

  #settleTo(bytes: number): void {
    for (let first = this.#chunks[0]; first !== undefined && first.end <= bytes; first = this.#chunks[0]) {
      this.#chunks.shift()
      this.#block.settled(first.chunk)
    }
  }

  /**
   * A sink that failed may still be writing what it has: from now on nothing is said to be settled.
   */
  drop(): void {
    this.#dropped = true
    this.#chunks.splice(0)
  }
}

function wrongLength(header: BlockHeader, bytes: number): SkeinError {
  return new SkeinError(
    'data_loss',
    `the store gave ${bytes} bytes or more for a block of ${header.length} bytes of ${header.key}`,
    {
      retryable: true,
    },
  )
}
