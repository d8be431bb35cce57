// Why: a program in TypeScript or JavaScript connects to a cluster as the command line does. How:
// this is what `import { connect } from 'skein'` gives; configuration comes from the same keys and
// files.
import { loadConfig } from '../config/read-config.ts'
import { connectCluster } from './connect.ts'
import type { Cluster } from './file-system.ts'

export interface ConnectOptions {
  /** `host:port` of the master. Default: what `home` or the configuration says. */
  readonly master?: string
  /** The directory of `skein local`, or one with conf/goosefs-site.properties. Default: ~/.skein */
  readonly home?: string
  /** Further keys, as with `-D` on the command line. */
  readonly properties?: Readonly<Record<string, string>>
}

/**
 * A cluster to read from, write to and call. Nothing is connected before the first call; `close`
 * ends the connections.
 * @throws SkeinError invalid_argument for a key or value that is not valid
 */
export function connect({ master, home, properties = {} }: ConnectOptions = {}): Cluster {
  const definitions = { ...properties, ...(home !== undefined && { 'skein.home': home }) }
  const environment = master === undefined ? {} : { SKEIN_MASTER: master }
  return connectCluster(loadConfig({ mode: 'client', definitions, environment }))
}

export { isSkeinError, SkeinError } from '../base/errors.ts'
export type { Cluster } from './file-system.ts'
