// Why: the controller (load-tuning.ts) is pure; somebody must look at one store for it and apply
// what it decides. How: the counters of the store and the waits of the budgets since the last look
// are one observation. Reads take their turn of a budget of the store, within that of all stores.
import { Budget } from '../../base/flow/budget.ts'
import { NarrowedBudget, type Slots } from '../../base/flow/narrowed-budget.ts'
import type { StoreCounters, UnderFileSystem } from '../../ufs/under-file-system.ts'
import { resumed, tuned, type TuningBounds, tuningStart, type TuningState } from './load-tuning.ts'
import type { TuningDecision } from './tuning-decision.ts'
import type { TuningObservation } from './tuning-window.ts'

/** The budgets of all stores of a job worker. */
export interface SharedSlots {
  readonly slots: Budget
  readonly smallSlots: Budget
}

/** What the process tells about the time since the last look. */
export interface ProcessLook {
  readonly ms: number
  readonly isShortOfReads: boolean
  readonly isShortOfMemory: boolean
  readonly isHeldBack: boolean
  readonly busyMs: number
}

export interface TunedStoreOptions {
  readonly bounds: TuningBounds
  readonly shared: SharedSlots
  readonly smallReadsPerSlot: number
  readonly smallReadsMax: number
}

interface Counted {
  readonly bytes: number
  readonly answers: number
  readonly logMsSum: number | undefined
  readonly slowDowns: number
}

export class TunedStore {
  readonly bounds: TuningBounds
  readonly slots: Slots
  readonly smallSlots: Slots
  readonly #options: TunedStoreOptions
  readonly #own: SharedSlots
  #state: TuningState
  #store: (() => UnderFileSystem) | undefined
  #counted: Counted | undefined
  #waits = 0

  constructor(options: TunedStoreOptions) {
    const { bounds, shared } = options
    this.#options = options
    this.bounds = bounds
    this.#state = tuningStart(bounds)
    this.#own = {
      slots: new Budget('ranged reads of a store', this.reads),
      smallSlots: new Budget('small objects of a store', this.smallReads),
    }
    this.slots = new NarrowedBudget(this.#own.slots, shared.slots)
    this.smallSlots = new NarrowedBudget(this.#own.smallSlots, shared.smallSlots)
  }

  get reads(): number {
    return this.#state.reads
  }

  get smallReads(): number {
    const { smallReadsPerSlot, smallReadsMax } = this.#options
    return Math.min(smallReadsMax, this.#state.reads * smallReadsPerSlot)
  }

  get rangeBytes(): number {
    return this.#state.rangeBytes
  }

  /** Begins to look at a store that was not used for a while. */
  begin(): void {
    this.#state = resumed(this.#state)
    this.#counted = undefined
    this.#apply()
  }

  /** Looks at this store from now on. */
  follow(store: () => UnderFileSystem): void {
    this.#store = store
  }

  /** Takes one look, and changes the settings if that is decided. */
  look(process: ProcessLook): TuningDecision | undefined {
    const store = this.#store?.()
    if (store === undefined) return undefined
    const now = countedOf(store.counters, store.slowDowns ?? 0)
    const before = this.#counted
    this.#counted = now
    const isShortOfOwn = this.#isShortOfOwn()
    if (before === undefined) return undefined
    const step = tuned(
      this.#state,
      {
        ...process,
        ...difference(before, now),
        isShortOfReads: process.isShortOfReads || isShortOfOwn,
        isHeldBack: process.isHeldBack || store.gate?.closed === true,
      },
      this.bounds,
    )
    this.#state = step.state
    if (step.decision !== undefined) this.#apply()
    return step.decision
  }

  #isShortOfOwn(): boolean {
    const { slots, smallSlots } = this.#own
    const waits = slots.waits + smallSlots.waits
    const isShort = waits > this.#waits || slots.waiting + smallSlots.waiting > 0
    this.#waits = waits
    return isShort
  }

  #apply(): void {
    this.#own.slots.resize(this.reads)
    this.#own.smallSlots.resize(this.smallReads)
  }
}

function countedOf({ readBytes, readRequests, firstBytes }: StoreCounters, slowDowns: number): Counted {
  return {
    bytes: readBytes,
    answers: firstBytes?.answers ?? readRequests,
    logMsSum: firstBytes?.logMsSum,
    slowDowns,
  }
}

type Difference = Pick<TuningObservation, 'bytes' | 'answers' | 'slowDowns' | 'firstByteMs'>

/** Each counter may have begun again at 0. */
function difference(before: Counted, now: Counted): Difference {
  const isTimedAnew = now.answers < before.answers
  const answers = isTimedAnew ? now.answers : now.answers - before.answers
  const logMs = (now.logMsSum ?? 0) - (isTimedAnew ? 0 : (before.logMsSum ?? 0))
  return {
    bytes: now.bytes < before.bytes ? now.bytes : now.bytes - before.bytes,
    answers,
    slowDowns: Math.max(0, now.slowDowns - before.slowDowns),
    firstByteMs: now.logMsSum === undefined || answers === 0 ? undefined : Math.exp(logMs / answers),
  }
}
