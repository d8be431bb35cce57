// Why: the parts of the cache master's service share the same few things; they get them as one
// typed value.
import type { Clock } from '../base/clock.ts'
import { SkeinError } from '../base/errors.ts'
import type { BlockMap } from '../meta/block-map.ts'
import { formatPath } from '../base/paths.ts'
import { isRoot, namespaceById, namespaceByName, type Place, placeOfText } from '../meta/resolve-path.ts'
import type { NamespaceRecord, Tables } from '../meta/meta-tables.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import type { DefinitionHolders } from './workers/definition-holders.ts'
import type { PersistProblems } from './state/persist-problems.ts'
import type { Log, RecentChanges } from './state/recent-changes.ts'
import type { ReplicationOptions } from './replication/replication-checker.ts'
import type { SecretSealing } from './state/secret-sealing.ts'
import type { StorePool } from './state/store-pool.ts'
import type { WorkerRegistry } from './workers/worker-registry.ts'

export interface MasterOptions {
  /** Block size of new files where the namespace has no `fs.cosn.block.size`. */
  readonly blockSizeBytesDefault: number
  /** A worker that is silent for so long is lost. */
  readonly workerLostMs: number
  /** How long a listing holds: -1 for ever, 0 not at all. */
  readonly metadataSyncIntervalMs: number
  /** Between two checks of what TTLs end. */
  readonly ttlCheckIntervalMs: number
  /** A file that is being written and not complete by then is given up. */
  readonly unfinishedFileMs: number
  /** Files that may be in writing at once. */
  readonly unfinishedFilesMax: number
  readonly version: string
  readonly webPort: number
  readonly rpcPort: number
  /**
   * `host:port` where clients reach this master; asked when needed, since the port may be picked
   * late.
   */
  readonly address: () => string
  /** A checkpoint is made after so many commands or bytes of them. */
  readonly checkpointEntries: number
  readonly checkpointBytes: number
  readonly replication?: Partial<ReplicationOptions> | undefined
  /**
   * How long a role may go by a namespace's definition without asking again. Default:
   * definition-holders.ts.
   */
  readonly definitionLeaseMs?: number | undefined
  /** How long a write to a store that was cut off may still arrive. Default: cut-off-writes.ts. */
  readonly cutOffWriteMs?: number | undefined
}

export interface MasterContext {
  readonly tables: Tables
  readonly log: Log
  /** What is changed while a store is asked. */
  readonly changes: RecentChanges
  readonly blocks: BlockMap
  readonly workers: WorkerRegistry
  readonly stores: StorePool
  /** Who goes by the definitions of namespaces. */
  readonly holders: DefinitionHolders
  readonly sealing: SecretSealing
  /** Files that could not be written to their store. */
  readonly persistProblems: PersistProblems
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly options: MasterOptions
}

/**
 * @param name empty or `/` for the root mount, else with or without a slash before it
 * @throws SkeinError not_found when there is no namespace of this name
 */
export function namespaceNamed(context: MasterContext, name: string): NamespaceRecord {
  const bare = name.replace(/^\//, '')
  const record = namespaceByName(context.tables, bare)
  if (record !== undefined) return record
  const which = bare === '' ? 'the root mount' : `namespace '/${bare}'`
  throw new SkeinError('not_found', `${which} does not exist: list namespaces with 'skein ns ls'`)
}

/** Why `/` itself is refused. */
export const noRootMount = 'name a namespace, /namespace or /namespace/dir: there is no root mount'

/**
 * The place of a path that must be in a namespace or in the root mount.
 * @throws SkeinError invalid_argument (with `rootRefusal` for `/` without a root mount), not_found
 */
export function placeAt({ tables }: Pick<MasterContext, 'tables'>, path: string, rootRefusal: string): Place {
  const place = placeOfText(tables, path)
  if (place === undefined) throw new SkeinError('invalid_argument', rootRefusal)
  return place
}

/**
 * The places of a path for what is done to all namespaces at `/`: the root mount, and each
 * namespace. @throws SkeinError invalid_argument, not_found
 */
export function placesOf(context: MasterContext, path: string): Place[] {
  const place = placeOfText(context.tables, path)
  if (place !== undefined && !isRoot(place)) return [place]
  return sortedNamespaces(context).map((record) => ({ record, key: '' }))
}

/** The path of a place. */
export function pathOf({ name }: Pick<NamespaceRecord, 'name'>, key: string): string {
  return formatPath({ namespace: name, key })
}

/** The namespace as it is now. @throws SkeinError not_found when it was deleted meanwhile */
export function currentNamespace(context: MasterContext, { id, name }: NamespaceRecord): NamespaceRecord {
  const record = namespaceById(context.tables, id)
  if (record === undefined) throw new SkeinError('not_found', `namespace '/${name}' was deleted meanwhile`)
  return record
}

/** In the order of their names: the root mount is the first. */
export function sortedNamespaces(context: MasterContext): NamespaceRecord[] {
  return [...context.tables.namespaces()].sort((a, b) => (a.name < b.name ? -1 : 1))
}
