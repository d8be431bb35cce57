// Why: one cache worker as a place to write blocks to, whatever the way: HTTP to its data port, the
// short circuit through a shared disk, or a call in the same process. Job workers see only this.
import type { WriteHints } from '../../wire/data/data-plane.ts'
import type { BlockHeader } from '../../wire/generated/worker.ts'

/** A block on its way into one worker. Exactly one of commit and abort ends it. */
export interface BlockSink {
  /**
   * Resolves when the worker wants more; the chunk is the sink's until `settledBytes` are past it.
   * @throws SkeinError resource_exhausted, unavailable, invalid_argument
   */
  write(chunk: Uint8Array): Promise<void>
  commit(): Promise<void>
  abort(): Promise<void>
  /**
   * Bytes, from the block's beginning, that the sink has no more use for. None: all are kept until
   * commit or abort has resolved.
   */
  readonly settledBytes?: number | undefined
}

export interface SmallBlock {
  readonly header: BlockHeader
  readonly bytes: Uint8Array
}

export interface BlockTarget {
  readonly workerId: string
  /**
   * Opens a block for writing; undefined when the worker already has it.
   * @throws SkeinError resource_exhausted (`no_capacity`), unavailable
   */
  open(header: BlockHeader, signal: AbortSignal, hints?: WriteHints): Promise<BlockSink | undefined>
  /**
   * Writes one small block; concurrent calls may travel in one request. A block that is already
   * there is success.
   */
  put(block: SmallBlock, signal: AbortSignal, hints?: WriteHints): Promise<void>
}
