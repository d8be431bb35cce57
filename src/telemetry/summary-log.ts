// Why: background work (eviction, repair of replicas, persisting) must be logged, so that an
// operator can find out later where a block went. One line per block would hide everything else.
// How: counts are added up and logged in one line per interval. Nothing is logged while nothing
// happens.
import type { Clock } from '../base/clock.ts'
import type { Logger } from './logger.ts'

export interface SummaryLogOptions {
  readonly logger: Logger
  readonly clock: Pick<Clock, 'schedule'>
  readonly message: string
  /** The time from the first event to the log line. */
  readonly everyMs?: number
}

const everyMsDefault = 10_000

export class SummaryLog<Count extends string> {
  readonly #options: SummaryLogOptions
  #counts = new Map<Count, number>()
  #cancel: (() => void) | undefined

  constructor(options: SummaryLogOptions) {
    this.#options = options
  }

  add(counts: Readonly<Partial<Record<Count, number>>>): void {
    for (const [name, count] of Object.entries(counts) as [Count, number][])
      if (count !== 0) this.#counts.set(name, (this.#counts.get(name) ?? 0) + count)
    if (this.#counts.size === 0) return
    const { clock, everyMs = everyMsDefault } = this.#options
    this.#cancel ??= clock.schedule(everyMs, () => this.flush())
  }

  /** Logs pending counts at once. */
  flush(): void {
    this.#cancel?.()
    this.#cancel = undefined
    if (this.#counts.size === 0) return
    const counts = Object.fromEntries(this.#counts)
    this.#counts = new Map()
    this.#options.logger.info(this.#options.message, counts)
  }
}
