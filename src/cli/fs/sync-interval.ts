// Why: how old what is known of a store may be is the user's choice
// (`goosefs.user.file.metadata.sync.interval`), command by command; who makes none gets the
// master's. Pure.
import type { Config } from '../../config/config.ts'

const key = 'goosefs.user.file.metadata.sync.interval'

/** The part of a request that says so; empty where nobody has set it. */
export function syncInterval(config: Config): { syncIntervalMs?: number } {
  return config.sources.has(key) ? { syncIntervalMs: config.user.metadataSyncIntervalMs } : {}
}
