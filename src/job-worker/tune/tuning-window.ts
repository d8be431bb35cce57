// Why: single observations of a tenth of a second are too noisy to decide on. How: they are added
// up until there are enough answers and time to compare throughput. Pure.

/** What happened at one store since the last observation. */
export interface TuningObservation {
  readonly ms: number
  readonly bytes: number
  /** Answers with data. */
  readonly answers: number
  /** Answers that ask to slow down. */
  readonly slowDowns: number
  /** Typical time from a request to the first byte. Undefined: not measured. */
  readonly firstByteMs: number | undefined
  /** More reads would have run if they had been allowed. */
  readonly isShortOfReads: boolean
  /** Reads have waited for the read budget. */
  readonly isShortOfMemory: boolean
  /** Milliseconds of this time in which the event loop had work. */
  readonly busyMs: number
  /** Reads must wait for a reason that is not the store's speed: it says nothing about settings. */
  readonly isHeldBack: boolean
}

export interface TuningWindow extends Omit<TuningObservation, 'firstByteMs' | 'isHeldBack'> {
  /** Sum of the logarithms of the milliseconds to the first byte, and the answers in it. */
  readonly logMsSum: number
  readonly timedAnswers: number
}

/** The figures that windows are compared by. */
export interface Figures {
  /** Bytes per millisecond; an answer counts as some bytes, so that small objects count, too. */
  readonly work: number
  readonly firstByteMs: number | undefined
}

/** A request costs about as much as these bytes. */
const bytesOfAnswer = 64 * 1024
const windowMsMin = 200
const windowMsMax = 2000
const answersMin = 8

export const noWindow: TuningWindow = {
  ms: 0,
  bytes: 0,
  answers: 0,
  slowDowns: 0,
  busyMs: 0,
  logMsSum: 0,
  timedAnswers: 0,
  isShortOfReads: false,
  isShortOfMemory: false,
}

export function addedTo(window: TuningWindow, observation: TuningObservation): TuningWindow {
  const { ms, bytes, answers, slowDowns, busyMs, firstByteMs, isShortOfReads, isShortOfMemory } = observation
  const timed = firstByteMs === undefined ? 0 : answers
  return {
    ms: window.ms + ms,
    bytes: window.bytes + bytes,
    answers: window.answers + answers,
    slowDowns: window.slowDowns + slowDowns,
    busyMs: window.busyMs + busyMs,
    logMsSum: window.logMsSum + (firstByteMs === undefined ? 0 : timed * Math.log(firstByteMs)),
    timedAnswers: window.timedAnswers + timed,
    isShortOfReads: window.isShortOfReads || isShortOfReads,
    isShortOfMemory: window.isShortOfMemory || isShortOfMemory,
  }
}

/** Whether the window tells enough about settings with so many reads at once. */
export function isWhole({ ms, answers }: TuningWindow, reads: number): boolean {
  return ms >= windowMsMax || (ms >= windowMsMin && answers >= Math.max(answersMin, 2 * reads))
}

export function figuresOf({ ms, bytes, answers, logMsSum, timedAnswers }: TuningWindow): Figures {
  return {
    work: (bytes + answers * bytesOfAnswer) / Math.max(1, ms),
    firstByteMs: timedAnswers === 0 ? undefined : Math.exp(logMsSum / timedAnswers),
  }
}
