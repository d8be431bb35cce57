// Why: what the composition roots and the command line see of the configuration: typed, frozen,
// units in the names. How: one group a role or concern; resolve.ts fills it in. Nothing else of the
// configuration is visible outside.
import type { Bandwidth } from '../base/flow/bandwidth.ts'
import type { Secret } from '../base/secret.ts'

/**
 * `local`: all roles in one process. `role`: one role. `client`: a command that talks to a running
 * cluster.
 */
export type ConfigMode = 'local' | 'role' | 'client'

/** Where a role listens. */
export interface Listen {
  readonly bindHost: string
  /**
   * What others are told to call: the bound address when it is loopback, else the configured or own
   * host name.
   */
  readonly reachHost: string
  readonly rpcPort: number
  readonly webPort: number
}

export interface TierDirectory {
  /** Absolute. */
  readonly path: string
  readonly mediumType: string
  readonly quotaBytes: number
}
export interface Tier {
  readonly alias: string
  readonly directories: readonly TierDirectory[]
  /** Undefined: no block goes from the tier ahead of need. */
  readonly watermarks: { readonly highRatio: number; readonly lowRatio: number } | undefined
}

export interface MasterConfig extends Listen {
  /** `host:port` that clients and roles call. */
  readonly address: string
  /** All of them, `address` first. */
  readonly addresses: readonly string[]
  readonly secretKeyFile: string
  readonly isSecretKeyLost: boolean
  /** A backup that a master without a state begins with. */
  readonly restoreFrom: string | undefined
  readonly ttlCheckerIntervalMs: number
  readonly unfinishedFilesMax: number
  readonly workerLostTimeoutMs: number
  readonly replicationGraceMs: number
  readonly replicationIntervalMs: number
}
export interface WorkerConfig extends Listen {
  /** Names the host: same name = same host. */
  readonly hostname: string
  readonly dataPort: number
  readonly tiers: readonly Tier[]
  readonly freeAheadBytes: number
  readonly promotionBytesPerSecond: number
  readonly scrubBytesPerSecond: number
  readonly annotator: 'LRU' | 'LRFU'
  readonly lrfuStepFactor: number
  readonly lrfuAttenuationFactor: number
  readonly readerBufferBytes: number
  readonly blockReadersMax: number
  /** 0: no segments. */
  readonly segmentBlockBytesMax: number
  readonly segmentBytes: number
  readonly reservationTimeoutMs: number
  readonly data: DataPortConfig
  /** Of all reads from stores for clients. */
  readonly storeReadBytesMax: number
}
/** What callers of an RPC port may hold. */
export interface RpcPortConfig {
  readonly connectionsMax: number
  readonly peerConnectionsMax: number
  readonly callsMax: number
  readonly requestBytesMax: number
  readonly sessionBytesMax: number
  readonly headerBytesMax: number
  readonly pingsPerSecondMax: number
  readonly idleMs: number
  readonly ageMaxMs: number
}
/** What clients of a data port may hold. */
export interface DataPortConfig {
  readonly peerConnectionsMax: number
  readonly pipelineMax: number
  readonly framesMax: number
  readonly smallBytesMax: number
  readonly writeBytesMax: number
  readonly readBuffersBytesMax: number
  readonly leastBytesPerSecond: number
  readonly stallMs: number
}
export interface JobMasterConfig extends Listen {
  readonly jobWorkerLostTimeoutMs: number
}
export interface JobWorkerConfig extends Listen {
  readonly hostname: string
  /** Tasks at once (goosefs.job.worker.max.active.task.num). */
  readonly activeTasksMax: number
  /** Of those, in their CPU-bound part at once. */
  readonly cpuTasksMax: number
  readonly readBudgetBytes: number
  readonly blockStreamsMax: number
}
/** What stands where a namespace says nothing else; the shape that ufs/ takes. */
export interface CosnConfig {
  readonly blockSizeBytes: number
  readonly readAheadBlockBytes: number
  readonly readAheadQueueSize: number
  /** Ranged reads in flight in one process. */
  readonly uploadThreadPool: number
  /** Attempts after the first. */
  readonly maxRetries: number
  readonly socketTimeoutMs: number
  readonly connectionTimeoutMs: number
  readonly connectionsMax: number
  readonly useHttps: boolean
  readonly region: string | undefined
  readonly endpointSuffix: string | undefined
  /** Of one request; undefined = none. */
  readonly trafficLimitBitsPerSecond: number | undefined
  /** Of an answer's body; 0 = any. */
  readonly leastBytesPerSecond: number
  readonly secretId: Secret | undefined
  readonly secretKey: Secret | undefined
  readonly sessionToken: Secret | undefined
}
/** The proxies on the way to stores, as they are spelled. */
export interface ProxyConfig {
  /** fs.cosn.http.proxy.*: for all stores. */
  readonly host: string | undefined
  readonly port: number | undefined
  readonly user: string | undefined
  readonly password: Secret | undefined
  /** HTTP_PROXY and HTTPS_PROXY, each by the scheme of the endpoint, and NO_PROXY. */
  readonly http: Secret | undefined
  readonly https: Secret | undefined
  readonly except: string | undefined
}
export interface UfsConfig {
  readonly allowPrivateEndpoints: boolean
  /** Absolute directories that `file://` namespaces may be in. */
  readonly fileRoots: readonly string[]
  readonly proxy: ProxyConfig
  readonly cosn: CosnConfig
}
/** For plans; undefined where nobody has said. */
export interface PriceConfig {
  readonly getPer10k: number | undefined
  readonly listPer10k: number | undefined
  readonly egressPerGb: number | undefined
  readonly currency: string
}
export interface LoadConfig {
  readonly prices: PriceConfig
  readonly activeJobs: number
  readonly batchFiles: number
  readonly batchBytes: number
  readonly taskBytes: number
  readonly windowTasks: number
  readonly windowBytes: number
  readonly listingPageSize: number
  readonly plannedFilesMax: number
  readonly listingWaitMs: number
  readonly attemptsMax: number
  readonly retryInitialMs: number
  readonly retryMaxMs: number
  readonly repairRoundsMax: number
  readonly stallTimeoutMs: number
  readonly historyMax: number
  readonly historyFilesMax: number
  /** -1: no limit. */
  readonly historyAgeMs: number
  /** What all loads together may read. */
  readonly bandwidth: Bandwidth
}

