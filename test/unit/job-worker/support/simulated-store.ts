// Why: what a controller does must be tested without waiting and without luck. How: a store as a
// formula, in virtual time: requests in flight over the time of one of them, bounded by what the
// network and the store allow (Little's law); what is above waits, and the first byte takes longer.
import { seededRandom } from '../../../../src/base/clock.ts'
import { tuned, type TuningBounds, tuningStart, type TuningState } from '../../../../src/job-worker/tune/load-tuning.ts'
import type { TuningDecision, TuningSettings } from '../../../../src/job-worker/tune/tuning-decision.ts'
import type { TuningObservation } from '../../../../src/job-worker/tune/tuning-window.ts'

export interface SimulatedStore {
  readonly roundTripMs: number
  /** Of one connection, and of all. */
  readonly connectionBytesPerMs: number
  readonly bytesPerMs: number
  /** Answers per millisecond; above it the store asks to slow down. Default: no limit. */
  readonly answersPerMsMax?: number
  /** This share of the answers asks to slow down, whatever the rate. */
  readonly refusedShare?: number
  /** Small objects of this size, eight for each read. Default: ranges. */
  readonly objectBytes?: number
  readonly budgetBytes?: number
  /** Throughput varies by this share, up and down. */
  readonly noise?: number
  /** Share of the time in which the event loop has work. Default: none. */
  readonly busyShare?: number
}

const smallPerRead = 8
const tickMs = 100

/** What the store does in a tick with these settings; answers are fractions. */
export function simulated(store: SimulatedStore, settings: TuningSettings, random = () => 0.5): TuningObservation {
  const { roundTripMs, connectionBytesPerMs, bytesPerMs, budgetBytes = Number.POSITIVE_INFINITY, noise = 0 } = store
  const bytes = store.objectBytes ?? settings.rangeBytes
  const wanted = settings.reads * (store.objectBytes === undefined ? 1 : smallPerRead)
  const inFlight = Math.max(1, Math.min(wanted, Math.floor(budgetBytes / bytes)))
  const transferMs = bytes / connectionBytesPerMs
  const possible = Math.min(inFlight / (roundTripMs + transferMs), bytesPerMs / bytes)
  const sent = possible * (1 + noise * (2 * random() - 1))
  const refused = Math.max(
    0,
    sent - (store.answersPerMsMax ?? Number.POSITIVE_INFINITY),
    sent * (store.refusedShare ?? 0),
  )
  const answers = sent - refused
  return {
    ms: tickMs,
    bytes: answers * tickMs * bytes,
    answers: answers * tickMs,
    slowDowns: refused * tickMs,
    firstByteMs: answers === 0 ? undefined : Math.max(roundTripMs, inFlight / sent - transferMs),
    isShortOfReads: inFlight === wanted,
    isShortOfMemory: inFlight < wanted,
    isHeldBack: false,
    busyMs: store.busyShare === undefined ? 0 : store.busyShare * tickMs,
  }
}

export class SimulatedLoad {
  readonly bounds: TuningBounds
  readonly decisions: (TuningDecision & { readonly atMs: number })[] = []
  state: TuningState
  nowMs = 0
  readonly #random: () => number
  /** Answers that have begun in earlier ticks. */
  #begun = { answers: 0, slowDowns: 0 }

  constructor(bounds: TuningBounds, seed = 1) {
    this.bounds = bounds
    this.state = tuningStart(bounds)
    this.#random = seededRandom(seed)
  }

  /** One tick. */
  tick(store: SimulatedStore): TuningObservation {
    const seen = simulated(store, this.state, this.#random)
    const [answers, slowDowns] = [this.#begun.answers + seen.answers, this.#begun.slowDowns + seen.slowDowns]
    this.#begun = { answers: answers % 1, slowDowns: slowDowns % 1 }
    return this.take({ ...seen, answers: Math.floor(answers), slowDowns: Math.floor(slowDowns) })
  }

  take(observation: TuningObservation): TuningObservation {
    this.nowMs += observation.ms
    const { state, decision } = tuned(this.state, observation, this.bounds)
    this.state = state
    if (decision !== undefined) this.decisions.push({ ...decision, atMs: this.nowMs })
    return observation
  }

  /** Bytes per millisecond over this time, and the share of answers that ask to slow down. */
  run(store: SimulatedStore, ms: number): { readonly bytesPerMs: number; readonly refusedShare: number } {
    let [bytes, answers, slowDowns] = [0, 0, 0]
    for (let left = ms; left > 0; left -= tickMs) {
      const seen = this.tick(store)
      bytes += seen.bytes
      answers += seen.answers
      slowDowns += seen.slowDowns
    }
    return { bytesPerMs: bytes / ms, refusedShare: slowDowns / Math.max(1, answers + slowDowns) }
  }
}

/** The most bytes per millisecond that fixed settings within the bounds reach. */
export function bestFixed(
  store: SimulatedStore,
  { readsMin, readsMax, rangeBytesStart, rangeBytesMax }: TuningBounds,
): number {
  let best = 0
  for (let reads = readsMin; reads <= readsMax; reads += 1)
    for (let rangeBytes = rangeBytesStart; rangeBytes <= rangeBytesMax; rangeBytes *= 2)
      best = Math.max(best, simulated({ ...store, noise: 0 }, { reads, rangeBytes }).bytes / tickMs)
  return best
}
