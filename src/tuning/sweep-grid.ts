// Why: a sweep loads the same files once for each combination of values, so what varies must be
// something that a load notices, and the number of combinations is bounded before the first load.
// How: two keys are given with each load; all others are read when a role starts, so they vary only
// in a cluster of the sweep's own. Pure.
import { SkeinError } from '../base/errors.ts'
import type { KeyDefinition } from '../config/keys/key-definition.ts'
import { definitionOf, nearestKey } from '../config/keys/schema.ts'

export interface SweepParameter {
  readonly key: string
  /** As in a properties file; each once. */
  readonly values: readonly string[]
}

/** A value for each key. */
export type SweepPoint = Readonly<Record<string, string>>

/** Keys that are given with each load. */
export const loadKeys = { activeJobs: 'skein.load.active.jobs', batchFiles: 'skein.load.batch.files' } as const

/** Others are addresses, files and secrets, or have commas. */
const variableKinds: ReadonlySet<KeyDefinition['kind']> = new Set([
  ...(['boolean', 'integer', 'number', 'bytes', 'duration', 'seconds', 'choice'] as const),
])

/**
 * @param texts such as `fs.cosn.upload_thread_pool=8,16,32`
 * @param isOwn whether each point has a cluster of its own
 * @throws SkeinError invalid_argument naming the key
 */
export function parametersOf(texts: readonly string[], isOwn: boolean): SweepParameter[] {
  const parameters = texts.map((text) => parameterOf(text))
  for (const [index, { key }] of parameters.entries()) {
    const problem = keyProblem(key, isOwn)
    if (problem !== undefined) throw invalid(`${key} ${problem}`)
    if (parameters.findIndex((one) => one.key === key) !== index) throw invalid(`${key} is given twice`)
  }
  return parameters
}

function parameterOf(text: string): SweepParameter {
  const equals = text.indexOf('=')
  const key = text.slice(0, equals).trim()
  const values = text.slice(equals + 1).split(',')
  const trimmed = values.map((value) => value.trim())
  if (equals < 1 || trimmed.includes('')) throw invalid(`'${text.slice(0, 200)}' is not key=value,value,...`)
  const twice = trimmed.find((value, index) => trimmed.indexOf(value) !== index)
  if (twice !== undefined) throw invalid(`${key} has the value ${twice} twice`)
  return { key, values: trimmed }
}

function keyProblem(key: string, isOwn: boolean): string | undefined {
  const definition = definitionOf(key)
  if (definition === undefined) return `is not a key; the nearest known key is '${nearestKey(key)}'`
  const { kind, scope, unused } = definition
  if (unused === true) return 'has no effect'
  if (Object.values<string>(loadKeys).includes(key)) return undefined
  if (!variableKinds.has(kind)) return 'cannot be varied: it is no number, size, time or choice'
  if (scope === 'client' || scope === 'gateway') return `is read by the ${scope}: it does not change a load`
  return isOwn
    ? undefined
    : 'is read when a role starts: use --own, which measures each point in a cluster of its own, or leave it out'
}

/**
 * All combinations; the values of the last key change first.
 * @throws SkeinError invalid_argument when there are more than `pointsMax`
 */
export function gridOf(parameters: readonly SweepParameter[], pointsMax: number): SweepPoint[] {
  const count = parameters.reduce((product, { values }) => product * values.length, 1)
  if (count > pointsMax) {
    const factors = parameters.map(({ values }) => values.length).join(' x ')
    throw invalid(`${factors} values are ${count} points, ${pointsMax} at most: give fewer values or --max-points`)
  }
  return parameters.reduce<SweepPoint[]>(
    (points, { key, values }) => points.flatMap((point) => values.map((value) => ({ ...point, [key]: value }))),
    [{}],
  )
}

/** Such as `a=1 b=2`. */
export function pointText(point: SweepPoint): string {
  return Object.entries(point)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ')
}

function invalid(problem: string): SkeinError {
  return new SkeinError('invalid_argument', `--param: ${problem}`, { reason: 'usage' })
}
