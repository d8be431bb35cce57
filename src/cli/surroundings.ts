// Why: the real configuration, cluster and time of a command; tests bring others. Loaded lazily,
// piece by piece.
import { randomUUID } from 'node:crypto'
import { systemClock } from '../base/clock.ts'
import type { GlobalOptions } from './frame/context.ts'
import type { Surroundings } from './run.ts'

export async function realSurroundings(options: GlobalOptions): Promise<Surroundings> {
  const warned = new Set<string>()
  return {
    clock: systemClock,
    environment: process.env,
    uniqueId: randomUUID,
    config: async (mode, more = {}) => {
      const { loadConfig } = await import('../config/read-config.ts')
      const config = loadConfig({ mode, definitions: { ...options.definitions, ...more }, environment: process.env })
      const typed = config.warnings.filter(
        (warning) => mode === 'client' && warning.startsWith('-D') && !warned.has(warning),
      )
      for (const warning of typed) process.stderr.write(`skein: warning: ${warning}\n`)
      for (const warning of typed) warned.add(warning)
      return config
    },
    connect: async (config) => (await import('../client/connect.ts')).connectCluster(config),
  }
}
