// Why: figures are quoted from one file, so it has everything that a reader has to know: machine,
// date, sizes, every single run. How: medians, ratios of medians, and which goals were met follow
// from the runs alone. Pure.
import type { BenchCase, FigureGoal, RatioGoal, RunResult, WayKind } from './bench-case.ts'

const mebibyte = 1024 * 1024

export interface WayReport {
  readonly name: string
  readonly kind: WayKind
  /** Why it was not measured. */
  readonly missing?: string
  /** Of each run. */
  readonly seconds: readonly number[]
  /** Medians. */
  readonly medianSeconds: number
  /** Of the amount, a second. */
  readonly rate: number
  readonly processorSeconds: number
  /** The largest of all runs, bytes, by process. */
  readonly peaks: Readonly<Record<string, number>>
  readonly figures: Readonly<Record<string, number>>
  /** How many times as fast the first way is. */
  readonly firstIsFaster: number
}

export interface GoalReport {
  readonly text: string
  readonly reached: number
  readonly isMet: boolean
}

/** Where and when a case was measured. */
export interface Circumstances {
  /** ISO 8601. */
  readonly at: string
  /** Of the version that was measured. */
  readonly commit: string
  readonly node: string
  /** Of 1, 5 and 15 minutes. */
  readonly loadAtStart: string
  readonly loadAtEnd: string
  /** Of the whole case, preparation included, seconds. */
  readonly tookSeconds: number
}

export interface CaseReport {
  readonly name: string
  readonly what: string
  readonly circumstances: Circumstances
  readonly runs: number
  readonly scale: number
  readonly amount: number
  readonly unit: string
  readonly ways: readonly WayReport[]
  readonly goals: readonly GoalReport[]
  readonly note?: string
  /** What a benchmark with a report of its own printed. */
  readonly text?: string
  /** Why there are no figures. */
  readonly failed?: string
}

export interface BenchReport {
  readonly machine: Readonly<Record<string, string | number>>
  readonly cases: Readonly<Record<string, CaseReport>>
}

export function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((one, other) => one - other)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
}

/** @param results the runs of each way, by its name; none for a way that is missing */
export function caseReport(
  head: Pick<CaseReport, 'name' | 'what' | 'circumstances' | 'runs' | 'scale'>,
  { amount, unit, ways, goals = [], note }: BenchCase,
  results: ReadonlyMap<string, readonly RunResult[]>,
): CaseReport {
  const rateOf = (way: BenchCase['ways'][number] | undefined): number =>
    (way?.amount ?? amount) / median(results.get(way?.name ?? '')?.map(({ seconds }) => seconds) ?? [])
  const first = rateOf(ways[0])
  const reports = ways.map((measured): WayReport => {
    const { name: way, kind, missing } = measured
    const all = results.get(way) ?? []
    const medianSeconds = median(all.map(({ seconds }) => seconds))
    const numbers = all.map(({ figures = {} }) => figures)
    const keys = [...new Set(numbers.flatMap((one) => Object.keys(one)))]
    return {
      ...{ name: way, kind, seconds: all.map(({ seconds }) => seconds), medianSeconds },
      ...(missing !== undefined && { missing }),
      rate: rateOf(measured),
      processorSeconds: median(all.map(({ processorSeconds }) => processorSeconds)),
      peaks: largest(all.map(({ peaks }) => peaks)),
      figures: Object.fromEntries(keys.map((key) => [key, median(numbers.flatMap((one) => one[key] ?? []))])),
      firstIsFaster: first / rateOf(measured),
    }
  })
  const judged = goals.flatMap((goal) => ('beside' in goal ? ratioReport(goal, reports) : figureReport(goal, reports)))
  return { ...head, amount, unit, ways: reports, goals: judged, ...(note !== undefined && { note }) }
}

function largest(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const found: Record<string, number> = {}
  for (const one of all)
    for (const [name, bytes] of Object.entries(one)) found[name] = Math.max(found[name] ?? 0, bytes)
  return found
}

function ratioReport({ way, beside, ratio }: RatioGoal, ways: readonly WayReport[]): GoalReport[] {
  const own = ways.find(({ name }) => name === way)
  const others = ways.filter(({ name, kind }) => name === beside || (beside === 'limit' && kind === 'limit'))
  const fastest = Math.max(...others.map(({ rate }) => rate).filter((rate) => rate > 0))
  if (own === undefined || !(own.rate > 0) || !Number.isFinite(fastest)) return []
  const reached = own.rate / fastest
  return [{ text: `${way}: at least ${ratio} x as fast as ${beside}`, reached, isMet: reached >= ratio }]
}

function figureReport({ way, figure, over, most, least }: FigureGoal, ways: readonly WayReport[]): GoalReport[] {
  const isPeak = figure === 'peak'
  const of = (name: string): number => {
    const report = ways.find((one) => one.name === name)
    const peakMiB = Math.max(...Object.values(report?.peaks ?? {})) / mebibyte
    return isPeak ? peakMiB : (report?.figures[figure] ?? Number.NaN)
  }
  const reached = over === undefined ? of(way) : of(way) / of(over)
  if (!Number.isFinite(reached)) return []
  const isMet = reached <= (most ?? Number.POSITIVE_INFINITY) && reached >= (least ?? Number.NEGATIVE_INFINITY)
  const bounds = [
    ...(least === undefined ? [] : [`at least ${least}`]),
    ...(most === undefined ? [] : [`at most ${most}`]),
  ]
  const unit = over === undefined ? (isPeak ? ' MiB' : '') : ` times that of ${over}`
  return [{ text: `${way}: ${figure} ${bounds.join(' and ')}${unit}`, reached, isMet }]
}
