// Why: a worker keeps blocks that nobody else has (durable) and blocks that are pinned, whatever
// else needs room; only the master knows when that ends or begins. How: who reports blocks is
// answered at once; what changes later is told to the holders with their heartbeats, a few times,
// since an answer may get lost; a full report sets right what still is missing.
import { blockCount, blockIdOf, fileIdOfBlock } from '../../base/block-id.ts'
import type { BlockMap } from '../../meta/block-map.ts'
import type { Tables } from '../../meta/meta-tables.ts'
import type { ReportBlocksRequest } from '../../wire/generated/master.ts'

/** Of what a heartbeat's answer says of blocks. */
export interface BlockNotice {
  readonly releaseBlocks: number[]
  readonly pinBlocks: number[]
  readonly unpinBlocks: number[]
}

interface Waiting {
  /** Block -> how often it is still told. */
  readonly releases: Map<number, number>
  readonly pins: Map<number, { readonly pinned: boolean; readonly tellings: number }>
}

const tellings = 3
const blocksPerHeartbeatMax = 10_000

export class BlockNotices {
  readonly #tables: Tables
  readonly #blocks: BlockMap
  readonly #waiting = new Map<string, Waiting>()

  constructor(tables: Tables, blocks: BlockMap) {
    this.#tables = tables
    this.#blocks = blocks
  }

  /** The store has the file's bytes now. */
  persisted(fileId: number): void {
    this.#eachReplica(fileId, (waiting, blockId) => waiting.releases.set(blockId, tellings))
  }

  /** A file is pinned now, or no longer. */
  pinChanged(fileId: number): void {
    const file = this.#tables.inode(fileId)
    if (file?.kind !== 'file') return
    const { pinned } = file
    this.#eachReplica(fileId, (waiting, blockId) => waiting.pins.set(blockId, { pinned, tellings }))
  }

  /**
   * What a report's blocks are: those of `durable` that are so no longer, and those of `added` that
   * are pinned.
   */
  answer(request: ReportBlocksRequest): { readonly release: number[]; readonly pinned: number[] } {
    const waiting = this.#waiting.get(request.workerId)
    for (const blockId of request.removed) {
      waiting?.releases.delete(blockId)
      waiting?.pins.delete(blockId)
    }
    const release = (request.durable?.ids ?? []).filter((blockId) => this.#fileOf(blockId)?.persisted === true)
    const pinned = request.added.filter((blockId) => this.#fileOf(blockId)?.pinned === true)
    return { release, pinned }
  }

  /** What a worker is to be told with this heartbeat. */
  take(workerId: string): BlockNotice {
    const waiting = this.#waiting.get(workerId)
    const notice: BlockNotice = { releaseBlocks: [], pinBlocks: [], unpinBlocks: [] }
    if (waiting === undefined) return notice
    for (const [blockId, left] of [...firstOf(waiting.releases)]) {
      notice.releaseBlocks.push(blockId)
      // Set anew behind the others, so that a long list goes round.
      waiting.releases.delete(blockId)
      if (left > 1) waiting.releases.set(blockId, left - 1)
    }
    for (const [blockId, { pinned, tellings: left }] of [...firstOf(waiting.pins)]) {
      ;(pinned ? notice.pinBlocks : notice.unpinBlocks).push(blockId)
      waiting.pins.delete(blockId)
      if (left > 1) waiting.pins.set(blockId, { pinned, tellings: left - 1 })
    }
    if (waiting.releases.size === 0 && waiting.pins.size === 0) this.#waiting.delete(workerId)
    return notice
  }

  /** The worker is gone, or is about to report everything anew. */
  forget(workerId: string): void {
    this.#waiting.delete(workerId)
  }

  /** Forgets the workers that are not among these. */
  keepOnly(workerIds: ReadonlySet<string>): void {
    for (const workerId of this.#waiting.keys()) if (!workerIds.has(workerId)) this.#waiting.delete(workerId)
  }

  #fileOf(blockId: number) {
    const inode = this.#tables.inode(fileIdOfBlock(blockId))
    return inode?.kind === 'file' ? inode : undefined
  }

  #eachReplica(fileId: number, note: (waiting: Waiting, blockId: number) => void): void {
    const file = this.#tables.inode(fileId)
    if (file?.kind !== 'file' || !this.#blocks.hasFile(fileId)) return
    for (let index = 0; index < blockCount(file.length, file.blockSizeBytes); index += 1) {
      const blockId = blockIdOf(fileId, index)
      for (const ordinal of this.#blocks.locations(blockId)) {
        const workerId = this.#blocks.workerId(ordinal)
        const waiting = this.#waiting.get(workerId) ?? { releases: new Map(), pins: new Map() }
        this.#waiting.set(workerId, waiting)
        note(waiting, blockId)
      }
    }
  }
}

function* firstOf<Value>(waiting: ReadonlyMap<number, Value>): Generator<[number, Value]> {
  let left = blocksPerHeartbeatMax
  for (const entry of waiting) {
    if (left === 0) return
    left -= 1
    yield entry
  }
}
