// Why: a cache worker as a target for blocks, independent of the transport: HTTP to its data port,
// the short circuit over a shared disk, or a call in the same process. How: job workers use only
// this interface.
import type { WriteHints } from '../../wire/data/data-plane.ts'
import type { BlockHeader } from '../../wire/generated/worker.ts'

/** A block that is being written to one worker. Ends with exactly one call of commit or abort. */
export interface BlockSink {
  /**
   * Resolves when the worker accepts more. The sink owns the chunk until `settledBytes` has passed
   * it.
   * @throws SkeinError resource_exhausted, unavailable, invalid_argument
   */
  write(chunk: Uint8Array): Promise<void>
  /** @param length of a block that was opened open-ended (data-plane.ts), all that was written */
  commit(length?: number): Promise<void>
  abort(): Promise<void>
  /**
   * Number of bytes from the start of the block that the sink no longer needs. Undefined: it needs
   * all of them until commit or abort has resolved.
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
   * Opens a block for writing. Undefined: the worker already has it.
   * @throws SkeinError resource_exhausted (`no_capacity`), unavailable
   */
  open(header: BlockHeader, signal: AbortSignal, hints?: WriteHints): Promise<BlockSink | undefined>
  /**
   * Writes one small block. Concurrent calls may share one request. Succeeds if the block already
   * exists.
   */
  put(block: SmallBlock, signal: AbortSignal, hints?: WriteHints): Promise<void>
}
