// Why: a reader in the same process needs no socket for a block: for a small object it costs more
// than all else. How: the read of the data port (data-client.ts) on top of BlockStore, with the
// same checks: the head must be that of the wanted block, and each page is verified.
import { throwIfAborted } from '../base/clock.ts'
import type { ExpectedBlock } from '../base/expected-block.ts'
import { pageBytes } from '../base/page-checksum.ts'
import type { BlockStore } from '../block/block-store.ts'
import type { ByteRange, DataClient } from '../wire/data/data-client.ts'
import { checkBlock } from '../wire/data/served-block.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'

export class LocalBlocks implements Pick<DataClient, 'read'> {
  readonly #store: Pick<BlockStore, 'open'>
  readonly #metrics: Pick<MetricRegistry, 'add'>

  constructor(store: Pick<BlockStore, 'open'>, metrics: Pick<MetricRegistry, 'add'>) {
    this.#store = store
    this.#metrics = metrics
  }

  /**
   * See DataClient.read. Chunks are one page at most.
   * @throws what the store throws; data_loss (`wrong_block`) when the block is another one
   */
  async *read(
    address: string,
    blockId: number,
    { offset, length }: ByteRange,
    signal: AbortSignal,
    expected?: ExpectedBlock,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    throwIfAborted(signal)
    const reader = await this.#store.open(blockId)
    try {
      checkBlock(reader.header, expected, address)
      this.#metrics.add('skein_worker_read_bytes_total', length, { source: 'local' })
      for (let at = offset; at < offset + length;) {
        const bytes = Math.min(offset + length, (Math.floor(at / pageBytes) + 1) * pageBytes) - at
        yield await reader.read(at, bytes, signal)
        at += bytes
      }
    } finally {
      await reader.close()
    }
  }
}
