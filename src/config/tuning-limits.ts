// Why: `skein.tuning=auto` changes settings during a load, and must not go beyond what a person has
// set. How: a value that is set, in whatever layer, is the most that is used; a range size that is
// set does not change at all. Other values have limits here, by the connections and the read
// budget. Pure.
import type { TuningLimitsConfig } from './config.ts'
import type { Values } from './values.ts'
import { tuningKeys as keys } from './tuning-values.ts'

/** Configured values with computed defaults. */
export interface TunedValues {
  readonly reads: number
  readonly activeTasksMax: number
  readonly cpuTasksMax: number
}

/** The keys that `skein.tuning=auto` changes during a load. */
export const selfTunedKeys = [keys.reads, keys.range, keys.tasks, keys.threads] as const

const readsMaxUsual = 64
const smallReadsPerRead = 8
const rangeBytesMaxUsual = 16 * 1024 ** 2
/** So many ranges of the largest size fit into the read budget. */
const rangesInBudget = 8

/** Undefined: settings do not change by themselves. */
export function tuningLimitsOf(values: Values, configured: TunedValues): TuningLimitsConfig | undefined {
  if (values.word('skein.tuning') === 'off') return undefined
  const { reads, activeTasksMax: tasks, cpuTasksMax: streams } = configured
  const [rangeBytes, connections] = [values.amount(keys.range), values.amount(keys.connections)]
  const atMostConnections = (count: number, least: number): number => Math.max(least, Math.min(connections, count))
  const readsMax = values.given(keys.reads) ? reads : atMostConnections(Math.max(readsMaxUsual, 4 * reads), reads)
  const tasksMax = values.given(keys.tasks) ? tasks : Math.max(tasks, 2 * readsMax)
  const rangeBytesFitting = Math.min(rangeBytesMaxUsual, Math.floor(values.amount(keys.budget) / rangesInBudget))
  return {
    readsMax,
    smallReadsMax: atMostConnections(readsMax * smallReadsPerRead, reads * smallReadsPerRead),
    rangeBytesMax: values.given(keys.range) ? rangeBytes : Math.max(rangeBytes, rangeBytesFitting),
    tasksMax,
    streamsMax: values.given(keys.threads) ? streams : Math.min(tasksMax, Math.max(streams, readsMax)),
  }
}
