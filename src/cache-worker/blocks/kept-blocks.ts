// Why: blocks whose bytes exist nowhere else outlive the master that knew their files; somebody
// must be able to see them, read them, and let them go, and nobody else may. How: two kinds, seen
// as one list. Blocks of the worker's own cluster whose file the master does not know (it was
// restored from an older backup) stay in the store and are remembered as the master names them;
// blocks of an adopted cluster were set aside (block/directory/set-aside.ts).
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
  /** In the store, of files that the master does not know. */
  readonly #unknown = new Set<number>()
  #setAsideCount = 0

  constructor(deps: KeptBlocksDependencies) {
    this.#deps = deps
  }

  /** Counts what was set aside before. */
  async open(): Promise<void> {
    this.#setAsideCount = (await listSetAside(this.#deps.directories)).length
  }

  get count(): number {
    for (const blockId of this.#unknown) if (!this.#deps.store.has(blockId)) this.#unknown.delete(blockId)
    return this.#unknown.size + this.#setAsideCount
  }

  /** A full report begins: its answers name them all. */
  forgetUnknown(): void {
    this.#unknown.clear()
  }

  /** The master has no file of these. */
  keep(blockIds: readonly number[]): void {
    if (blockIds.length === 0) return
    for (const blockId of blockIds) this.#unknown.add(blockId)
    this.#deps.logger.warn(
      'blocks whose bytes exist nowhere else belong to no file that the master knows: they are kept',
      {
        blocks: this.#unknown.size,
      },
    )
  }

  /**
   * The master is another cluster's: durable blocks are set aside, all others go. Can be repeated.
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

  /** @throws when one cannot be set aside; those before it are */
  async setAside(blockIds: readonly number[], clusterId: string): Promise<void> {
    for (const blockId of blockIds) {
      await setAside(this.#deps.store, blockId, clusterId)
      this.#unknown.delete(blockId)
    }
    this.#setAsideCount = (await listSetAside(this.#deps.directories)).length
  }

  /** The first 10,000, and how many there are. */
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
          `bytes ${offset}+${length} are not all in block ${request.blockId}, or above ${readBytesMax}`,
        )
      return length === 0 ? new Uint8Array() : await reader.read(offset, length, signal)
    } finally {
      await reader.close()
    }
  }

  /** Deletes them for good; what is not kept is left alone. @returns how many */
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
    if (block === undefined) throw new SkeinError('not_found', `block ${blockId} is none of the kept ones`)
    return openSetAside(block)
  }

  async #setAsideBlocks(): Promise<Map<string, SetAsideBlock>> {
    const all = await listSetAside(this.#deps.directories)
    return new Map(all.map((block) => [`${block.clusterId}/${block.header.blockId}`, block]))
  }
}