/** Of a role's process; 0 each: as Node and the C library have it. */
export interface MemoryConfig {
  readonly semiSpaceBytes: number
  readonly heapGrowthPercent: number
  /** 0: garbage is collected only when the heap grows. */
  readonly idleCollectMs: number
  readonly mallocArenas: number
  readonly mallocMmapBytes: number
}

export type ValueLayer = 'default' | 'profile' | 'file' | 'skein.json' | 'env' | 'flag'
export interface ValueSource {
  readonly layer: ValueLayer
  /** `file:line`, the environment variable, or `-D`. */
  readonly where: string
}

export interface Config {
  readonly mode: ConfigMode
  /** Absolute. */
  readonly home: string
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly rpcDeadlineMs: number
  readonly rpcPort: RpcPortConfig
  /** Names that requests to HTTP ports may be for, beside what a role knows of itself. */
  readonly httpHostNames: readonly string[]
  readonly shutdownTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly memory: MemoryConfig
  readonly journal: {
    readonly segmentBytes: number
    /** Entries to leave out where they cannot be applied; 0: none. */
    readonly masterSkip: number
    readonly jobMasterSkip: number
  }
  readonly queue: { readonly url: string; readonly connectTimeoutMs: number }
  readonly master: MasterConfig
  readonly worker: WorkerConfig
  readonly jobMaster: JobMasterConfig
  readonly jobWorker: JobWorkerConfig
  readonly ufs: UfsConfig
  readonly user: {
    readonly blockSizeBytes: number
    readonly createTtlAction: 'FREE' | 'DELETE'
    readonly metadataSyncIntervalMs: number
    readonly passiveCache: boolean
  }
  readonly load: LoadConfig
  /** Where each key that is not at its default came from. */
  readonly sources: ReadonlyMap<string, ValueSource>
  /**
   * One line each: keys that are accepted and have no effect, values that are read in another way
   * than written.
   */
  readonly warnings: readonly string[]
}
