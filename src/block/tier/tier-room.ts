// Why: a tier is full, and somebody wants to write. How: one loop asks the policy
// (eviction-policy.ts) what has to go and does it, for writers first, a batch of them at a time and
// in the order they came; then, while nobody waits, ahead of need: a tier that was filled above its
// high watermark goes down to the low one. A writer never waits while there is room.
//
//   who may delete: a writer that asked for it, the work ahead of need that it set off, and the
//   last tier's own watermarks, where they are configured; all else only moves
//   a plan that is out of date: an action that cannot be done any more is left out, and the writer
//   asks again
//   a disk that is full below its quota: for a while its tier has no more room than what was in it
//   then, so that its own blocks go first, and no more of them than are in the way
import type { Clock } from '../../base/clock.ts'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import { SummaryLog } from '../../telemetry/summary-log.ts'
import type { BlockStore } from '../block-store.ts'
import {
  type Action,
  type Candidate,
  planRelease,
  planRoom,
  type RoomRequest,
  type TierView,
} from './eviction-policy.ts'
import type { TierMover } from './tier-moves.ts'
import type { TierBlock, TierTable } from './tier-table.ts'

/** Moves and deletions at the same time. */
const actionsAtOnce = 16
/** Writers that are planned for together, and their bytes. */
const batchRequestsMax = 256
const batchBytesMax = 256 * 1024 * 1024
/** Of the work ahead of need, before it looks for writers again. */
const aheadBytesMax = 16 * 1024 * 1024
/**
 * After work ahead of need that came to nothing: all there is may not go, and looking through it
 * takes time.
 */
const aheadRestMs = 1000
/** How long a disk that was full is taken to be full. */
const diskFullMs = 10_000

/** A tier: a store that knows which of its directories a block is in. */
export interface TierStore extends BlockStore {
  /** Index into usage(). Of a block that it has. */
  directoryOf(blockId: number): number
}

export interface Watermarks {
  /** Above this share of a tier's quota blocks begin to go, ahead of need. */
  readonly highRatio: number
  /** Until no more than this share is left. */
  readonly lowRatio: number
}

export interface RoomLimits {
  /**
   * Of each tier; none: nothing goes from it ahead of need. From the last tier blocks go for good.
   */
  readonly watermarks: readonly (Watermarks | undefined)[]
  /** Freed beyond what a writer needs, when one had to wait. */
  readonly freeAheadBytes: number
}

export interface TierRoomOptions {
  readonly tiers: readonly TierStore[]
  readonly table: TierTable
  readonly mover: TierMover
  /** Deletes a block. */
  readonly evict: (block: TierBlock) => Promise<void>
  readonly limits: RoomLimits
  readonly clock: Clock
  readonly logger: Logger
}

interface Waiter extends RoomRequest {
  readonly answer: (made: boolean) => void
  readonly fail: (error: SkeinError) => void
}

interface Row {
  waiters: Waiter[]
  /** What is to be done ahead of need; undefined: nothing. */
  ahead: { mayDelete: boolean; untilFreeBytes: number } | undefined
  /** Nothing could be done ahead of need a moment ago. */
  aheadRestUntilMs: number
  readonly quotaBytes: number
  /**
   * Its disk was found full although the quota was not used up; and what its directories had in
   * them then.
   */
  diskFullUntilMs: number
  fullAtBytes: readonly number[]
}

export class TierRoom {
  readonly #options: TierRoomOptions
  readonly #rows: readonly Row[]
  readonly #summary: SummaryLog<'evictedBlocks' | 'evictedBytes' | 'movedBlocks' | 'movedBytes'>
  #running: Promise<void> | undefined
  #closed = false

