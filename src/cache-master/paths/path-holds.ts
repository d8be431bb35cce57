// Why: a file that is being written to the store must not be moved or removed meanwhile, nor the
// other way round, and who waits for that in vain should hear what for. How: a latch on paths
// (path-latch.ts), in memory, since what it guards ends with this process; the answer comes a
// moment before the caller gives up.
import { SkeinError } from '../../base/errors.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import type { CallOptions } from '../../wire/service.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import { type Hold, PathLatch } from '../state/path-latch.ts'
import { answerInMs } from '../store/store-patience.ts'

/** What somebody has paths for, as others are told. */
export type Purpose = 'written to the store' | 'overwritten' | 'moved' | 'removed'

/**
 * How long somebody waits: until the signal aborts or, with `untilMs` of the monotonic clock, a
 * moment before that.
 */
export interface Patience {
  readonly signal: AbortSignal
  readonly untilMs: number | undefined
}

export class PathHolds {
  readonly #context: Pick<MasterContext, 'clock'>
  readonly #latch = new PathLatch<Purpose>()

  constructor(context: Pick<MasterContext, 'clock'>) {
    this.#context = context
  }

  /** That of a call, from now on. @param waitMs what it asks for, where that is less than it has */
  patienceOf({ signal, deadlineMs }: CallOptions, waitMs = Number.POSITIVE_INFINITY): Patience {
    const forMs = Math.min(waitMs, deadlineMs === undefined ? Number.POSITIVE_INFINITY : answerInMs(deadlineMs))
    return { signal, untilMs: Number.isFinite(forMs) ? this.#context.clock.monotonicMs() + forMs : undefined }
  }

  /**
   * Waits until nobody has these keys (with a slash at the end: anything below) for anything. What
   * was known of them has to be looked at again afterwards. A holder must not ask for more: see
   * path-latch.ts.
   * @throws SkeinError deadline_exceeded (reason `path_busy`) that says who has them, and the
   *   signal's reason
   */
  async take(record: NamespaceRecord, keys: readonly string[], purpose: Purpose, patience: Patience): Promise<Hold> {
    const { clock } = this.#context
    const { signal, untilMs } = patience
    const hold = this.#latch.tryTake(record.id, keys, purpose)
    if (hold !== undefined || untilMs === undefined) return hold ?? this.#latch.take(record.id, keys, purpose, signal)
    const late = new AbortController()
    const cancelTimer = clock.schedule(Math.max(0, untilMs - clock.monotonicMs()), () =>
      late.abort(this.#busy(record, keys)),
    )
    try {
      return await this.#latch.take(record.id, keys, purpose, AbortSignal.any([signal, late.signal]))
    } finally {
      cancelTimer()
    }
  }

  /** The keys at once, or undefined when it would have to wait. */
  tryTake(record: NamespaceRecord, keys: readonly string[], purpose: Purpose): Hold | undefined {
    return this.#latch.tryTake(record.id, keys, purpose)
  }

  #busy(record: NamespaceRecord, keys: readonly string[]): SkeinError {
    const first = this.#latch.first(record.id, keys)
    const path = pathOf(record, first?.keys[0] ?? keys[0] ?? '')
    return new SkeinError('deadline_exceeded', `${path} is being ${first?.purpose ?? 'changed'}; try again`, {
      reason: 'path_busy',
    })
  }
}
