// Why: how many reads at once, and of which size, are best depends on the distance of the store, on
// what it allows and on the load, and all of these change while a load runs. How: one pure decision
// per store. Observations are added up to windows. More reads are tried while reads wait for their
// turn, and kept while throughput grows: doubled at first, later by steps. Fewer are tried when the
// first byte takes longer without more throughput, or when memory is used up, and kept if that
// costs no throughput. Where the event loop has no time left, more reads would only hold memory,
// and are not tried. SlowDown halves the reads at once; they come back by steps. What did not help
// is tried again less and less often. No clock and no I/O: time is part of the observations.
import {
  distanceText,
  gainText,
  latencyText,
  memoryText,
  rangeText,
  recoveryText,
  slowDownText,
  type TuningChange,
  type TuningDecision,
  type TuningReason,
  type TuningSettings,
  waitingText,
} from './tuning-decision.ts'
import {
  addedTo,
  type Figures,
  figuresOf,
  isWhole,
  noWindow,
  type TuningObservation,
  type TuningWindow,
} from './tuning-window.ts'

/** How far the settings of one store may go. Whole numbers. */
export interface TuningBounds {
  readonly readsMin: number
  readonly readsStart: number
  readonly readsMax: number
  readonly rangeBytesStart: number
  readonly rangeBytesMax: number
}

/** A change whose effect is being looked at. */
interface Trial {
  readonly kind: 'more' | 'fewer'
  readonly reason: TuningReason
  readonly before: TuningSettings & Figures
}

export interface TuningState extends TuningSettings {
  readonly growth: 'doubling' | 'steps'
  readonly window: TuningWindow
  /** Observations of this time are left out: they are mostly of requests from before a change. */
  readonly settleMs: number
  /** SlowDown answers within this time are of requests from before the last decrease. */
  readonly echoMs: number
  readonly trial: Trial | undefined
  /** Windows without a trial, and trials in a row that did not help. */
  readonly hold: number
  readonly failures: number
  /** The window with the shortest first byte. */
  readonly base: Figures | undefined
  /** The most that settings brought which were kept. */
  readonly keptWork: number
  /** After a SlowDown: up to here reads come back without a trial. 0: there was none. */
  readonly recoverTo: number
  /** There were more reads, or larger ones, since the last SlowDown. */
  readonly hasGrown: boolean
}

export interface TuningStep {
  readonly state: TuningState
  readonly decision?: TuningDecision
}

/** A store may ask to slow down in this share of its answers: single ones come from busy stores. */
const slowDownShareMax = 0.02
const slowDownFactor = 0.5
const recoverShare = 0.75
const holdAfterSlowDown = 4
const holdAfterFewer = 8
const holdMax = 32
const fewerFactor = 0.7
const inflationFactor = 2
/** Below this a first byte measures the event loop, not the store. */
const inflationMsMin = 2
const fellTo = 0.85
/** Share of the time in which an event loop has work that has no time left for more reads. */
const busyShareMax = 0.9
/** Throughput that a trial must bring, or may cost. */
const gainOfDoubling = 1.05
const gainOfStep = 1.02
const costMax = 0.95
/** Throughput that fell so far means that conditions have changed. */
const otherConditions = 0.75
/** A larger range is worth trying when the first byte takes this share of the time of a range. */
const firstByteShare = 0.2
const settleMsMin = 50
const echoMsMin = 500
/** The shortest first byte is forgotten slowly. */
const baseDecay = 1.01

export function tuningStart({ readsStart, rangeBytesStart }: TuningBounds): TuningState {
  return {
    reads: readsStart,
    rangeBytes: rangeBytesStart,
    growth: 'doubling',
    window: noWindow,
    settleMs: 0,
    echoMs: 0,
    trial: undefined,
    hold: 0,
    failures: 0,
    base: undefined,
    keptWork: 0,
    recoverTo: 0,
    hasGrown: true,
  }
}

/** For the next load: what was learned stays, what was being looked at does not. */
export function resumed({ trial, ...state }: TuningState): TuningState {
  const settings = trial === undefined ? {} : settingsOf(trial.before)
  return { ...state, ...settings, trial: undefined, window: noWindow, settleMs: 0, echoMs: 0 }
}

/** The state after one observation. With a decision if a setting changes. */
export function tuned(before: TuningState, observation: TuningObservation, bounds: TuningBounds): TuningStep {
  const { ms, slowDowns, isHeldBack } = observation
  const isEcho = before.echoMs > 0
  const state = { ...before, echoMs: Math.max(0, before.echoMs - ms), settleMs: Math.max(0, before.settleMs - ms) }
  if (slowDowns > 0) {
    const window = addedTo(isEcho ? noWindow : state.window, observation)
    const share = window.slowDowns / (window.slowDowns + window.answers)
    const held = { ...state, hold: Math.max(state.hold, holdAfterSlowDown) }
    if (isEcho) return { state: { ...held, window: noWindow } }
    if (share > slowDownShareMax) return slowedDown(held, share, bounds)
    return { state: { ...held, window } }
  }
  // The window begins when nothing holds the reads back and what came before has settled.
  if (isHeldBack || before.settleMs > 0) return { state: { ...state, window: noWindow } }
  const window = addedTo(state.window, observation)
  if (!isWhole(window, state.reads)) return { state: { ...state, window } }
  return looked({ ...state, window: noWindow }, window, bounds)
}

