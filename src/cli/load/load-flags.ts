// Why: the many options of a load are the same for `distributedLoad` and for a schedule, and each
// is checked before anything is asked of the cluster. How: one table of commander's options, and
// one reading of them.
import type { Command } from 'commander'
import { parseBandwidth } from '../../base/flow/bandwidth.ts'
import { parseDuration } from '../../base/durations.ts'
import type { HostChoice, LoadOptions, Selection } from '../../wire/generated/job.ts'
import type { CommandContext } from '../frame/context.ts'
import { asUsage, usageError } from '../frame/exit-codes.ts'
import { notEmpty, positiveDurationMs, sizeOf, wholeNumber } from '../frame/numbers.ts'
import { printable } from '../frame/printable.ts'

export interface LoadFlags {
  readonly atomic?: true
  readonly replication?: string
  readonly activeJobs?: string
  readonly batchSize?: string
  readonly expireTime?: string
  readonly include?: readonly string[]
  readonly exclude?: readonly string[]
  readonly sizeMin?: string
  readonly sizeMax?: string
  readonly modifiedAfter?: string
  readonly modifiedBefore?: string
  readonly metadataOnly?: true
  readonly hosts?: string
  readonly excludedHosts?: string
  readonly locality?: string
  readonly evict?: true
  readonly bandwidth?: string
  readonly priority?: string
  readonly maxFailures?: string
  readonly verify?: true
}

const timeHelp = 'a date such as 2026-01-31 or 2026-01-31T08:00:00Z, or an age such as 7d'

/** The options that say how, and of what below the paths, a load is made. */
export function addLoadFlags(command: Command): Command {
  const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value]
  return command
    .option('-A, --atomic', 'make the files visible only after all of them are loaded')
    .option('--expire-time <duration>', 'keep an unfinished atomic load for this long (default: 24h)')
    .option('--replication <n>', 'number of replicas, on different workers (default: the setting of the file, or 1)')
    .option('--active-jobs <n>', 'maximum tasks of this load queued or running at once (default: 3000)')
    .option('--batch-size <n>', 'maximum small files in one task (default: by size)')
    .option('--include <glob>', 'load only files that match, relative to the path; repeatable', collect)
    .option('--exclude <glob>', 'skip files that match; repeatable', collect)
    .option('--size-min <size>', 'load only files of at least this size')
    .option('--size-max <size>', 'load only files of at most this size')
    .option('--modified-after <time>', `load only files modified at or after this time: ${timeHelp}`)
    .option('--modified-before <time>', 'load only files modified before this time')
    .option('--metadata-only', 'load only metadata, no file contents')
    .option('--hosts <list>', 'load only onto workers on these hosts')
    .option('--excluded-hosts <list>', 'do not load onto workers on these hosts')
    .option('--locality <host>', 'prefer workers on this host')
    .option('--evict', 'evict colder blocks if space is needed')
    .option('--bandwidth <rate>', 'maximum read rate, such as 50MB/s, or 08:00-20:00=200MB/s,else=unlimited')
    .option('--priority <n>', 'weight among running loads, 1 to 100 (default: 10)')
    .option('--max-failures <n>', 'stop the load above this number of failed files; n or P%')
    .option('--verify', 'verify cached files against the checksums of the store')
}

/**
 * The flags with globs that were written as paths. @throws SkeinError invalid_argument (usage)
 * where --include is given as well
 */
export function withGlobs<T extends LoadFlags>(flags: T, globs: readonly string[] | undefined): T {
  if (globs === undefined) return flags
  if (flags.include !== undefined)
    throw usageError('a glob path and --include cannot be combined: use --include for both')
  return { ...flags, include: globs }
}

/**
 * @param nowMs for times that are given as an age. @throws SkeinError invalid_argument (usage)
 *   naming the option
 */
export function readLoadFlags(flags: LoadFlags, activeJobs: number, nowMs: number): LoadOptions {
  const selection = selectionOf(flags, nowMs)
  const hosts = hostsOf(flags)
  if (flags.expireTime !== undefined && flags.atomic !== true) throw usageError('--expire-time requires -A')
  return {
    replication: flags.replication === undefined ? 1 : wholeNumber('--replication', flags.replication, 1, 1000),
    ...(flags.replication === undefined && { keepReplication: true }),
    activeJobs:
      flags.activeJobs === undefined ? activeJobs : wholeNumber('--active-jobs', flags.activeJobs, 1, 1_000_000),
    batchSize: flags.batchSize === undefined ? 0 : wholeNumber('--batch-size', flags.batchSize, 1, 10_000),
    ...(flags.atomic === true && { atomic: true }),
    ...(flags.expireTime !== undefined && { expireTimeMs: positiveDurationMs('--expire-time', flags.expireTime) }),
    ...(selection !== undefined && { selection }),
    ...(hosts !== undefined && { hosts }),
    ...(flags.metadataOnly === true && { metadataOnly: true }),
    ...(flags.evict === true && { evict: true }),
    ...(flags.verify === true && { verify: true }),
    ...(flags.bandwidth !== undefined && { bandwidth: bandwidthOf(flags.bandwidth) }),
    ...(flags.priority !== undefined && { priority: wholeNumber('--priority', flags.priority, 1, 100) }),
    ...(flags.maxFailures !== undefined && { maxFailures: maxFailuresOf(flags.maxFailures) }),
  }
}

