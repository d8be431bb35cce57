// Why: programs in TypeScript or JavaScript connect to a cluster in the same way as the command
// line. How: the exports of `import { connect } from 'skein'`. Configuration uses the same keys and
// files.
import { SkeinError } from '../base/errors.ts'
import { loadConfig } from '../config/read-config.ts'
import { connectCluster } from './connect.ts'
import type { FileSystem } from './file-system.ts'
import { checkOptions } from './given-options.ts'

export interface ConnectOptions {
  /** `host:port` of the master. Default: from `home` or the configuration. */
  readonly master?: string
  /** The directory of `skein local`, or one with conf/goosefs-site.properties. Default: ~/.skein */
  readonly home?: string
  /** More configuration keys, like `-D` on the command line. */
  readonly properties?: Readonly<Record<string, string>>
}

/**
 * Returns the file system of a cluster. Connects at the first call; `close` closes the handles and
 * the connections.
 * @throws SkeinError invalid_argument for an unknown key or an invalid value
 */
export function connect(options: ConnectOptions = {}): FileSystem {
  if (typeof Promise.withResolvers !== 'function')
    throw new SkeinError('failed_precondition', `skein needs Node 22.18 or later, not ${process.version}`)
  checkOptions('connect', options)
  const { master, home, properties = {} } = options
  const definitions = { ...properties, ...(home !== undefined && { 'skein.home': home }) }
  const environment = master === undefined ? {} : { SKEIN_MASTER: master }
  return connectCluster(loadConfig({ mode: 'client', definitions, environment })).files
}

export { isSkeinError, SkeinError } from '../base/errors.ts'
export type {
  AttributeChanges,
  BlockLocation,
  CallSignal,
  CreateOptions,
  DeleteOptions,
  FileHandle,
  FileOutput,
  FileOwnership,
  FileRange,
  FileStatus,
  FileSystem,
  ListOptions,
  ObjectMetadata,
  RenameOptions,
  StatOptions,
  UnusableEntries,
} from './file-system.ts'
