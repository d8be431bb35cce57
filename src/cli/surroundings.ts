// Why: the real configuration, cluster and time of a command; tests bring others. Loaded lazily,
// piece by piece.
import { randomUUID } from 'node:crypto'
import { systemClock } from '../base/clock.ts'
import type { GlobalOptions } from './frame/context.ts'
import type { Surroundings } from './run.ts'

/**
 * The surroundings of commands in this environment.
 * @param stderr gets warnings about the configuration
 */
export function surroundingsOf(
  environment: Readonly<Record<string, string | undefined>>,
  stderr: (text: string) => void,
): (options: GlobalOptions) => Promise<Surroundings> {
  return async (options) => {
    const warned = new Set<string>()
    return {
      clock: systemClock,
      environment,
      uniqueId: randomUUID,
      config: async (mode, more = {}) => {
        const { loadConfig } = await import('../config/read-config.ts')
        const config = loadConfig({ mode, definitions: { ...options.definitions, ...more }, environment })
        const typed = config.warnings.filter(
          (warning) => mode === 'client' && warning.startsWith('-D') && !warned.has(warning),
        )
        for (const warning of typed) stderr(`skein: warning: ${warning}\n`)
        for (const warning of typed) warned.add(warning)
        return config
      },
      connect: async (config) => (await import('../client/connect.ts')).connectCluster(config),
    }
  }
}
