// Why: what is recommended depends on the machines of the job workers. How: the options say; else
// the job workers report their cores and memory to the job master; else this machine stands for
// each of them.
import { formatBytes } from '../../base/bytes.ts'
import { toSkeinError } from '../../base/errors.ts'
import { thisMachine } from '../../config/read-config.ts'
import type { Machine } from '../../config/resolve-config.ts'
import type { Cluster } from '../../client/cluster.ts'
import type { JobWorkerInfo } from '../../wire/generated/job.ts'
import type { JobWorkers } from '../../tuning/recommendation.ts'
import type { CommandContext } from '../frame/context.ts'
import { usageError } from '../frame/exit-codes.ts'
import { sizeOf, wholeNumber } from '../frame/numbers.ts'

const memoryMin = 64 * 1024 ** 2
const memoryMax = 2 ** 50
const workersMax = 100_000

export interface MachineFlags {
  readonly cores?: string
  readonly memory?: string
  readonly workers?: string
}

export const machineOptions = [
  ['--cores <n>', 'cores of the machine'],
  ['--memory <size>', 'memory of the machine, such as 16GB'],
] as const

/** This machine, or one with the cores and memory that the options name. */
export function machineOf({ cores, memory }: MachineFlags): Machine & { readonly memoryBytes: number } {
  const here = thisMachine()
  const memoryBytes = memory === undefined ? (here.memoryBytes ?? memoryMin) : sizeOf('--memory', memory)
  if (memoryBytes < memoryMin || memoryBytes > memoryMax)
    throw usageError(`--memory must be from 64MB to 1024TB, not '${memory ?? formatBytes(memoryBytes)}'`)
  return { ...here, cpus: cores === undefined ? here.cpus : wholeNumber('--cores', cores, 1, 10_000), memoryBytes }
}

/** Before anything is asked. @throws SkeinError invalid_argument (usage) naming the option */
export function checkMachineFlags(flags: MachineFlags): void {
  machineOf(flags)
  workersOf(flags)
}

function workersOf({ workers }: MachineFlags): number | undefined {
  return workers === undefined ? undefined : wholeNumber('--workers', workers, 1, workersMax)
}

/** The job workers to recommend for, and where that is known from. */
export interface KnownMachines {
  readonly machines: JobWorkers
  readonly from: 'options' | 'job workers' | 'this machine'
}

/**
 * What the options name; the rest as the live job workers report it, of several the least; else
 * this machine. @param cluster undefined: not asked
 */
export async function knownMachines(
  { signal }: Pick<CommandContext, 'signal'>,
  flags: MachineFlags,
  cluster: Cluster | undefined,
): Promise<KnownMachines> {
  const { cpus, memoryBytes } = machineOf(flags)
  const live = cluster === undefined ? [] : await liveJobWorkers(cluster, signal)
  const given = workersOf(flags)
  const told = live.flatMap(({ machine }) => (machine === undefined || machine.cores < 1 ? [] : [machine]))
  const least = (sizes: readonly number[]): number | undefined => (sizes.length === 0 ? undefined : Math.min(...sizes))
  const reportedCores = least(told.map(({ cores }) => cores))
  const reportedBytes = least(told.map((one) => Math.max(memoryMin, one.memoryBytes)))
  const isGiven = flags.cores !== undefined && flags.memory !== undefined
  return {
    machines: {
      workers: given ?? Math.max(1, live.length),
      cores: flags.cores === undefined ? (reportedCores ?? cpus) : cpus,
      memoryBytes: flags.memory === undefined ? (reportedBytes ?? memoryBytes) : memoryBytes,
    },
    from: isGiven ? 'options' : told.length > 0 ? 'job workers' : 'this machine',
  }
}

/** None while no job master answers. */
async function liveJobWorkers(cluster: Cluster, signal: AbortSignal): Promise<readonly JobWorkerInfo[]> {
  try {
    const { jobWorkers } = await cluster.jobMaster().getJobServiceSummary({}, { signal })
    return jobWorkers.filter(({ live }) => live)
  } catch (thrown) {
    if (toSkeinError(thrown).code !== 'unavailable' || signal.aborted) throw thrown
    return []
  }
}

const origins: Readonly<Record<KnownMachines['from'], string>> = {
  options: '',
  'job workers': ', as reported',
  'this machine': ', as this machine has',
}

export function machinesText({ machines: { workers, cores, memoryBytes }, from }: KnownMachines): string {
  const many = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`
  const size = `${many(cores, 'core')} and ${formatBytes(memoryBytes)} of memory`
  return `${many(workers, 'job worker')} with ${size}${origins[from]}`
}
