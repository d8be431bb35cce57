// Why: a block that is read again belongs to the top. How: when its last reader closes it, it is
// moved up, one block at a time and no faster than a rate, so that reads do not turn into copying;
// what comes above the rate is not kept for later, for it will be read again if it is hot. Nothing
// is ever deleted for it, and writers that wait for room come first.
import type { Clock } from '../../base/clock.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import type { TierMover } from './tier-moves.ts'
import type { TierRoom } from './tier-room.ts'
import type { TierBlock, TierTable } from './tier-table.ts'

/** Blocks that wait for their turn. */
const waitingMax = 64

export interface PromotionsOptions {
  readonly table: TierTable
  readonly mover: TierMover
  readonly room: TierRoom
  readonly clock: Clock
  readonly metrics: MetricRegistry
  /** 0: none. Up to a second's worth at once, or one block. */
  readonly bytesPerSecond: number
}

export class Promotions {
  readonly #options: PromotionsOptions
  readonly #waiting: TierBlock[] = []
  #allowedBytes: number
  #countedMs: number
  #running: Promise<void> | undefined
  #closed = false

  constructor(options: PromotionsOptions) {
    this.#options = options
    this.#allowedBytes = options.bytesPerSecond
    this.#countedMs = options.clock.monotonicMs()
  }

  /** A block was read, and nobody reads it now. */
  offer(block: TierBlock): void {
    const { bytesPerSecond } = this.#options
    if (bytesPerSecond === 0 || block.level === 0 || this.#closed || this.#waiting.length >= waitingMax) return
    if (!this.#mayGo(block) || this.#waiting.includes(block) || !this.#allow(block.header.length)) return
    this.#waiting.push(block)
    this.#running ??= this.#run().finally(() => (this.#running = undefined))
  }

  /** Resolves when nothing is left to do. */
  async settle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.settle()
  }

  async #run(): Promise<void> {
    await Promise.resolve()
    for (let block = this.#waiting.shift(); block !== undefined; block = this.#waiting.shift()) {
      if (!this.#closed) await this.#promote(block)
    }
  }

  async #promote(block: TierBlock): Promise<void> {
    const { room, mover } = this.#options
    if (!this.#mayGo(block) || room.isWaiting(0)) return
    // Closed meanwhile is as good as no room.
    const made = await room.make(0, { bytes: block.header.length, mayDelete: false }).catch(() => false)
    if (made && this.#mayGo(block) && (await mover.move(block, 0)))
      this.#options.metrics.add('skein_worker_blocks_promoted_total', 1)
  }

  #mayGo(block: TierBlock): boolean {
    const { table } = this.#options
    return table.has(block) && block.level > 0 && table.isMovable(block)
  }

  /**
   * A larger block than there is allowance for takes it below zero: the next ones wait the longer.
   */
  #allow(bytes: number): boolean {
    const { clock, bytesPerSecond } = this.#options
    const nowMs = clock.monotonicMs()
    this.#allowedBytes = Math.min(
      bytesPerSecond,
      this.#allowedBytes + ((nowMs - this.#countedMs) / 1000) * bytesPerSecond,
    )
    this.#countedMs = nowMs
    if (this.#allowedBytes <= 0) return false
    this.#allowedBytes -= bytes
    return true
  }
}
