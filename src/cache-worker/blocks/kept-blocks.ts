// Why: durable blocks, whose bytes exist nowhere else, can outlive the metadata of their files. An
// operator must be able to list, read and release them; nothing else may delete them. How: two
// kinds of blocks in one list. Blocks of this cluster whose file the master does not know (it was
// restored from an older backup) stay in the store; their ids are remembered when the master names
// them. Durable blocks of another cluster are set aside when this worker is adopted
// (block/directory/set-aside.ts).
import { SkeinError } from '../../base/errors.ts'
import type { BlockReader, BlockStore } from '../../block/block-store.ts'
import {
  listSetAside,
  openSetAside,
  releaseSetAside,
  setAside,
  type SetAsideBlock,
} from '../../block/directory/set-aside.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { KeptBlock, KeptBlockRequest } from '../../wire/generated/worker.ts'

const listedMax = 10_000
const readBytesMax = 1024 ** 2

export interface KeptBlocksDependencies {
  readonly store: Pick<BlockStore, 'has' | 'open' | 'free' | 'list'>
  readonly directories: readonly string[]
  readonly logger: Logger
}

export class KeptBlocks {
  readonly #deps: KeptBlocksDependencies
  /** Blocks in the store whose file the master does not know. */
  readonly #unknown = new Set<number>()
  #setAsideCount = 0

  constructor(deps: KeptBlocksDependencies) {
    this.#deps = deps
  }

  /** Counts the blocks that were set aside earlier. */
  async open(): Promise<void> {
    this.#setAsideCount = (await listSetAside(this.#deps.directories)).length
  }

  get count(): number {
    for (const blockId of this.#unknown) if (!this.#deps.store.has(blockId)) this.#unknown.delete(blockId)
    return this.#unknown.size + this.#setAsideCount
  }

  /** Call before a full report. The answers to its parts name all unknown blocks again. */
  forgetUnknown(): void {
    this.#unknown.clear()
  }

  /** The master has no file for these blocks. */
  keep(blockIds: readonly number[]): void {
    if (blockIds.length === 0) return
    for (const blockId of blockIds) this.#unknown.add(blockId)
    this.#deps.logger.warn('the master has no file for durable blocks on this worker: the blocks are kept', {
      blocks: this.#unknown.size,
    })
  }

  /**
   * Another cluster's master adopts this worker: sets durable blocks aside and frees all others.
   * Can be repeated.
   */
  async leaveCluster(clusterId: string): Promise<void> {
    const { store, logger } = this.#deps
    const blocks = [...store.list()]
    await this.setAside(
      blocks.flatMap(({ blockId, durable }) => (durable === true ? [blockId] : [])),
      clusterId,
    )
    for (const { blockId, durable } of blocks) if (durable !== true) await store.free(blockId)
    logger.info('left a cluster', { clusterId, blocks: blocks.length, setAside: this.#setAsideCount })
  }

  /** @throws when a block cannot be set aside; the blocks before it are set aside */
  async setAside(blockIds: readonly number[], clusterId: string): Promise<void> {
    for (const blockId of blockIds) {
      await setAside(this.#deps.store, blockId, clusterId)
      this.#unknown.delete(blockId)
    }
    this.#setAsideCount = (await listSetAside(this.#deps.directories)).length
  }

  /** At most 10,000 blocks, and the total number. */
  async list(): Promise<{ readonly blocks: KeptBlock[]; readonly total: number }> {
    const blocks: KeptBlock[] = []
    for (const { clusterId, header } of await listSetAside(this.#deps.directories)) blocks.push({ clusterId, header })
    this.#setAsideCount = blocks.length
    for (const blockId of this.#unknown) {
      if (blocks.length >= listedMax) break
      if (!this.#deps.store.has(blockId)) continue
      const reader = await this.#deps.store.open(blockId)
      await reader.close()
      blocks.push({ clusterId: '', header: reader.header })
    }
    return { blocks: blocks.slice(0, listedMax), total: this.count }
  }

  /** @throws SkeinError not_found, invalid_argument, data_loss */
  async read(request: KeptBlockRequest, signal: AbortSignal): Promise<Uint8Array> {
    const { offset, length } = request
    const reader = await this.#open(request)
    try {
      if (length > readBytesMax || offset + length > reader.header.length)
        throw new SkeinError(
          'invalid_argument',
          `bytes ${offset}+${length} exceed block ${request.blockId}, or are more than ${readBytesMax}`,
        )
      return length === 0 ? new Uint8Array() : await reader.read(offset, length, signal)
    } finally {
      await reader.close()
    }
  }

  /**
   * Deletes kept blocks for good. Ignores blocks that are not kept.
   * @returns the number of deleted blocks
   */
  async release(requests: readonly KeptBlockRequest[]): Promise<number> {
    let released = 0
    const aside = await this.#setAsideBlocks()
    for (const { clusterId, blockId } of requests) {
      const block = aside.get(`${clusterId}/${blockId}`)
      if (clusterId !== '' && block !== undefined) {
        await releaseSetAside(block)
        released += 1
      } else if (clusterId === '' && this.#unknown.delete(blockId)) {
        await this.#deps.store.free(blockId)
        released += 1
      }
    }
    this.#setAsideCount = (await listSetAside(this.#deps.directories)).length
    if (released > 0) this.#deps.logger.info('kept blocks were released', { released })
    return released
  }

  async #open({ clusterId, blockId }: KeptBlockRequest): Promise<BlockReader> {
    if (clusterId === '' && this.#unknown.has(blockId)) return this.#deps.store.open(blockId)
    const block = (await this.#setAsideBlocks()).get(`${clusterId}/${blockId}`)
    if (block === undefined) throw new SkeinError('not_found', `block ${blockId} is not a kept block`)
    return openSetAside(block)
  }

  async #setAsideBlocks(): Promise<Map<string, SetAsideBlock>> {
    const all = await listSetAside(this.#deps.directories)
    return new Map(all.map((block) => [`${block.clusterId}/${block.header.blockId}`, block]))
  }
}
