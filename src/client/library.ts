// Why: programs in TypeScript or JavaScript connect to a cluster in the same way as the command
// line. How: the exports of `import { connect } from 'skein'`. Configuration uses the same keys and
// files.
import { SkeinError } from '../base/errors.ts'
import { loadConfig } from '../config/read-config.ts'
import { connectCluster } from './connect.ts'
import type { FileLoads } from './file-loads.ts'
import { checkOptions } from './given-options.ts'
import type { WholeFileSystem } from './upkeep/file-upkeep.ts'

export interface ConnectOptions {
  /** `host:port` of the master. Default: from `home` or the configuration. */
  readonly master?: string
  /** The directory of `skein local`, or one with conf/goosefs-site.properties. Default: ~/.skein */
  readonly home?: string
  /** More configuration keys, like `-D` on the command line. */
  readonly properties?: Readonly<Record<string, string>>
}

/** The files of a cluster, their upkeep, and the loads that fill its cache. */
export interface LoadingFileSystem extends WholeFileSystem, FileLoads {}

/**
 * Returns the file system of a cluster. Connects at the first call; `close` closes the handles and
 * the connections.
 * @throws SkeinError invalid_argument for an unknown key or an invalid value
 */
export function connect(options: ConnectOptions = {}): LoadingFileSystem {
  if (typeof Promise.withResolvers !== 'function')
    throw new SkeinError('failed_precondition', `skein needs Node 22.18 or later, not ${process.version}`)
  checkOptions('connect', options)
  const { master, home, properties = {} } = options
  const definitions = { ...properties, ...(home !== undefined && { 'skein.home': home }) }
  const environment = master === undefined ? {} : { SKEIN_MASTER: master }
  const { files, loads } = connectCluster(loadConfig({ mode: 'client', definitions, environment }))
  return Object.assign(files, {
    load: loads.load.bind(loads),
    follow: loads.follow.bind(loads),
    failedFiles: loads.failedFiles.bind(loads),
    cancelLoad: loads.cancelLoad.bind(loads),
  })
}

export { isSkeinError, SkeinError } from '../base/errors.ts'
export type { FailedFile, FileLoads, LoadOptions, LoadProgress } from './file-loads.ts'
export type {
  AttributeChanges,
  CallSignal,
  CreateOptions,
  DeletedEntries,
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
export type { BlockLocation, CacheUsage, PathSummary } from './status/amounts.ts'
export type {
  CheckedConsistency,
  FileDetails,
  FilePlacement,
  FileUpkeep,
  FreedFiles,
  LoadedMetadata,
  PersistedFiles,
} from './upkeep/file-upkeep.ts'
