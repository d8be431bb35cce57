// Why: converts settings to the typed configuration, and checks the rules between keys. Pure: the
// facts about the machine are passed in.
import { resolve as resolvePath } from 'node:path'
import { type Bandwidth, parseBandwidth } from '../base/flow/bandwidth.ts'
import { toSkeinError } from '../base/errors.ts'
import { isLoopback } from '../base/loopback.ts'
import { forMode } from './audience.ts'
import type {
  Config,
  ConfigMode,
  JobMasterConfig,
  JobWorkerConfig,
  Listen,
  LoadConfig,
  MasterConfig,
  UfsConfig,
  WorkerConfig,
} from './config.ts'
import { mergeSettings, type Setting, settingError } from './layers.ts'
import { definitionOf } from './keys/schema.ts'
import { resolveTiers } from './tiers.ts'
import { fuseOf } from './fuse-config.ts'
import { gatewayOf } from './gateway-config.ts'
import { userOf } from './user-config.ts'
import { tuningValuesOf } from './configured-tuning.ts'
import { tuningLimitsOf } from './tuning-limits.ts'
import { brokenRules, tuningWarning } from './tuning-rules.ts'
import { fileRootsOf, rootOf } from './root-config.ts'
import { type UsableKey, Values } from './values.ts'

/** The facts about the machine on which defaults depend. */
export interface Machine {
  readonly homeDirectory: string
  readonly hostname: string
  readonly cpus: number
  readonly cwd: string
  /** Undefined: unknown. */
  readonly memoryBytes?: number
  /** Resolves the symbolic links of a path, as far as it exists. Default: unchanged. */
  readonly realPath?: (path: string) => string
}

/**
 * Resolves settings in ascending order of precedence.
 * @throws SkeinError invalid_argument with the source and the key
 */
export function resolveConfig(
  settings: readonly Setting[],
  mode: ConfigMode,
  machine: Machine,
  passedOver: readonly string[] = [],
): Config {
  const given = mergeSettings(settings)
  const { effective: merged, warnings: misplaced } = forMode(given, mode)
  // Settings without effect must be valid, too.
  if (misplaced.length > 0) void new Values(given, mode)
  const values = new Values(merged, mode)
  const home = homeOf(values.text('skein.home'), machine)
  const config: Config = {
    mode,
    home,
    memory: {
      semiSpaceBytes: values.amount('skein.memory.young.generation'),
      heapGrowthPercent: values.amount('skein.memory.heap.growth'),
      idleCollectMs: values.amount('skein.memory.idle.collect'),
      mallocArenas: values.amount('skein.memory.malloc.arenas'),
      mallocMmapBytes: values.amount('skein.memory.malloc.mmap.threshold'),
    },
    logLevel: values.word('skein.log.level') as Config['logLevel'],
    rpcDeadlineMs: values.amount('skein.rpc.deadline'),
    goosefsAuthentication: values.word('goosefs.security.authentication.type') as Config['goosefsAuthentication'],
    httpHostNames: values.words('skein.http.host.names') ?? [],
    rpcPort: {
      connectionsMax: values.amount('skein.rpc.connections.max'),
      peerConnectionsMax: values.amount('skein.rpc.peer.connections.max'),
      callsMax: values.amount('skein.rpc.calls.max'),
      requestBytesMax: values.amount('skein.rpc.request.buffers'),
      sessionBytesMax: values.amount('skein.rpc.session.memory'),
      headerBytesMax: values.amount('skein.rpc.header.bytes.max'),
      pingsPerSecondMax: values.amount('skein.rpc.pings.max'),
      idleMs: values.amount('skein.rpc.connection.idle.timeout'),
      ageMaxMs: values.amount('skein.rpc.connection.age.max'),
    },
    shutdownTimeoutMs: values.amount('skein.shutdown.timeout'),
    heartbeatIntervalMs: values.amount('skein.heartbeat.interval'),
    journal: {
      segmentBytes: values.amount('skein.journal.segment.size'),
      masterSkip: values.amount('skein.master.journal.skip'),
      jobMasterSkip: values.amount('skein.job.master.journal.skip'),
    },
    queue: queueOf(values, mode),
    master: masterOf(values, home, machine, mode),
    worker: workerOf(values, home, machine, mode),
    jobMaster: jobMasterOf(values, machine),
    jobWorker: jobWorkerOf(values, machine),
    gateway: gatewayOf(values, machine.hostname, (path) => resolvePath(machine.cwd, path)),
    fuse: fuseOf(values),
    ufs: ufsOf(values, home, machine, mode),
    user: userOf(values, (path) => resolvePath(machine.cwd, path)),
    load: loadOf(values),
    sources: new Map([...merged].map(([key, { layer, where }]) => [key, { layer, where }])),
    machine: { cpus: machine.cpus, memoryBytes: machine.memoryBytes },
    brokenRules: [],
    warnings: [...passedOver, ...misplaced, ...warningsOf(merged, values)],
  }
  const broken = brokenRules(tuningValuesOf(config, machine.memoryBytes), (key) => merged.has(key))
  const refused = broken.find(({ rule }) => rule.refusesStart === true)
  if (mode !== 'check' && refused !== undefined) {
    const set = [refused.key, ...refused.rule.keys].find((key) => merged.has(key)) ?? refused.key
    throw settingError(merged.get(set), refused.key, refused.problem)
  }
  const warnings = mode === 'client' ? [] : broken.map(tuningWarning)
  return deepFreeze({ ...config, brokenRules: broken, warnings: [...config.warnings, ...warnings] })
}

