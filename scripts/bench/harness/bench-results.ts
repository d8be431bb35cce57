// Why: figures are quoted from one file, so it has everything that a reader has to know: machine,
// date, sizes, every single run. How: medians, ratios of medians, and which goals were met follow
// from the runs alone. Pure.
import type { BenchCase, FigureGoal, RatioGoal, RunResult, WayKind } from './bench-case.ts'

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

export interface CaseReport {
  readonly name: string
  readonly what: string
  readonly at: string
  readonly runs: number
  readonly scale: number
  readonly amount: number
  readonly unit: string
  readonly ways: readonly WayReport[]
  readonly goals: readonly GoalReport[]
  /** What a benchmark with a report of its own printed. */
  readonly text?: string
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
  { name, what, at, runs, scale }: Pick<CaseReport, 'name' | 'what' | 'at' | 'runs' | 'scale'>,
  { amount, unit, ways, goals = [] }: BenchCase,
  results: ReadonlyMap<string, readonly RunResult[]>,
): CaseReport {
  const first = median(results.get(ways[0]?.name ?? '')?.map(({ seconds }) => seconds) ?? [])
  const reports = ways.map(({ name: way, kind, missing }): WayReport => {
    const all = results.get(way) ?? []
    const medianSeconds = median(all.map(({ seconds }) => seconds))
    const numbers = all.map(({ figures = {} }) => figures)
    const keys = [...new Set(numbers.flatMap((one) => Object.keys(one)))]
    return {
      ...{ name: way, kind, seconds: all.map(({ seconds }) => seconds), medianSeconds },
      ...(missing !== undefined && { missing }),
      rate: amount / medianSeconds,
      processorSeconds: median(all.map(({ processorSeconds }) => processorSeconds)),
      peaks: largest(all.map(({ peaks }) => peaks)),
      figures: Object.fromEntries(keys.map((key) => [key, median(numbers.flatMap((one) => one[key] ?? []))])),
      firstIsFaster: medianSeconds / first,
    }
  })
  const judged = goals.flatMap((goal) => ('beside' in goal ? ratioReport(goal, reports) : figureReport(goal, reports)))
  return { name, what, at, runs, scale, amount, unit, ways: reports, goals: judged }
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
  const least = Math.min(...others.map(({ medianSeconds }) => medianSeconds).filter((seconds) => seconds > 0))
  if (own === undefined || !(own.medianSeconds > 0) || !Number.isFinite(least)) return []
  const reached = least / own.medianSeconds
  return [{ text: `${way}: at least ${ratio} x as fast as ${beside}`, reached, isMet: reached >= ratio }]
}

function figureReport({ way, figure, most, least }: FigureGoal, ways: readonly WayReport[]): GoalReport[] {
  const own = ways.find(({ name }) => name === way)
  const reached = figure === 'peak' ? Math.max(...Object.values(own?.peaks ?? {})) : own?.figures[figure]
  if (reached === undefined || !Number.isFinite(reached)) return []
  const isMet = reached <= (most ?? Number.POSITIVE_INFINITY) && reached >= (least ?? Number.NEGATIVE_INFINITY)
  const bound = most === undefined ? `at least ${least}` : `at most ${most}`
  return [{ text: `${way}: ${figure} ${bound}`, reached, isMet }]
}
