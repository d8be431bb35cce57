// Why: a sweep takes long, and one that was stopped goes on where it was. How: each load is written
// to a file when it has ended; the same sweep finds it there. The summary (medians, the best point)
// follows from the file alone. Pure.
import { z } from 'zod'
import { SkeinError } from '../base/errors.ts'
import { medianOf } from './probe-ladder.ts'
import { gridOf, type SweepParameter, type SweepPoint } from './sweep-grid.ts'

const amount = z.number().min(0)
const count = z.int().min(0)
const text = z.string().max(100_000)

const runShape = z.object({
  /** Number of the point in the grid. */
  point: count,
  round: count,
  seconds: amount,
  bytes: count,
  files: count,
  failed: count,
  /** Tasks that were repeated. */
  retried: count,
  /** Of the sweep's own cluster. */
  peakBytes: amount.optional(),
  processorSeconds: amount.optional(),
  /** Not empty: the load is no measurement. */
  problem: text,
})

const stateShape = z.object({
  kind: z.literal('skein-sweep'),
  version: z.literal(1),
  path: text,
  isOwn: z.boolean(),
  /** Settings of all points. */
  base: z.record(text, text),
  parameters: z.array(z.object({ key: text, values: z.array(text).min(1).readonly() })).min(1),
  startedAt: text,
  runs: z.array(runShape),
})

export type SweepRun = z.infer<typeof runShape>
export type SweepState = z.infer<typeof stateShape>

/** What makes two sweeps the same. */
export type SweepIdentity = Pick<SweepState, 'path' | 'isOwn' | 'base'> & { readonly parameters: SweepParameter[] }

/** @throws SkeinError invalid_argument (`config`) naming the file */
export function parseSweep(content: string, name: string): SweepState {
  let document: unknown
  try {
    document = JSON.parse(content)
  } catch {
    document = undefined
  }
  const result = stateShape.safeParse(document)
  if (result.success) return result.data
  throw new SkeinError('invalid_argument', `${name} is no file of skein tune sweep`, { reason: 'config' })
}

/** Undefined: the file is of the same sweep. Otherwise what differs. */
export function otherSweep(state: SweepState, identity: SweepIdentity): string | undefined {
  const parts = { path: 'the path', isOwn: '--own', base: 'the settings (-D)', parameters: '--param' } as const
  const sorted = (record: Readonly<Record<string, string>>): string =>
    JSON.stringify(Object.entries(record).toSorted(([one], [other]) => (one < other ? -1 : 1)))
  if (state.path !== identity.path) return parts.path
  if (state.isOwn !== identity.isOwn) return parts.isOwn
  if (sorted(state.base) !== sorted(identity.base)) return parts.base
  return JSON.stringify(state.parameters) === JSON.stringify(identity.parameters) ? undefined : parts.parameters
}

export interface PointSummary {
  readonly values: SweepPoint
  /** Loads that count. */
  readonly runs: number
  /** Medians. Undefined: no load counts. */
  readonly seconds: number | undefined
  readonly bytesPerSecond: number | undefined
  readonly filesPerSecond: number | undefined
  readonly processorSeconds: number | undefined
  /** The largest. */
  readonly peakBytes: number | undefined
  /** Of all runs. */
  readonly failed: number
  readonly retried: number
  /** Of the last run that had one. */
  readonly problem: string
  /** The fastest point without failed files and problems. */
  readonly isBest: boolean
}

export function summaryOf({ parameters, runs }: Pick<SweepState, 'parameters' | 'runs'>): PointSummary[] {
  const points = gridOf(parameters, Number.POSITIVE_INFINITY).map((values, index) =>
    pointOf(
      values,
      runs.filter(({ point }) => point === index),
    ),
  )
  const sound = points.filter(({ failed, problem, seconds }) => failed === 0 && problem === '' && seconds !== undefined)
  const least = Math.min(...sound.map(({ seconds }) => seconds ?? Number.POSITIVE_INFINITY))
  const best = sound.find(({ seconds }) => seconds === least)
  return points.map((point) => ({ ...point, isBest: point === best }))
}

function pointOf(values: SweepPoint, runs: readonly SweepRun[]): PointSummary {
  const good = runs.filter(({ problem }) => problem === '')
  const median = (valueOf: (run: SweepRun) => number | undefined): number | undefined =>
    medianOf(good.flatMap((run) => valueOf(run) ?? []))
  const seconds = median((run) => run.seconds)
  // Of the medians, so that the order by seconds is the order by speed.
  const rate = (valueOf: (run: SweepRun) => number): number | undefined => {
    const work = median(valueOf)
    return work === undefined || seconds === undefined || seconds === 0 ? undefined : work / seconds
  }
  const peaks = good.flatMap(({ peakBytes }) => peakBytes ?? [])
  const sum = (valueOf: (run: SweepRun) => number): number => runs.reduce((total, run) => total + valueOf(run), 0)
  return {
    values,
    runs: good.length,
    seconds,
    bytesPerSecond: rate(({ bytes }) => bytes),
    filesPerSecond: rate(({ files }) => files),
    processorSeconds: median(({ processorSeconds }) => processorSeconds),
    peakBytes: peaks.length === 0 ? undefined : Math.max(...peaks),
    failed: sum(({ failed }) => failed),
    retried: sum(({ retried }) => retried),
    problem: runs.findLast(({ problem }) => problem !== '')?.problem ?? '',
    isBest: false,
  }
}