  constructor(options: TierRoomOptions) {
    this.#options = options
    this.#summary = new SummaryLog({
      ...options,
      message: 'room was made in the tiers: blocks moved down, or evicted from the last tier',
    })
    this.#rows = options.tiers.map((tier) => ({
      waiters: [],
      ahead: undefined,
      aheadRestUntilMs: Number.NEGATIVE_INFINITY,
      diskFullUntilMs: Number.NEGATIVE_INFINITY,
      fullAtBytes: [],
      quotaBytes: tier.usage().reduce((total, usage) => total + usage.quotaBytes, 0),
    }))
  }

  /** Whether a writer waits for room in the tier: who comes now comes after it. */
  isWaiting(level: number): boolean {
    return (this.#rows[level]?.waiters.length ?? 0) > 0
  }

  /**
   * Waits until room was made in a tier. True: there was, a moment ago. False: there cannot be.
   * @throws SkeinError unavailable (closed)
   */
  make(level: number, request: RoomRequest): Promise<boolean> {
    const row = this.#rows[level]
    if (this.#closed || row === undefined) return Promise.reject(stopping())
    return new Promise((answer, fail) => {
      row.waiters.push({ ...request, answer, fail })
      this.#start()
    })
  }

  /** A block came to a tier. */
  came(level: number): void {
    const { limits, table } = this.#options
    const row = this.#rows[level]
    const watermarks = limits.watermarks[level]
    if (row === undefined || watermarks === undefined || table.bytes(level) <= watermarks.highRatio * row.quotaBytes)
      return
    if (this.#options.clock.monotonicMs() < row.aheadRestUntilMs) return
    this.#goAhead(row, level === this.#rows.length - 1, row.quotaBytes * (1 - watermarks.lowRatio))
  }

  /** A write to the tier failed because its disk is full. */
  diskWasFull(level: number): void {
    const row = this.#rows[level]
    const tier = this.#options.tiers[level]
    if (row === undefined || tier === undefined) return
    row.diskFullUntilMs = this.#options.clock.monotonicMs() + diskFullMs
    row.fullAtBytes = tier.usage().map((usage) => usage.usedBytes)
  }

  /** Resolves when nothing is left to do. */
  async settle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Fails the writers that wait, and ends after the actions that are under way. */
  async close(): Promise<void> {
    this.#closed = true
    await this.settle()
    this.#summary.flush()
  }

  #goAhead(row: Row, mayDelete: boolean, untilFreeBytes: number): void {
    const before = row.ahead ?? { mayDelete: false, untilFreeBytes: 0 }
    row.ahead = {
      mayDelete: before.mayDelete || mayDelete,
      untilFreeBytes: Math.max(before.untilFreeBytes, untilFreeBytes),
    }
    this.#start()
  }

  #start(): void {
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined
      // One may have come between the last look and here.
      if (this.#rows.some((row) => row.waiters.length > 0)) this.#start()
    })
  }

  async #run(): Promise<void> {
    // Lets the rest of this turn join the first batch.
    await Promise.resolve()
    while (!this.#closed) {
      const waited = this.#rows.findIndex((row) => row.waiters.length > 0)
      const level = waited >= 0 ? waited : this.#rows.findIndex((row) => row.ahead !== undefined)
      const row = this.#rows[level]
      if (row === undefined) return
      if (waited >= 0) await this.#serve(row, level)
      else await this.#workAhead(row, level)
    }
    for (const row of this.#rows) for (const waiter of row.waiters.splice(0)) waiter.fail(stopping())
  }

  async #serve(row: Row, level: number): Promise<void> {
    const batch = takeBatch(row.waiters)
    let actions: readonly Action[]
    try {
      const plan = planRoom(this.#views(), level, batch)
      actions = plan.actions
      await this.#execute(actions)
      for (const [index, waiter] of batch.entries()) waiter.answer(plan.placed[index] === true)
    } catch (thrown) {
      // Nobody else will answer them.
      for (const waiter of batch) waiter.fail(toSkeinError(thrown))
      return
    }
    const { freeAheadBytes } = this.#options.limits
    if (freeAheadBytes > 0 && actions.length > 0) {
      this.#goAhead(
        row,
        batch.some((waiter) => waiter.mayDelete),
        Math.min(freeAheadBytes, row.quotaBytes),
      )
    }
  }

  async #workAhead(row: Row, level: number): Promise<void> {
    const { ahead } = row
    if (ahead === undefined) return
    try {
      await this.#release(row, level, ahead)
    } catch (thrown) {
      // Writers must still be served.
      row.ahead = undefined
      this.#options.logger.warn('background eviction failed', { level, error: toSkeinError(thrown) })
    }
  }

  async #release(
    row: Row,
    level: number,
    ahead: { readonly mayDelete: boolean; readonly untilFreeBytes: number },
  ): Promise<void> {
    const views = this.#views()
    const freeBytes = (views[level]?.directories ?? []).reduce((total, directory) => total + directory.freeBytes, 0)
    const wantedBytes = Math.min(ahead.untilFreeBytes - freeBytes, aheadBytesMax)
    const actions = wantedBytes > 0 ? planRelease(views, level, wantedBytes, ahead.mayDelete) : []
    if ((await this.#execute(actions)) > 0) return
    row.ahead = undefined
    if (wantedBytes > 0) row.aheadRestUntilMs = this.#options.clock.monotonicMs() + aheadRestMs
  }

  /** @returns how many could be done */
  async #execute(actions: readonly Action[]): Promise<number> {
    let done = 0
    for (let level = this.#rows.length - 1; level >= 0; level -= 1) {
      const queue = actions.filter((action) => action.level === level).values()
      const work = async (): Promise<void> => {
        for (const action of queue) if (!this.#closed && (await this.#act(action))) done += 1
      }
      await Promise.all(Array.from({ length: actionsAtOnce }, work))
    }
    return done
  }

  async #act({ kind, blockId, level }: Action): Promise<boolean> {
    const { table, mover, evict } = this.#options
    const block = table.get(blockId)
    if (block === undefined || block.level !== level) return false
    const { length } = block.header
    if (kind === 'move') {
      const moved = table.isMovable(block) && (await mover.move(block, level + 1))
      if (moved) this.#summary.add({ movedBlocks: 1, movedBytes: length })
      return moved
    }
    if (!table.isDeletable(block)) return false
    await evict(block)
    this.#summary.add({ evictedBlocks: 1, evictedBytes: length })
    return true
  }

  #views(): readonly TierView[] {
    const { tiers, table, clock } = this.#options
    const nowMs = clock.monotonicMs()
    return tiers.map((tier, level) => {
      const row = this.#rows[level]
      const isDiskFull = row !== undefined && nowMs < row.diskFullUntilMs
      return {
        directories: tier.usage().map(({ quotaBytes, usedBytes, state }, directory) => ({
          // Whatever goes from a directory that cannot be written to, it makes no room.
          quotaBytes: state === 'normal' ? quotaBytes : -1,
          freeBytes:
            state === 'normal'
              ? Math.max(0, (isDiskFull ? (row.fullAtBytes[directory] ?? 0) : quotaBytes) - usedBytes)
              : 0,
        })),
        candidates: () => candidates(tier, table, level),
      }
    })
  }
}

function* candidates(tier: TierStore, table: TierTable, level: number): IterableIterator<Candidate> {
  for (const block of table.movable(level)) {
    const { blockId, length } = block.header
    yield { blockId, bytes: length, directory: tier.directoryOf(blockId), deletable: table.isDeletable(block) }
  }
}

/** The first waiters, as far as they want the same. */
function takeBatch(waiters: Waiter[]): Waiter[] {
  let bytes = 0
  let count = 0
  for (const waiter of waiters) {
    bytes += waiter.bytes
    if (
      count > 0 &&
      (count === batchRequestsMax || bytes > batchBytesMax || waiter.mayDelete !== waiters[0]?.mayDelete)
    )
      break
    count += 1
  }
  return waiters.splice(0, count)
}

function stopping(): SkeinError {
  return new SkeinError('unavailable', 'the block store is closed', { reason: 'stopping' })
}
