// Why: what is recommended depends on the machines of the job workers. How: the options say, else
// the cluster tells how many there are, and this machine stands for each of them.
import { formatBytes } from '../../base/bytes.ts'
import { toSkeinError } from '../../base/errors.ts'
import { thisMachine } from '../../config/read-config.ts'
import type { Machine } from '../../config/resolve-config.ts'
import type { Cluster } from '../../client/cluster.ts'
import type { JobWorkers } from '../../tuning/recommendation.ts'
import type { CommandContext } from '../frame/context.ts'
import { usageError } from '../frame/exit-codes.ts'
import { sizeOf, wholeNumber } from '../frame/numbers.ts'

const memoryMin = 64 * 1024 ** 2
const memoryMax = 2 ** 50

export interface MachineFlags {
  readonly cores?: string
  readonly memory?: string
}

export const machineOptions = [
  ['--cores <n>', 'processors of the machine (default: of this machine)'],
  ['--memory <size>', 'memory of the machine, such as 16GB (default: of this machine)'],
] as const

/** This machine, or one with the cores and memory that the options name. */
export function machineOf({ cores, memory }: MachineFlags): Machine & { readonly memoryBytes: number } {
  const here = thisMachine()
  const memoryBytes = memory === undefined ? (here.memoryBytes ?? memoryMin) : sizeOf('--memory', memory)
  if (memoryBytes < memoryMin || memoryBytes > memoryMax)
    throw usageError(`--memory must be from 64MB to 1024TB, not '${memory ?? formatBytes(memoryBytes)}'`)
  return { ...here, cpus: cores === undefined ? here.cpus : wholeNumber('--cores', cores, 1, 10_000), memoryBytes }
}

/** How many job workers live; undefined: nobody can tell. */
export async function liveJobWorkers(
  { signal }: Pick<CommandContext, 'signal'>,
  cluster: Cluster,
): Promise<number | undefined> {
  try {
    const { liveJobWorkers: count } = await cluster.jobMaster().getJobServiceSummary({}, { signal })
    return count > 0 ? count : undefined
  } catch (thrown) {
    if (toSkeinError(thrown).code !== 'unavailable' || signal.aborted) throw thrown
    return undefined
  }
}

export function machinesText({ workers, cores, memoryBytes }: JobWorkers): string {
  const many = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`
  return `${many(workers, 'job worker')} with ${many(cores, 'core')} and ${formatBytes(memoryBytes)} of memory`
}
