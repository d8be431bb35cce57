// Why: the configuration as the composition roots and the command line see it: typed, frozen, with
// units in the names. How: one group per role or concern, filled in by resolve-config.ts. Nothing
// else of the configuration is visible outside.
import type { Bandwidth } from '../base/flow/bandwidth.ts'
import type { Secret } from '../base/secret.ts'
import type { BrokenRule } from './tuning-rules.ts'

/**
 * `local`: all roles in one process. `role`: one role. `client`: a command that calls a running
 * cluster. `check`: a role that is not started: rules that would refuse its start are reported.
 */
export type ConfigMode = 'local' | 'role' | 'client' | 'check'

/** The address on which a role listens. */
export interface Listen {
  readonly bindHost: string
  /**
   * The host name that others use: the bound address if it is loopback, otherwise the configured or
   * own host name.
   */
  readonly reachHost: string
  readonly rpcPort: number
  readonly webPort: number
}

export interface TierDirectory {
  /** An absolute path. */
  readonly path: string
  readonly mediumType: string
  readonly quotaBytes: number
}
export interface Tier {
  readonly alias: string
  readonly directories: readonly TierDirectory[]
  /** Undefined: no background eviction from the tier. */
  readonly watermarks: { readonly highRatio: number; readonly lowRatio: number } | undefined
}

export interface RootMountConfig {
  readonly uri: string
  /** The default of `skein local`: a directory in the home, which the role makes. */
  readonly directory: string | undefined
}

export interface MasterConfig extends Listen {
  /** What is mounted at `/`. Undefined: nothing, or what was mounted by a command. */
  readonly root: RootMountConfig | undefined
  /** `host:port` that clients and roles call. */
  readonly address: string
  /** All addresses; `address` is the first. */
  readonly addresses: readonly string[]
  readonly secretKeyFile: string
  readonly isSecretKeyLost: boolean
  /** A backup to restore into an empty home. */
  readonly restoreFrom: string | undefined
  readonly ttlCheckerIntervalMs: number
  readonly unfinishedFilesMax: number
  readonly unfinishedFileMs: number
  readonly workerLostTimeoutMs: number
  readonly replicationGraceMs: number
  readonly replicationIntervalMs: number
}
export interface WorkerConfig extends Listen {
  /** Identifies the host: equal names mean the same host. */
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
  /** 0: do not use segments. */
  readonly segmentBlockBytesMax: number
  readonly segmentBytes: number
  readonly reservationTimeoutMs: number
  readonly data: DataPortConfig
  /** Memory limit of all reads from stores for clients. */
  readonly storeReadBytesMax: number
}
/** Limits for the clients of an RPC port. */
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
/** Limits for the clients of a data port. */
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
/** The most that a load may use by itself. Each is at least the configured value. */
export interface TuningLimitsConfig {
  /** Range requests in flight. */
  readonly readsMax: number
  /** Small objects in flight. */
  readonly smallReadsMax: number
  readonly rangeBytesMax: number
  readonly tasksMax: number
  readonly streamsMax: number
}
export interface JobWorkerConfig extends Listen {
  readonly hostname: string
  /** Tasks that run at once (goosefs.job.worker.max.active.task.num). */
  readonly activeTasksMax: number
  /** Tasks that are in their CPU-bound part at once. */
  readonly cpuTasksMax: number
  readonly readBudgetBytes: number
  readonly blockStreamsMax: number
  /** Undefined: a load does not change settings by itself. */
  readonly tuning: TuningLimitsConfig | undefined
}
export interface GatewayConfig {
  /** Health and metrics. */
  readonly web: Listen
  /** Of all files that are being sent. */
  readonly readBuffersBytes: number
  /** A file of access keys. Undefined: the doors are on loopback and check no signature. */
  readonly credentialsFile: string | undefined
  /** Undefined: the door is shut. */
  readonly s3:
    | {
        readonly bindHost: string
        readonly reachHost: string
        readonly port: number
        readonly domains: readonly string[]
        readonly region: string
        readonly uploadExpiryMs: number
        /** 0: digests are computed on the thread of all requests. */
        readonly digestThreads: number
        readonly requestsMax: number
        readonly connectionsMax: number
        readonly idleMs: number
      }
    | undefined
  /** Undefined: the door is shut. */
  readonly webHdfs:
    | {
        readonly bindHost: string
        readonly port: number
        readonly requestsMax: number
        readonly connectionsMax: number
        readonly idleMs: number
      }
    | undefined
}

