// Why: a role with values that do not fit together starts, but is slow or runs out of memory for no
// visible reason. This is the one place that decides: a start warns, `skein tune check` reports,
// and `skein tune recommend` keeps the same rules. How: each rule compares plain values and returns
// the key to change, the problem and a better value. Applying better values ends with no broken
// rule. Pure.
import {
  readBytes,
  sizeText,
  streamBytes,
  type TuningKey,
  tuningKeys as keys,
  type TuningValues,
} from './tuning-values.ts'

const queueMax = 32
const queueMin = 8
const megabyte = 1024 ** 2

interface Finding {
  /** The key whose value is to be changed. */
  readonly key: TuningKey
  readonly problem: string
  /** As in a properties file. */
  readonly better: string
}

export interface TuningRule {
  readonly id: string
  readonly says: string
  /** Whether the GooseFS tuning guide has it; the others follow from how Skein works. */
  readonly isOfGuide: boolean
  /** The keys that it compares. */
  readonly keys: readonly TuningKey[]
  /** It is judged when one of these is set: nobody chose the defaults. Absent: `keys`. */
  readonly judgedWith?: readonly TuningKey[]
  /** A role with such values does not start. */
  readonly refusesStart?: true
  readonly judge: (values: TuningValues) => Finding | undefined
}

export interface BrokenRule extends Finding {
  readonly rule: TuningRule
}