function slowedDown(state: TuningState, share: number, bounds: TuningBounds): TuningStep {
  const { trial, hasGrown, recoverTo } = state
  // What an open trial has added goes first.
  const from = trial?.kind === 'more' ? trial.before : state
  const reads = Math.max(bounds.readsMin, Math.floor(from.reads * slowDownFactor))
  // Having more again has brought this SlowDown: it is tried less often.
  const isOwnFault = hasGrown && (recoverTo > 0 || trial?.kind === 'more')
  const next = {
    ...state,
    trial: undefined,
    growth: 'steps',
    window: noWindow,
    echoMs: Math.max(echoMsMin, 2 * (state.base?.firstByteMs ?? 0)),
    keptWork: 0,
    failures: isOwnFault ? state.failures + 1 : state.failures,
    recoverTo: hasGrown ? Math.max(bounds.readsMin, Math.floor(from.reads * recoverShare)) : recoverTo,
    hasGrown: false,
  } as const
  return changed(next, { reads, rangeBytes: from.rangeBytes }, 'decrease', 'slow_down', slowDownText(share))
}

/** Decides at the end of a window. */
function looked(before: TuningState, window: TuningWindow, bounds: TuningBounds): TuningStep {
  const figures = figuresOf(window)
  if (before.trial !== undefined) return judged(before, before.trial, window, figures, bounds)
  const isOther = window.isShortOfReads && figures.work < before.keptWork * otherConditions
  const state = {
    ...before,
    base: baseWith(before.base, figures),
    keptWork: isOther || before.keptWork === 0 ? figures.work : before.keptWork,
    failures: isOther ? 0 : before.failures,
    hold: isOther ? 0 : Math.max(0, before.hold - 1),
  }
  return (
    fewerForMemory(state, window, figures, bounds) ??
    fewerForLatency(state, window, figures, bounds) ??
    more(state, window, figures, bounds)
  )
}

function fewerForMemory(
  state: TuningState,
  window: TuningWindow,
  figures: Figures,
  bounds: TuningBounds,
): TuningStep | undefined {
  if (!window.isShortOfMemory || window.isShortOfReads || state.hold > 0) return undefined
  const isLarge = state.rangeBytes > bounds.rangeBytesStart
  const next = isLarge
    ? { reads: state.reads, rangeBytes: Math.max(bounds.rangeBytesStart, Math.floor(state.rangeBytes / 2)) }
    : { reads: fewer(state, bounds), rangeBytes: state.rangeBytes }
  if (next.reads === state.reads && next.rangeBytes === state.rangeBytes) return undefined
  return tried(state, next, 'fewer', 'memory', figures, memoryText)
}

function fewerForLatency(
  state: TuningState,
  window: TuningWindow,
  figures: Figures,
  bounds: TuningBounds,
): TuningStep | undefined {
  const { base } = state
  // The first bytes wait for the event loop, not for the store.
  if (isBusy(window)) return undefined
  const now = figures.firstByteMs
  if (base?.firstByteMs === undefined || now === undefined) return undefined
  const isInflated = now > inflationMsMin && now > inflationFactor * base.firstByteMs
  if (!isInflated || figures.work >= base.work * gainOfDoubling) return undefined
  const reads = fewer(state, bounds)
  if (reads === state.reads) return { state: { ...state, base: figures } }
  const next = { reads, rangeBytes: state.rangeBytes }
  return tried(state, next, 'fewer', 'latency', figures, latencyText(base.firstByteMs, now))
}

function isBusy({ busyMs, ms }: TuningWindow): boolean {
  return busyMs > busyShareMax * ms
}

function fewer({ reads }: TuningState, { readsMin }: TuningBounds): number {
  return Math.max(readsMin, Math.floor(reads * fewerFactor))
}

function more(
  state: TuningState,
  window: TuningWindow,
  figures: Figures,
  bounds: TuningBounds,
  text = waitingText,
): TuningStep {
  if (!window.isShortOfReads || state.hold > 0) return { state }
  const { reads, rangeBytes, recoverTo } = state
  const step = Math.max(1, Math.round(bounds.readsStart / 4))
  if (reads < Math.min(recoverTo, bounds.readsMax)) {
    const next = { reads: Math.min(reads + step, recoverTo, bounds.readsMax), rangeBytes }
    const hold = next.reads < recoverTo || state.failures === 0 ? 0 : holdAfter(state.failures)
    return changed({ ...state, hold }, next, 'increase', 'recovery', recoveryText)
  }
  if (isBusy(window)) return { state }
  const wanted = state.growth === 'doubling' ? reads * 2 : reads + step
  const next = { reads: Math.min(wanted, bounds.readsMax), rangeBytes }
  // Where more reads did not help, larger ranges may: both bring more bytes in flight.
  const range =
    next.reads === reads || state.failures % 2 === 1 ? largerRange(state, window, figures, bounds) : undefined
  if (range !== undefined) return range
  return next.reads > reads ? tried(state, next, 'more', 'throughput', figures, text) : { state }
}