function selectionOf(flags: LoadFlags, nowMs: number): Selection | undefined {
  const { include = [], exclude = [] } = flags
  const bounds = {
    ...(flags.sizeMin !== undefined && { sizeMin: sizeOf('--size-min', flags.sizeMin) }),
    ...(flags.sizeMax !== undefined && { sizeMax: sizeOf('--size-max', flags.sizeMax) }),
    ...(flags.modifiedAfter !== undefined && {
      modifiedAfterMs: timeOf('--modified-after', flags.modifiedAfter, nowMs),
    }),
    ...(flags.modifiedBefore !== undefined && {
      modifiedBeforeMs: timeOf('--modified-before', flags.modifiedBefore, nowMs),
    }),
  }
  if (include.length === 0 && exclude.length === 0 && Object.keys(bounds).length === 0) return undefined
  return { include: [...include], exclude: [...exclude], ...bounds }
}

function hostsOf({ hosts, excludedHosts, locality }: LoadFlags): HostChoice | undefined {
  if (hosts === undefined && excludedHosts === undefined && locality === undefined) return undefined
  // No host at all would mean all of them, later.
  const list = (option: string, text: string | undefined): string[] =>
    text === undefined
      ? []
      : notEmpty(option, text.replaceAll(',', ' '))
          .split(' ')
          .filter((host) => host !== '')
  return {
    hosts: list('--hosts', hosts),
    excludedHosts: list('--excluded-hosts', excludedHosts),
    ...(locality !== undefined && { locality: notEmpty('--locality', locality).trim() }),
  }
}

/** Read again by the job master, whose times of day they are. */
function bandwidthOf(text: string): string {
  return asUsage('', () => {
    parseBandwidth(notEmpty('--bandwidth', text), '--bandwidth')
    return text
  })
}

/** A bare number is bytes: less than this is hardly ever what was meant. */
const slowBytesPerSecond = 1024 ** 2

/** Says on stderr that a rate is very low. Of a text that `readLoadFlags` has taken. */
export function warnOfBandwidth({ io }: Pick<CommandContext, 'io'>, text: string | undefined): void {
  const rates = parseBandwidth(text ?? '', '--bandwidth').map(
    ({ bytesPerSecond = Number.POSITIVE_INFINITY }) => bytesPerSecond,
  )
  const lowest = Math.min(...rates)
  if (lowest >= slowBytesPerSecond) return
  io.stderr(
    `skein: warning: --bandwidth ${printable(text ?? '')} is ${lowest} bytes per second at its lowest; ` +
      'write 50MB/s for 50 megabytes per second\n',
  )
}

/** What the job master will take; how it is meant is its affair. */
function maxFailuresOf(text: string): string {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(%?)$/.exec(text.trim())
  const value = Number(match?.[1])
  if (match === null || (match[2] === '%' ? value > 100 : !Number.isInteger(value)))
    throw usageError(`--max-failures must be a whole number of files, or 0% to 100%, not '${text}'`)
  return text
}

/** A date, or a duration before now. Dates without a zone are local. */
function timeOf(option: string, text: string, nowMs: number): number {
  if (/^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:?\d{2})?)?$/.test(text)) {
    // A date alone would be read as UTC, with a time as local: both are local here.
    const ms = new Date(text.length === 10 ? `${text}T00:00:00` : text.replace(' ', 'T')).getTime()
    if (!Number.isNaN(ms) && isDay(text.slice(0, 10))) return ms
  } else if (/^\d+(?:\.\d+)?\s*[A-Za-z]+$/.test(text)) {
    try {
      return nowMs - parseDuration(text)
    } catch {
      // Named below.
    }
  }
  throw usageError(`${option} '${text}': write ${timeHelp}`)
}

/** There is no 31st of February; Date takes it for one of March. */
function isDay(text: string): boolean {
  const day = new Date(`${text}T00:00:00Z`)
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text)
}