/** The home directory as an absolute path. `~` is the user's home. */
export function homeOf(text: string | undefined, machine: Machine): string {
  return resolvePath(machine.cwd, (text ?? '~/.skein').replace(/^~(?=\/|$)/, machine.homeDirectory))
}

function listenOf(values: Values, role: 'master' | 'worker' | 'job.master' | 'job.worker', hostname: string): Listen {
  const bindKey: UsableKey = `skein.${role}.bind.host`
  const bindHost = values.word(bindKey)
  if (!isLoopback(bindHost) && !values.flag('skein.security.allowInsecureBind')) {
    throw values.error(
      bindKey,
      `'${bindHost}' is reachable from other machines without credentials; ` +
        'set skein.security.allowInsecureBind=true only on a network that you alone use',
    )
  }
  return {
    bindHost,
    reachHost: isLoopback(bindHost) ? bindHost : hostname,
    rpcPort: values.amount(`goosefs.${role}.rpc.port`),
    webPort: values.amount(`goosefs.${role}.web.port`),
  }
}

function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function masterOf(values: Values, home: string, machine: Machine, mode: ConfigMode): MasterConfig {
  const given = values.given('goosefs.master.hostname')
  const hostname = values.word('goosefs.master.hostname')
  const listed = given ? undefined : values.words('goosefs.master.rpc.addresses')
  const addresses = listed ?? [hostPort(hostname, values.amount('goosefs.master.rpc.port'))]
  const wrong = addresses.find((address) => !/^(\[[^\]]+\]|[^:\s]+):\d{1,5}$/.test(address))
  if (wrong !== undefined) throw values.error('goosefs.master.rpc.addresses', `'${wrong}' is not host:port`)
  const restoreFrom = values.text('skein.master.restore.from')
  return {
    ...listenOf(values, 'master', given ? hostname : machine.hostname),
    root: rootOf(values, home, mode),
    address: addresses[0] ?? '',
    addresses,
    secretKeyFile: resolvePath(home, values.text('skein.master.secret.key.file') ?? 'master/secret.key'),
    isSecretKeyLost: values.flag('skein.master.secret.key.lost'),
    restoreFrom: restoreFrom === undefined ? undefined : resolvePath(machine.cwd, restoreFrom),
    unfinishedFilesMax: values.amount('skein.master.unfinished.files.max'),
    unfinishedFileMs: values.amount('skein.master.unfinished.file.timeout'),
    ttlCheckerIntervalMs: values.amount('goosefs.master.ttl.checker.interval'),
    replicationGraceMs: values.amount('skein.master.replication.grace'),
    replicationIntervalMs: values.amount('skein.master.replication.interval'),
    workerLostTimeoutMs: above(values, 'skein.worker.lost.timeout', 'skein.heartbeat.interval'),
  }
}

