// Why: writes blocks to a worker over its data port. How: one streamed request per large block, one
// request for many small blocks.
import type { BlockHeader } from '../../wire/generated/worker.ts'
import type { DataClient } from '../../wire/data/data-client.ts'
import type { WriteHints } from '../../wire/data/data-plane.ts'
import type { BlockSink, BlockTarget, SmallBlock } from './block-target.ts'
import { type PutLimits, PutCoalescer } from './put-coalescer.ts'

/** The data-plane calls that a block target needs. */
export type BlockWriteClient = Pick<DataClient, 'openWrite' | 'putMany'>

/** A worker behind its data port. Holds no connections; the data client pools them. */
export class HttpBlockTarget implements BlockTarget {
  readonly workerId: string
  readonly #dataAddress: string
  readonly #client: BlockWriteClient
  readonly #puts: PutCoalescer

  constructor(workerId: string, dataAddress: string, client: BlockWriteClient, limits?: PutLimits) {
    this.workerId = workerId
    this.#dataAddress = dataAddress
    this.#client = client
    this.#puts = new PutCoalescer((blocks, signal, hints) => client.putMany(dataAddress, blocks, signal, hints), limits)
  }

  open(header: BlockHeader, signal: AbortSignal, hints?: WriteHints): Promise<BlockSink | undefined> {
    return this.#client.openWrite(this.#dataAddress, header, signal, hints)
  }

  put(block: SmallBlock, signal: AbortSignal, hints?: WriteHints): Promise<void> {
    return this.#puts.put(block, signal, hints)
  }
}
