// Why: a writer that is told that its block already exists relies on that block, and so does its
// load. An order to delete the block may already be in flight, and must not delete it. How: all
// writers use the worker's store through this wrapper. It reports each block that a writer found.
import { isSkeinError } from '../../base/errors.ts'
import type {
  BlockHeader,
  BlockReader,
  BlockReservation,
  BlockStore,
  DirectoryUsage,
  KeptBlock,
  WriteHints,
} from '../../block/block-store.ts'

export class WritersStore implements BlockStore {
  readonly #store: BlockStore
  readonly #foundHere: (blockId: number) => void

  constructor(store: BlockStore, foundHere: (blockId: number) => void) {
    this.#store = store
    this.#foundHere = foundHere
  }

  get blockCount(): number {
    return this.#store.blockCount
  }

  get reservedBytes(): number {
    return this.#store.reservedBytes
  }

  reserve(header: BlockHeader, hints?: WriteHints): Promise<BlockReservation> {
    return this.#watched(header, this.#store.reserve(header, hints))
  }

  put(header: BlockHeader, bytes: Uint8Array, hints?: WriteHints): Promise<void> {
    return this.#watched(header, this.#store.put(header, bytes, hints))
  }

  open(blockId: number): Promise<BlockReader> {
    return this.#store.open(blockId)
  }

  has(blockId: number): boolean {
    return this.#store.has(blockId)
  }

  isInMemory(blockId: number): boolean {
    return this.#store.isInMemory?.(blockId) ?? false
  }

  free(blockId: number): Promise<boolean> {
    return this.#store.free(blockId)
  }

  release(blockId: number): Promise<void> {
    return this.#store.release(blockId)
  }

  list(): Iterable<KeptBlock> {
    return this.#store.list()
  }

  usage(): readonly DirectoryUsage[] {
    return this.#store.usage()
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  async #watched<T>({ blockId }: BlockHeader, writing: Promise<T>): Promise<T> {
    try {
      return await writing
    } catch (thrown) {
      if (isSkeinError(thrown, 'already_exists', 'committed')) this.#foundHere(blockId)
      throw thrown
    }
  }
}