function workerOf(values: Values, home: string, machine: Machine, mode: ConfigMode): WorkerConfig {
  const hostname = values.text('goosefs.worker.hostname') ?? machine.hostname
  return {
    ...listenOf(values, 'worker', hostname),
    hostname,
    dataPort: values.amount('goosefs.worker.data.port'),
    // The disks of a client are not those of the workers.
    tiers: resolveTiers(values, home, (mode === 'client' ? undefined : machine.realPath) ?? ((path) => path)),
    freeAheadBytes: values.amount('goosefs.worker.tieredstore.free.ahead.bytes'),
    promotionBytesPerSecond: values.amount('skein.worker.promotion.rate'),
    scrubBytesPerSecond: values.amount('skein.worker.scrub.rate'),
    annotator: values.word('goosefs.worker.block.annotator.class').endsWith('LRFUAnnotator') ? 'LRFU' : 'LRU',
    lrfuStepFactor: values.amount('goosefs.worker.block.annotator.lrfu.step.factor'),
    lrfuAttenuationFactor: values.amount('goosefs.worker.block.annotator.lrfu.attenuation.factor'),
    readerBufferBytes: values.amount('goosefs.worker.network.reader.buffer.size'),
    blockReadersMax: values.amount('goosefs.worker.network.block.reader.threads.max'),
    segmentBlockBytesMax: values.amount('skein.worker.segment.block.bytes.max'),
    segmentBytes: values.amount('skein.worker.segment.bytes'),
    reservationTimeoutMs: values.amount('skein.worker.reservation.timeout'),
    storeReadBytesMax: values.amount('skein.worker.store.read.buffers'),
    data: {
      peerConnectionsMax: values.amount('skein.worker.data.peer.connections.max'),
      pipelineMax: values.amount('skein.worker.data.pipeline.max'),
      framesMax: values.amount('skein.worker.data.frames.max'),
      smallBytesMax: values.amount('skein.worker.data.small.buffers'),
      writeBytesMax: values.amount('skein.worker.data.write.buffers'),
      readBuffersBytesMax: values.amount('skein.worker.data.read.buffers'),
      leastBytesPerSecond: values.amount('skein.worker.data.least.rate'),
      stallMs: values.amount('skein.worker.data.stall.timeout'),
    },
  }
}

function jobMasterOf(values: Values, machine: Machine): JobMasterConfig {
  return {
    ...listenOf(values, 'job.master', values.text('goosefs.job.master.hostname') ?? machine.hostname),
    jobWorkerLostTimeoutMs: above(values, 'skein.job.worker.lost.timeout', 'skein.heartbeat.interval'),
  }
}

function jobWorkerOf(values: Values, machine: Machine): JobWorkerConfig {
  const hostname = values.text('goosefs.worker.hostname') ?? machine.hostname
  const activeTasksMax = values.number('goosefs.job.worker.max.active.task.num') ?? 2 * readsMaxOf(values, machine)
  const cpuTasksMax = values.number('goosefs.job.worker.threadpool.size') ?? Math.min(10, activeTasksMax)
  return {
    ...listenOf(values, 'job.worker', hostname),
    hostname,
    activeTasksMax,
    cpuTasksMax,
    readBudgetBytes: values.amount('skein.job.worker.read.budget'),
    tuning: tuningLimitsOf(values, { reads: readsMaxOf(values, machine), activeTasksMax, cpuTasksMax }),
    blockStreamsMax: values.amount('goosefs.user.block.worker.client.pool.max'),
  }
}

function readsMaxOf(values: Values, machine: Machine): number {
  return values.number('fs.cosn.upload_thread_pool') ?? 3 * Math.max(1, machine.cpus)
}

function ufsOf(values: Values, home: string, machine: Machine, mode: ConfigMode): UfsConfig {
  const trafficLimit = values.amount('fs.cosn.traffic.limit')
  return {
    allowPrivateEndpoints: values.flag('skein.ufs.allowPrivateEndpoints'),
    fileRoots: fileRootsOf(values, rootOf(values, home, mode)),
    proxy: {
      host: values.text('fs.cosn.http.proxy.ip'),
      port: values.number('fs.cosn.http.proxy.port'),
      user: values.text('fs.cosn.http.proxy.username'),
      password: values.secret('fs.cosn.http.proxy.password'),
      http: values.secret('skein.ufs.http.proxy'),
      https: values.secret('skein.ufs.https.proxy'),
      except: values.text('skein.ufs.no.proxy'),
    },
    cosn: {
      blockSizeBytes: values.amount(
        values.given('fs.cosn.block.size') ? 'fs.cosn.block.size' : 'goosefs.user.block.size.bytes.default',
      ),
      readAheadBlockBytes: values.amount('fs.cosn.read.ahead.block.size'),
      readAheadQueueSize: values.amount('fs.cosn.read.ahead.queue.size'),
      uploadThreadPool: readsMaxOf(values, machine),
      maxRetries: values.amount('fs.cosn.maxRetries'),
      socketTimeoutMs: values.amount('fs.cosn.client.socket.timeoutsec'),
      connectionTimeoutMs: values.amount('fs.cosn.connection.timeout'),
      connectionsMax: values.amount('fs.cosn.max.connection.num'),
      useHttps: values.flag('fs.cosn.useHttps'),
      region: values.text('fs.cosn.bucket.region'),
      endpointSuffix: values.text('fs.cosn.bucket.endpoint_suffix'),
      trafficLimitBitsPerSecond: trafficLimit > 0 ? trafficLimit : undefined,
      leastBytesPerSecond: values.amount('skein.ufs.read.rate.min'),
      secretId: values.secret('fs.cosn.userinfo.secretId'),
      secretKey: values.secret('fs.cosn.userinfo.secretKey'),
      sessionToken: values.secret('fs.cosn.userinfo.sessionToken'),
    },
  }
}