/** Undefined: larger ranges would not help, or are not allowed. */
function largerRange(
  state: TuningState,
  window: TuningWindow,
  figures: Figures,
  bounds: TuningBounds,
): TuningStep | undefined {
  const { reads, rangeBytes } = state
  const isOfRanges = window.answers > 0 && window.bytes / window.answers >= rangeBytes * 0.75
  if (!isOfRanges || figures.firstByteMs === undefined || rangeBytes * 2 > bounds.rangeBytesMax) return undefined
  // Little's law: reads in flight = answers per millisecond x milliseconds of a read.
  const share = (figures.firstByteMs * window.answers) / window.ms / reads
  if (share < firstByteShare) return undefined
  return tried(state, { reads, rangeBytes: rangeBytes * 2 }, 'more', 'throughput', figures, rangeText(share))
}

/** Keeps what was tried, or takes it back. */
function judged(
  state: TuningState,
  trial: Trial,
  window: TuningWindow,
  figures: Figures,
  bounds: TuningBounds,
): TuningStep {
  const { before } = trial
  const ended = { ...state, trial: undefined }
  const gain = before.work > 0 ? figures.work / before.work : 1
  const text = gainText(state, state.rangeBytes === before.rangeBytes ? 'reads' : 'range', gain)
  if (trial.kind === 'more') {
    const isStep = state.rangeBytes === before.rangeBytes && state.reads < 2 * before.reads
    if (gain < (isStep ? gainOfStep : gainOfDoubling))
      return changed({ ...afterFailure(ended), growth: 'steps' }, before, 'decrease', 'no_gain', text)
    const keptWork = Math.max(state.keptWork, figures.work)
    const kept = { ...ended, failures: 0, hold: 0, keptWork, base: baseWith(state.base, figures) }
    return more(kept, window, figures, bounds, text)
  }
  const [firstBefore, firstNow] = [before.firstByteMs, figures.firstByteMs]
  const isFaster = firstBefore === undefined || firstNow === undefined || firstNow <= firstBefore * fellTo
  // Compared with the best, too: many small losses would add up.
  const isCheap = figures.work >= costMax * Math.max(before.work, state.keptWork)
  if (isCheap && (trial.reason === 'memory' || isFaster)) return { state: { ...ended, hold: holdAfterFewer } }
  if (trial.reason === 'memory') return changed(afterFailure(ended), before, 'increase', 'throughput', text)
  const based = { ...ended, base: before }
  if (isFaster) return changed(afterFailure(based), before, 'increase', 'throughput', text)
  // The time to the first byte does not come from the number of reads: it is the way to the store,
  // and a longer way needs more reads.
  return changed({ ...based, growth: 'doubling', failures: 0, hold: 0 }, before, 'increase', 'distance', distanceText)
}

function afterFailure(state: TuningState): TuningState {
  const failures = state.failures + 1
  return { ...state, failures, hold: holdAfter(failures) }
}

function holdAfter(failures: number): number {
  return Math.min(holdMax, 2 ** failures)
}

function tried(
  state: TuningState,
  next: TuningSettings,
  kind: Trial['kind'],
  reason: TuningReason,
  figures: Figures,
  text: string,
): TuningStep {
  const trial = { kind, reason, before: { ...settingsOf(state), ...figures } }
  const change = kind === 'more' ? 'increase' : 'decrease'
  return changed({ ...state, trial }, next, change, reason, text)
}

function changed(
  state: TuningState,
  next: TuningSettings,
  change: TuningChange,
  reason: TuningReason,
  why: string,
): TuningStep {
  const settings = settingsOf(next)
  const settleMs = Math.max(settleMsMin, 2 * (state.base?.firstByteMs ?? 0))
  const settled = { ...state, ...settings, settleMs, hasGrown: state.hasGrown || change === 'increase' }
  if (settings.reads === state.reads && settings.rangeBytes === state.rangeBytes) return { state: settled }
  return { state: settled, decision: { change, reason, why, before: settingsOf(state), after: settings } }
}

function settingsOf({ reads, rangeBytes }: TuningSettings): TuningSettings {
  return { reads, rangeBytes }
}

function baseWith(base: Figures | undefined, now: Figures): Figures | undefined {
  if (now.firstByteMs === undefined) return base
  if (base?.firstByteMs === undefined || now.firstByteMs <= base.firstByteMs) return now
  return { ...base, firstByteMs: Math.min(now.firstByteMs, base.firstByteMs * baseDecay) }
}