/** A mount (`skein fuse mount`). */
export interface FuseConfig {
  readonly attributeMs: number
  readonly entryMs: number
  readonly outageWaitMs: number
  readonly requestBytesMax: number
  readonly readAheadBytes: number
  readonly requestsMax: number
  readonly readers: number
  /** Infinity: no file is read directly unless its program asks for that. */
  readonly directBytesMin: number
  readonly allowOther: boolean
  readonly defaultPermissions: boolean
  readonly readOnly: boolean
  readonly nonEmpty: boolean
  /** Undefined: by the names of owners and groups. */
  readonly userId: number | undefined
  readonly groupId: number | undefined
  readonly umask: number
  /** -1: none. */
  readonly webPort: number
}
/** Defaults for namespaces, in the form that ufs/ expects. */
export interface CosnConfig {
  readonly blockSizeBytes: number
  readonly readAheadBlockBytes: number
  readonly readAheadQueueSize: number
  /** Range requests in flight per process. */
  readonly uploadThreadPool: number
  /** Attempts after the first. */
  readonly maxRetries: number
  readonly socketTimeoutMs: number
  readonly connectionTimeoutMs: number
  readonly connectionsMax: number
  readonly useHttps: boolean
  readonly region: string | undefined
  readonly endpointSuffix: string | undefined
  /** Per request. Undefined: no limit. */
  readonly trafficLimitBitsPerSecond: number | undefined
  /** Minimum rate of a response body; 0: no minimum. */
  readonly leastBytesPerSecond: number
  readonly secretId: Secret | undefined
  readonly secretKey: Secret | undefined
  readonly sessionToken: Secret | undefined
}
/** The proxies for stores, as unparsed text. */
export interface ProxyConfig {
  /** fs.cosn.http.proxy.*: the proxy for all stores. */
  readonly host: string | undefined
  readonly port: number | undefined
  readonly user: string | undefined
  readonly password: Secret | undefined
  /** HTTP_PROXY and HTTPS_PROXY, by the scheme of the endpoint, and NO_PROXY. */
  readonly http: Secret | undefined
  readonly https: Secret | undefined
  readonly except: string | undefined
}
export interface UfsConfig {
  readonly allowPrivateEndpoints: boolean
  /** Absolute directories that `file://` namespaces may use. */
  readonly fileRoots: readonly string[]
  readonly proxy: ProxyConfig
  readonly cosn: CosnConfig
}
/** For plans. Undefined: not set. */
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
  readonly placementPolicy: 'rendezvous' | 'ring'
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
  /** The limit of all loads together. */
  readonly bandwidth: Bandwidth
}

/** Memory settings of a role's process. 0: the default of Node.js or the C library. */
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
  /** An absolute path. */
  readonly home: string
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error'
  readonly rpcDeadlineMs: number
  readonly rpcPort: RpcPortConfig
  /** Of GooseFS's clients. */
  readonly goosefsAuthentication: 'NOSASL' | 'SIMPLE'
  /** Names to accept in the Host header of HTTP ports, in addition to the role's own. */
  readonly httpHostNames: readonly string[]
  readonly shutdownTimeoutMs: number
  readonly heartbeatIntervalMs: number
  readonly memory: MemoryConfig
  readonly journal: {
    readonly segmentBytes: number
    /** The number of a journal entry to skip if it cannot be applied; 0: none. */
    readonly masterSkip: number
    readonly jobMasterSkip: number
  }
  readonly queue: { readonly url: string; readonly connectTimeoutMs: number }
  readonly master: MasterConfig
  readonly worker: WorkerConfig
  readonly jobMaster: JobMasterConfig
  readonly jobWorker: JobWorkerConfig
  readonly gateway: GatewayConfig
  readonly fuse: FuseConfig
  readonly ufs: UfsConfig
  readonly user: {
    readonly blockSizeBytes: number
    readonly createTtlAction: 'FREE' | 'DELETE'
    readonly metadataSyncIntervalMs: number
    readonly passiveCache: boolean
    readonly openedFileAgeMs: number
    readonly readAheadBytes: number
    readonly writeKeptBytes: number
    /** 0: none are kept. */
    readonly smallBlockBytes: number
    /** Reading from stores without a worker. */
    readonly origin: { readonly fallback: boolean; readonly credentialsFile: string | undefined }
  }
  readonly load: LoadConfig
  /** The source of each key that is not at its default. */
  readonly sources: ReadonlyMap<string, ValueSource>
  /** On which defaults depend. Undefined: unknown. */
  readonly machine: { readonly cpus: number; readonly memoryBytes: number | undefined }
  /** Settings that do not fit together (tuning-rules.ts). */
  readonly brokenRules: readonly BrokenRule[]
  /**
   * One line each: keys that have no effect, and values that are interpreted differently than
   * written.
   */
  readonly warnings: readonly string[]
}