function loadOf(values: Values): LoadConfig {
  return {
    prices: {
      getPer10k: values.number('skein.price.get.per10k'),
      listPer10k: values.number('skein.price.list.per10k'),
      egressPerGb: values.number('skein.price.egress.per.gb'),
      currency: values.word('skein.price.currency'),
    },
    activeJobs: values.amount('skein.load.active.jobs'),
    batchFiles: values.amount('skein.load.batch.files'),
    batchBytes: values.amount('skein.load.batch.bytes'),
    taskBytes: values.amount('skein.load.task.bytes'),
    placementPolicy: values.word('skein.placement.policy') === 'ring' ? 'ring' : 'rendezvous',
    windowTasks: values.amount('skein.load.window.tasks'),
    windowBytes: values.amount('skein.load.window.bytes'),
    listingPageSize: values.amount('skein.load.listing.page.size'),
    plannedFilesMax: values.amount('skein.load.planned.files.max'),
    listingWaitMs: values.amount('skein.load.listing.wait'),
    attemptsMax: values.amount('skein.load.attempts.max'),
    retryInitialMs: values.amount('skein.load.retry.initial'),
    retryMaxMs: above(values, 'skein.load.retry.max', 'skein.load.retry.initial'),
    repairRoundsMax: values.amount('skein.load.repair.rounds.max'),
    stallTimeoutMs: values.amount('skein.load.stall.timeout'),
    historyMax: values.amount('skein.load.history.max'),
    historyFilesMax: values.amount('skein.load.history.files'),
    historyAgeMs: values.amount('skein.load.history.age'),
    bandwidth: bandwidthOf(values),
  }
}

function bandwidthOf(values: Values): Bandwidth {
  const key = 'skein.load.bandwidth'
  try {
    return parseBandwidth(values.text(key) ?? '', '')
  } catch (thrown) {
    throw values.error(key, toSkeinError(thrown).message.trim())
  }
}

function queueOf(values: Values, mode: ConfigMode): Config['queue'] {
  const url = values.word('skein.queue.url')
  if (url !== 'inprocess:' && !(/^rediss?:\/\//.test(url) && URL.canParse(url))) {
    throw values.error('skein.queue.url', 'must be inprocess: or a redis:// or rediss:// address')
  }
  if (url === 'inprocess:' && mode === 'role')
    throw values.error('skein.queue.url', 'inprocess: works only under `skein local`; set a redis:// address')
  return { url, connectTimeoutMs: values.amount('skein.queue.connect.timeout') }
}

/** The value of `key`, which must be at least that of `floor`. */
function above(values: Values, key: UsableKey, floor: UsableKey): number {
  const value = values.amount(key)
  if (value >= values.amount(floor)) return value
  throw values.given(key)
    ? values.error(key, `must not be below ${floor}`)
    : values.error(floor, `must not be above ${key}`)
}

function warningsOf(merged: ReadonlyMap<string, Setting>, values: Values): string[] {
  const warnings: string[] = []
  const levels = values.amount('goosefs.worker.tieredstore.levels')
  for (const [key, { where }] of merged) {
    const definition = definitionOf(key)
    const level = Number(/tieredstore\.level(\d+)\./.exec(key)?.[1] ?? -1)
    if (definition?.unused === true) warnings.push(`${where}: ${key} has no effect in Skein (${definition.doc})`)
    if (level >= levels)
      warnings.push(`${where}: ${key} has no effect, because goosefs.worker.tieredstore.levels is ${levels}`)
  }
  const quota: UsableKey = 'goosefs.worker.tieredstore.level0.dirs.quota'
  for (const key of ['goosefs.worker.ramdisk.size', 'goosefs.worker.memory.size'] as const) {
    if (values.given(key) && values.given(quota))
      warnings.push(`${merged.get(key)?.where}: ${key} has no effect, because ${quota} is set`)
  }
  return warnings
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null && !Object.isFrozen(inner)) deepFreeze(inner as object)
  }
  return Object.freeze(value)
}
