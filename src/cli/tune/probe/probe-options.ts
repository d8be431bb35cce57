// Why: a probe spends time, bytes and requests of somebody's store, so each has a bound that the
// user sees and can change, and is checked before anything is asked.
import type { Command } from 'commander'
import type { ProbeBounds } from '../../../tuning/probe-ladder.ts'
import { usageError } from '../../frame/exit-codes.ts'
import { positiveDurationMs, sizeOf, wholeNumber } from '../../frame/numbers.ts'

const megabyte = 1024 ** 2
const msRange = [1000, 3_600_000] as const
const bytesRange = [megabyte, 1024 ** 4] as const
/** That of a worker (wire/limits/worker-limits.ts). */
const connectionsMost = 128
const rangeBytesRange = [4096, 64 * megabyte] as const
const requestsMost = 1_000_000

export interface ProbeFlags {
  readonly time?: string
  readonly bytes?: string
  readonly requests?: string
  readonly connections?: string
  readonly range?: string
  readonly worker?: string
  /** `--no-disks` */
  readonly disks?: boolean
}

export interface ProbeOptions {
  readonly bounds: ProbeBounds
  readonly connectionsMax: number
  readonly rangeBytes: number
  /** Undefined: one on this host, else any. */
  readonly worker: string | undefined
  readonly withDisks: boolean
}

export function withProbeFlags(command: Command): Command {
  return command
    .option('--time <duration>', 'end after this time (default: 30s)')
    .option('--bytes <size>', 'read at most this much from the store (default: 512MB)')
    .option('--requests <n>', 'send at most this many requests to the store (default: 4096)')
    .option('--connections <n>', 'try at most this many requests at once, up to 128 (default: 64)')
    .option('--range <size>', 'bytes of one request; smaller objects are read whole (default: 1MB)')
    .option('--worker <worker>', 'the worker that measures: id, hostname or host:port (default: one on this host)')
    .option('--no-disks', 'do not measure the directories of the worker')
}

/** @throws SkeinError invalid_argument (usage) naming the option */
export function probeOptionsOf(flags: ProbeFlags): ProbeOptions {
  const ms = positiveDurationMs('--time', flags.time ?? '30s')
  if (ms < msRange[0] || ms > msRange[1]) throw usageError(`--time must be from 1s to 1h, not '${flags.time ?? ''}'`)
  return {
    bounds: {
      ms,
      bytes: size('--bytes', flags.bytes ?? '512MB', bytesRange, '1MB to 1TB'),
      requests: wholeNumber('--requests', flags.requests ?? '4096', 16, requestsMost),
    },
    connectionsMax: wholeNumber('--connections', flags.connections ?? '64', 1, connectionsMost),
    rangeBytes: size('--range', flags.range ?? '1MB', rangeBytesRange, '4KB to 64MB'),
    worker: flags.worker,
    withDisks: flags.disks !== false,
  }
}

function size(option: string, text: string, [least, most]: readonly [number, number], range: string): number {
  const bytes = sizeOf(option, text)
  if (bytes < least || bytes > most) throw usageError(`${option} must be from ${range}, not '${text}'`)
  return bytes
}
