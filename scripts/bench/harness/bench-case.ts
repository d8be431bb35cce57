// Why: every measurement has the same form, whatever it measures: several ways to do the same work
// on the same bytes, in turn, in one run. How: a case prepares its data once and has ways; a way
// does the work once and says what that took. A way that cannot be had is named with the reason. A
// new case is a definition in a list of run.ts.
import type { BenchTools } from './bench-tools.ts'

/** What doing the work once took. */
export interface RunResult {
  readonly seconds: number
  /** Of all processes that work for the way, but not of the store. */
  readonly processorSeconds: number
  /** Largest resident memory, bytes, by process. */
  readonly peaks: Readonly<Record<string, number>>
  /** Other figures of the run, such as a p99. The median of each is reported. */
  readonly figures?: Readonly<Record<string, number>>
}

/** `limit`: a bare program without anything of Skein, as fast as the machine allows. */
export type WayKind = 'ours' | 'peer' | 'limit'

export interface BenchWay {
  readonly name: string
  readonly kind: WayKind
  /** Why it cannot be had here. */
  readonly missing?: string | undefined
  /** Work of one run, where it is not that of the case. */
  readonly amount?: number
  readonly run: () => Promise<RunResult>
}

/** The way is at least `ratio` times as fast as `beside`: a way, or `limit`, their fastest. */
export interface RatioGoal {
  readonly way: string
  readonly beside: string
  readonly ratio: number
}

/**
 * A figure of a way is at most `most`, or at least `least`; with `over`, its quotient by that of
 * this other way. `figure` may be `peak` (MiB).
 */
export interface FigureGoal {
  readonly way: string
  readonly figure: string
  readonly over?: string
  readonly most?: number
  readonly least?: number
}

export interface BenchCase {
  /** Work of one run, for rates. */
  readonly amount: number
  readonly unit: 'MiB' | 'files' | 'tasks' | 'calls' | 'reads'
  readonly ways: readonly BenchWay[]
  readonly goals?: readonly (RatioGoal | FigureGoal)[]
  /** What a reader of the table has to know. */
  readonly note?: string
}

export interface CaseDefinition {
  readonly name: string
  /** One line. */
  readonly what: string
  /** Most runs as one case of many. Default: as many as are asked for. */
  readonly runsMax?: number
  /** Cases of one group that follow each other share their tools, and what these have made. */
  readonly group?: string
  readonly prepare: (tools: BenchTools) => Promise<BenchCase>
}

/** A benchmark with a program and a report of its own. */
export interface ScriptDefinition {
  readonly name: string
  readonly what: string
  /** Of scripts/bench, with the words for a usual and for a tiny run. */
  readonly script: string
  readonly words: readonly string[]
  readonly tinyWords: readonly string[]
  /** Part of `all`. */
  readonly isInAll: boolean
}