export const tuningRules: readonly TuningRule[] = [
  {
    id: 'range-in-block',
    says: `\`${keys.range}\` is at most \`${keys.block}\`.`,
    isOfGuide: true,
    keys: [keys.range, keys.block],
    judge: ({ rangeBytes, blockBytes }) =>
      rangeBytes > blockBytes
        ? found(keys.range, `${sizeText(rangeBytes)} is more than ${keys.block}, ${sizeText(blockBytes)}`, {
            bytes: blockBytes,
          })
        : undefined,
  },
  {
    id: 'queue-in-block',
    says: `\`${keys.queue}\` is at most 32, and at most \`${keys.block}\` / \`${keys.range}\`; 8 is never too many.`,
    isOfGuide: true,
    keys: [keys.queue, keys.block, keys.range],
    judgedWith: [keys.queue],
    judge: (values) => {
      const { rangesAhead } = values
      const inBlock = rangesInBlock(values)
      if (rangesAhead > queueMax) return found(keys.queue, `${rangesAhead} is above ${queueMax}`, { count: queueMax })
      if (rangesAhead <= inBlock || rangesAhead <= queueMin) return undefined
      const better = { count: Math.max(queueMin, inBlock) }
      return found(keys.queue, `${rangesAhead} is more than ${keys.block} / ${keys.range}`, better)
    },
  },
  {
    id: 'queue-long-enough',
    says: `\`${keys.queue}\` is at least 8, or \`${keys.block}\` / \`${keys.range}\` if that is less.`,
    isOfGuide: true,
    keys: [keys.queue, keys.block, keys.range],
    judgedWith: [keys.queue],
    judge: (values) => {
      const least = Math.min(queueMin, rangesInBlock(values))
      if (values.rangesAhead >= least || !isRoomFor(values, least)) return undefined
      return found(keys.queue, `${values.rangesAhead} is below ${least}`, { count: least })
    },
  },
  {
    id: 'range-in-budget',
    says: `\`${keys.budget}\` is at least \`${keys.range}\`. A role does not start otherwise.`,
    isOfGuide: false,
    keys: [keys.budget, keys.range],
    refusesStart: true,
    judge: ({ readBudgetBytes, rangeBytes, memoryBytes = Number.POSITIVE_INFINITY }) => {
      if (readBudgetBytes >= rangeBytes) return undefined
      const problem = `${sizeText(readBudgetBytes)} is below ${keys.range}, ${sizeText(rangeBytes)}`
      return 2 * rangeBytes < memoryBytes
        ? found(keys.budget, problem, { bytes: 2 * rangeBytes })
        : found(keys.range, `${sizeText(rangeBytes)} is above ${keys.budget}, ${sizeText(readBudgetBytes)}`, {
            bytes: readBudgetBytes,
          })
    },
  },
  {
    id: 'stream-in-budget',
    says: `\`${keys.budget}\` holds at least one stream: \`${keys.range}\` x \`${keys.queue}\`.`,
    isOfGuide: false,
    keys: [keys.budget, keys.range, keys.queue],
    judge: (values) => {
      const { readBudgetBytes, memoryBytes, rangeBytes } = values
      const stream = streamBytes(values)
      if (stream <= readBudgetBytes || rangeBytes > readBudgetBytes) return undefined
      const problem = `${sizeText(readBudgetBytes)} do not hold one stream of ${keys.queue} ranges, ${sizeText(stream)}`
      if (memoryBytes === undefined || 2 * stream < memoryBytes)
        return found(keys.budget, problem, { bytes: 2 * stream })
      const ranges = Math.floor(readBudgetBytes / rangeBytes)
      return found(keys.queue, problem, { count: Math.max(1, ranges) })
    },
  },
  {
    id: 'budget-in-memory',
    says: `\`${keys.budget}\` is less than the memory of the machine.`,
    isOfGuide: false,
    keys: [keys.budget],
    judge: ({ readBudgetBytes, rangeBytes, memoryBytes = Number.POSITIVE_INFINITY }) => {
      if (readBudgetBytes < memoryBytes) return undefined
      const bytes = quarterOf(memoryBytes)
      const problem = `${sizeText(readBudgetBytes)} are not less than the memory, ${sizeText(memoryBytes)}`
      // The budget is never below one range.
      if (rangeBytes > bytes) return found(keys.range, `${keys.budget}: ${problem}`, { bytes })
      return found(keys.budget, problem, { bytes: Math.max(megabyte, bytes) })
    },
  },
  {
    id: 'reads-in-memory',
    says:
      `\`${keys.readers}\` x (\`${keys.buffer}\` + one stream + 1 MB) fits into the memory of the machine. ` +
      `One stream is \`${keys.range}\` x \`${keys.queue}\`.`,
    isOfGuide: true,
    keys: [keys.readers, keys.buffer, keys.range, keys.queue],
    judgedWith: [keys.readers, keys.buffer],
    judge: (values) => {
      const {
        blockReadersMax,
        memoryBytes = Number.POSITIVE_INFINITY,
        rangeBytes,
        rangesAhead,
        readerBufferBytes,
      } = values
      const all = blockReadersMax * readBytes(values)
      if (all <= memoryBytes) return undefined
      const parts = `${blockReadersMax} reads x (${keys.buffer} + one stream + 1 MB), ${all} bytes,`
      const problem = `${parts} are more than the memory, ${memoryBytes} bytes`
      const fitting = Math.floor(memoryBytes / readBytes(values))
      if (fitting >= 1 || blockReadersMax > 1) return found(keys.readers, problem, { count: Math.max(1, fitting) })
      // Not even one read fits: its largest part has to be smaller.
      const part = quarterOf(memoryBytes)
      if (readerBufferBytes > part) return found(keys.buffer, problem, { bytes: part })
      if (rangesAhead > 1) return found(keys.queue, problem, { count: Math.max(1, Math.floor(part / rangeBytes)) })
      return rangeBytes > part ? found(keys.range, problem, { bytes: part }) : undefined
    },
  },
  {
    id: 'tasks-above-reads',
    says: `\`${keys.tasks}\` is at least \`${keys.reads}\`, better slightly above it.`,
    isOfGuide: true,
    keys: [keys.tasks, keys.reads],
    judge: ({ activeTasksMax, readsMax }) =>
      activeTasksMax < readsMax
        ? found(keys.tasks, `${activeTasksMax} is below ${keys.reads}, ${readsMax}`, { count: readsMax + 2 })
        : undefined,
  },
  {
    id: 'threads-in-tasks',
    says: `\`${keys.threads}\` is at most \`${keys.tasks}\`. A role does not start otherwise.`,
    isOfGuide: true,
    keys: [keys.threads, keys.tasks],
    refusesStart: true,
    judge: ({ cpuTasksMax, activeTasksMax }) =>
      cpuTasksMax > activeTasksMax
        ? found(keys.threads, `${cpuTasksMax} is above ${keys.tasks}, which is ${activeTasksMax}`, {
            count: activeTasksMax,
          })
        : undefined,
  },
  {
    id: 'streams-for-tasks',
    says: `\`${keys.streams}\` is at least 2 x \`${keys.tasks}\`.`,
    isOfGuide: true,
    keys: [keys.streams, keys.tasks, keys.reads],
    judge: ({ blockStreamsMax, activeTasksMax }) =>
      blockStreamsMax < 2 * activeTasksMax
        ? found(keys.streams, `${blockStreamsMax} is below 2 x ${keys.tasks}, ${activeTasksMax}`, {
            count: 2 * activeTasksMax,
          })
        : undefined,
  },
  {
    id: 'jobs-above-tasks',
    says: `\`${keys.jobs}\`, or \`--active-jobs\`, is above \`${keys.tasks}\`.`,
    isOfGuide: true,
    keys: [keys.jobs, keys.tasks, keys.reads],
    judge: ({ activeJobs, activeTasksMax }) =>
      activeJobs <= activeTasksMax
        ? found(keys.jobs, `${activeJobs} is not above ${keys.tasks}, ${activeTasksMax}`, { count: 2 * activeTasksMax })
        : undefined,
  },
  {
    id: 'connections-for-reads',
    says: `\`${keys.connections}\` is at least \`${keys.reads}\`.`,
    isOfGuide: false,
    keys: [keys.connections, keys.reads],
    judge: ({ connectionsMax, readsMax }) =>
      connectionsMax < readsMax
        ? found(keys.connections, `${connectionsMax} is below ${keys.reads}, ${readsMax}`, { count: readsMax })
        : undefined,
  },
]

