// Why: tiers on which thousands of sequences run in a second, and which can lose their process at
// any await. How: the house's own ledger over a "disk" that is a map; every step that a disk would
// take waits for `pause`. A tier that is killed never goes on: what was on its disk by then is what
// the next one finds.
import { SkeinError } from '../../../src/base/errors.ts'
import { storedBlock } from '../../../src/block/disk/block-file.ts'
import { alreadyExists, type BlockEntry, BlockLedger, noCapacity } from '../../../src/block/segment/block-ledger.ts'
import type {
  BlockHeader,
  BlockReader,
  BlockReservation,
  BlockStoreEvents,
  DirectoryUsage,
  KeptBlock,
} from '../../../src/block/block-store.ts'
import type { TierStore } from '../../../src/block/tier/tier-room.ts'

export interface MemoryDirectory {
  readonly quotaBytes: number
  readonly blocks: Map<number, { readonly header: BlockHeader; readonly bytes: Buffer }>
}

interface Located {
  readonly directory: number
  readonly entry: BlockEntry
}

export class MemoryTier implements TierStore {
  readonly #disk: readonly MemoryDirectory[]
  readonly #ledgers: readonly BlockLedger[]
  readonly #events: BlockStoreEvents
  readonly #pause: () => Promise<void>
  readonly #open = new Set<BlockReservation>()
  #mode: 'open' | 'closed' | 'killed' = 'open'

  constructor(disk: readonly MemoryDirectory[], events: BlockStoreEvents, pause: () => Promise<void>) {
    this.#disk = disk
    this.#events = events
    this.#pause = pause
    this.#ledgers = disk.map(({ quotaBytes, blocks }) => {
      const ledger = new BlockLedger(quotaBytes)
      for (const { header } of blocks.values()) ledger.commit(ledger.begin(storedBlock(header)))
      return ledger
    })
  }

  get blockCount(): number {
    return this.#ledgers.reduce((total, ledger) => total + ledger.committedCount, 0)
  }

  get reservedBytes(): number {
    return this.#ledgers.reduce((total, ledger) => total + ledger.reservedBytes, 0)
  }

  kill(): void {
    this.#mode = 'killed'
  }

  directoryOf(blockId: number): number {
    return this.#locate(blockId)?.directory ?? 0
  }

  async reserve(header: BlockHeader): Promise<BlockReservation> {
    const { directory, entry } = await this.#begin(header)
    const chunks: Uint8Array[] = []
    let mode: 'open' | 'ending' | 'ended' = 'open'
    const mustBeOpen = (): void => {
      if (mode !== 'open') throw new SkeinError('aborted', 'the reservation has ended', { reason: 'reservation_ended' })
    }
    const abort = async (): Promise<void> => {
      if (mode !== 'open') return
      mode = 'ending'
      await this.#step()
      mode = 'ended'
      this.#ledgers[directory]?.end(entry)
      this.#open.delete(reservation)
    }
    const reservation: BlockReservation = {
      id: String(header.blockId),
      header,
      path: '',
      get ended() {
        return mode === 'ended'
      },
      write: async (chunk) => {
        await this.#step()
        mustBeOpen()
        chunks.push(chunk)
      },
      commit: async () => {
        mustBeOpen()
        mode = 'ending'
        await this.#step()
        mode = 'ended'
        this.#commit(directory, entry, header, Buffer.concat(chunks))
        this.#open.delete(reservation)
      },
      abort,
    }
    this.#open.add(reservation)
    await this.#step()
    return reservation
  }

  async put(header: BlockHeader, bytes: Uint8Array): Promise<void> {
    const { directory, entry } = await this.#begin(header)
    await this.#step()
    this.#commit(directory, entry, header, Buffer.from(bytes))
  }

  async open(blockId: number): Promise<BlockReader> {
    const located = this.#locate(blockId)
    await this.#step()
    if (located?.entry.mode !== 'committed') throw new SkeinError('not_found', `block ${blockId} is not in the tier`)
    const there = this.#disk[located.directory]?.blocks.get(blockId)
    if (there === undefined) throw new Error(`block ${blockId} is committed and not on the disk`)
    const { header, bytes } = there
    return {
      header,
      read: async (offset, length) => {
        await this.#step()
        return bytes.subarray(offset, offset + length)
      },
      close: () => Promise.resolve(),
    }
  }

  has(blockId: number): boolean {
    return this.#locate(blockId)?.entry.mode === 'committed'
  }

  async free(blockId: number): Promise<boolean> {
    const located = this.#locate(blockId)
    if (located?.entry.mode !== 'committed') return false
    const { directory, entry } = located
    const removal = this.#step().then(() => {
      if (this.#mode === 'killed') return
      this.#disk[directory]?.blocks.delete(blockId)
      this.#ledgers[directory]?.end(entry)
    })
    this.#ledgers[directory]?.beginRemoval(entry, removal)
    this.#events.removed(blockId, 'freed')
    await removal
    return true
  }

  async release(blockId: number): Promise<void> {
    const located = this.#locate(blockId)
    if (located?.entry.mode !== 'committed') return
    const { directory, entry } = located
    this.#ledgers[directory]?.release(entry)
    await this.#step()
    const kept = this.#disk[directory]?.blocks.get(blockId)
    if (kept !== undefined && entry.mode === 'committed')
      this.#disk[directory]?.blocks.set(blockId, { ...kept, header: { ...kept.header, durable: undefined } })
  }

  *list(): Iterable<KeptBlock> {
    for (const ledger of this.#ledgers) yield* ledger.headers()
  }

  usage(): readonly DirectoryUsage[] {
    return this.#ledgers.map(({ quotaBytes, usedBytes }, index) => {
      if (usedBytes > quotaBytes) throw new Error(`directory ${index} holds ${usedBytes} of ${quotaBytes} bytes`)
      return { path: String(index), tier: '', mediumType: '', quotaBytes, usedBytes, state: 'normal' }
    })
  }

  async close(): Promise<void> {
    for (const reservation of this.#open) await reservation.abort()
    if (this.#mode === 'open') this.#mode = 'closed'
  }

  async #step(): Promise<void> {
    await this.#pause()
    // A dead process does not go on.
    if (this.#mode === 'killed') await new Promise<never>(() => undefined)
  }

  async #begin(header: BlockHeader): Promise<Located> {
    for (;;) {
      if (this.#mode !== 'open') throw new SkeinError('unavailable', 'the tier is closed', { reason: 'stopping' })
      const existing = this.#locate(header.blockId)
      if (existing?.entry.mode === 'removing') {
        await existing.entry.removal
        continue
      }
      if (existing !== undefined) throw alreadyExists(existing.entry)
      const free = this.#ledgers.map((ledger) => ledger.freeBytes)
      const directory = free.indexOf(Math.max(...free))
      const ledger = this.#ledgers[directory]
      if (ledger === undefined) throw noCapacity(header, 0)
      return { directory, entry: ledger.begin(storedBlock(header)) }
    }
  }

  #commit(directory: number, entry: BlockEntry, header: BlockHeader, bytes: Buffer): void {
    // It may have died between the step's end and here.
    if (this.#mode === 'killed') return
    this.#disk[directory]?.blocks.set(header.blockId, { header, bytes })
    this.#ledgers[directory]?.commit(entry)
    this.#events.added(entry.header)
  }

  #locate(blockId: number): Located | undefined {
    for (const [directory, ledger] of this.#ledgers.entries()) {
      const entry = ledger.get(blockId)
      if (entry !== undefined) return { directory, entry }
    }
    return undefined
  }
}
