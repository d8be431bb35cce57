// Why: left alone, V8 lets garbage grow to several times of what is in use, and the C library keeps
// what was freed, so that a role that needs 60 MiB of heap holds 300. How: both take their bounds
// only when a process begins; so a role that began without them becomes itself once more, with
// flags and environment that say them. Who set them by hand is left alone.
import type { MemoryConfig } from '../config/config.ts'

export interface MemoryBounds {
  /** Of Node, before the script. */
  readonly flags: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

type Environment = Readonly<Record<string, string | undefined>>

const trimThresholdBytes = 1024 * 1024

/** What the process is still to be given; undefined when it has all, or has its own. */
export function missingBounds(
  config: Omit<MemoryConfig, 'idleCollectMs'>,
  execArgv: readonly string[],
  environment: Environment,
): MemoryBounds | undefined {
  const given = [...execArgv, ...(environment['NODE_OPTIONS'] ?? '').split(/\s+/)].map((flag) =>
    flag.split('=', 1)[0]?.replaceAll('_', '-'),
  )
  const flags = [
    ...(config.semiSpaceBytes > 0 ? [`--max-semi-space-size=${Math.ceil(config.semiSpaceBytes / 1024 ** 2)}`] : []),
    ...(config.heapGrowthPercent > 0 ? [`--heap-growing-percent=${config.heapGrowthPercent}`] : []),
  ].filter((flag) => !given.includes(flag.split('=', 1)[0]))
  const wanted: Readonly<Record<string, string>> = {
    ...(config.mallocArenas > 0 ? { MALLOC_ARENA_MAX: String(config.mallocArenas) } : {}),
    ...(config.mallocMmapBytes > 0
      ? { MALLOC_MMAP_THRESHOLD_: String(config.mallocMmapBytes), MALLOC_TRIM_THRESHOLD_: String(trimThresholdBytes) }
      : {}),
  }
  const missing = Object.fromEntries(Object.entries(wanted).filter(([name]) => environment[name] === undefined))
  return flags.length === 0 && Object.keys(missing).length === 0 ? undefined : { flags, environment: missing }
}