/** Rules that the values break. @param isGiven whether a key is set, not at its default */
export function brokenRules(values: TuningValues, isGiven: (key: TuningKey) => boolean): BrokenRule[] {
  return tuningRules.flatMap((rule) => {
    if (!(rule.judgedWith ?? rule.keys).some(isGiven)) return []
    const finding = rule.judge(values)
    return finding === undefined ? [] : [{ rule, ...finding }]
  })
}

/** The line with which a start warns. */
export function tuningWarning({ key, problem, better }: BrokenRule): string {
  return `tuning: ${key}: ${problem}: ${better} is better`
}

function rangesInBlock({ blockBytes, rangeBytes }: TuningValues): number {
  return Math.max(1, Math.ceil(blockBytes / rangeBytes))
}

/** Whether a queue of this length breaks no rule about memory. */
function isRoomFor(values: TuningValues, rangesAhead: number): boolean {
  const { memoryBytes = Number.POSITIVE_INFINITY, readBudgetBytes } = values
  const longer = { ...values, rangesAhead }
  const isInBudget = streamBytes(longer) <= readBudgetBytes || 2 * streamBytes(longer) < memoryBytes
  return isInBudget && readBytes(longer) <= memoryBytes
}

/** A quarter of the memory, in whole MB where that leaves any. */
function quarterOf(memoryBytes: number): number {
  const quarter = Math.floor(memoryBytes / 4)
  return quarter > megabyte ? quarter - (quarter % megabyte) : Math.max(4096, quarter)
}

function found(
  key: TuningKey,
  problem: string,
  better: { readonly bytes: number } | { readonly count: number },
): Finding {
  return { key, problem, better: 'bytes' in better ? sizeText(better.bytes) : String(better.count) }
}
