// Why: each test of the master's service starts one over a temp directory and can start it again.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCacheMaster, type CacheMaster } from '../../../../src/cache-master/master.ts'
import type { MasterOptions } from '../../../../src/cache-master/master-context.ts'
import type { StoreAccess } from '../../../../src/cache-master/state/store-pool.ts'
import { createLogger } from '../../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../../src/telemetry/registry.ts'
import { blockCount, blockIdOf } from '../../../../src/base/block-id.ts'
import { SkeinError } from '../../../../src/base/errors.ts'
import type {
  FinishUploadRequest,
  PersistFileRequest,
  PersistFileResponse,
} from '../../../../src/wire/generated/lifecycle.ts'
import type { FileInfo } from '../../../../src/wire/generated/master.ts'
import { FakeClock, FakeStore, MemoryJournal } from './fakes.ts'

export const call = { signal: new AbortController().signal }

export class MasterFixture {
  readonly home: string
  readonly clock = new FakeClock()
  readonly journal = new MemoryJournal()
  readonly stores = new Map<string, FakeStore>()
  readonly accesses: StoreAccess[] = []
  readonly logs: string[] = []
  readonly options: MasterOptions
  /** Of the master that runs. */
  metrics = new MetricRegistry()
  /** Of the next start. */
  isSecretKeyLost = false
  #master: CacheMaster | undefined

  private constructor(home: string, options: Partial<MasterOptions>) {
    this.home = home
    this.options = {
      blockSizeBytesDefault: 4,
      workerLostMs: 10_000,
      metadataSyncIntervalMs: -1,
      ttlCheckIntervalMs: 1000,
      unfinishedFileMs: 86_400_000,
      unfinishedFilesMax: 1000,
      version: '1',
      webPort: 9201,
      rpcPort: 9200,
      address: () => '127.0.0.1:9200',
      checkpointEntries: 1000,
      checkpointBytes: 2 ** 26,
      // Its clock stands still.
      definitionLeaseMs: 0,
      cutOffWriteMs: 0,
      ...options,
    }
  }

  static async open(options: Partial<MasterOptions> = {}): Promise<MasterFixture> {
    const fixture = new MasterFixture(await mkdtemp(join(tmpdir(), 'skein-master-')), options)
    await fixture.start()
    return fixture
  }

  get master(): CacheMaster {
    if (this.#master === undefined) throw new Error('not started')
    return this.#master
  }

  get service(): CacheMaster['service'] {
    return this.master.service
  }

  async start(): Promise<void> {
    this.metrics = new MetricRegistry()
    this.#master = await createCacheMaster({
      home: this.home,
      isSecretKeyLost: this.isSecretKeyLost,
      journal: this.journal,
      openStore: (access) => {
        this.accesses.push(access)
        return this.store(access.uri)
      },
      clock: this.clock,
      logger: createLogger(
        'debug',
        (line) => this.logs.push(line),
        () => 0,
      ),
      metrics: this.metrics,
      persistOn: (address) => ({
        persistFile: (request) => this.persist(address, request),
        finishUpload: (request) => this.finishUpload({ ...request, on: address }),
        abandonUpload: async ({ fileId }) => {
          this.abandonedUploads.push(fileId)
          return {}
        },
      }),
      options: this.options,
      signal: call.signal,
    })
  }

  store(uri: string): FakeStore {
    const store = this.stores.get(uri) ?? new FakeStore()
    this.stores.set(uri, store)
    return store
  }

  get lifecycle(): CacheMaster['lifecycle'] {
    return this.master.lifecycle
  }

  /** What workers were asked to finish and to give up, and how they finish it. */
  readonly finishes: (FinishUploadRequest & { readonly on: string })[] = []
  readonly abandonedUploads: number[] = []
  finishUpload = async (request: FinishUploadRequest & { readonly on: string }): Promise<PersistFileResponse> => {
    this.finishes.push(request)
    const { uri } = (await this.service.listNamespaces({}, call)).namespaces.find(
      (one) => one.namespaceId === request.namespaceId,
    )!
    this.store(uri).put(request.key, { length: request.length, etag: 'uploaded', modifiedMs: 88 })
    return { etag: 'uploaded', modifiedMs: 88 }
  }

  /** What workers were asked to persist, and how they do it. */
  readonly persists: (PersistFileRequest & { readonly on: string })[] = []
  persistFailure: Error | undefined

  async persist(on: string, request: PersistFileRequest): Promise<PersistFileResponse> {
    this.persists.push({ ...request, on })
    if (this.persistFailure !== undefined) throw this.persistFailure
    const { uri } = (await this.service.listNamespaces({}, call)).namespaces.find(
      (one) => one.namespaceId === request.namespaceId,
    ) ?? {
      uri: '',
    }
    const store = this.store(uri)
    const { key, length, overwrite, replacedEtag } = request
    const etag = overwrite ? `p-${key}-${request.fileId}` : `p-${key}`
    const there = store.objects.get(key)?.etag
    if (overwrite && there !== undefined && there !== replacedEtag && there !== etag)
      throw new SkeinError('aborted', `${key} is another version`, { reason: 'object_changed', retryable: false })
    store.put(key, { length, etag, modifiedMs: 77 })
    return { etag, modifiedMs: 77 }
  }

  async create(name = 'ns', uri = 's3://bucket', attributes: Record<string, string> = {}): Promise<FakeStore> {
    await this.service.createNamespace({ name, uri, secrets: {}, attributes }, call)
    return this.store(uri)
  }

  /**
   * Registers a worker with room for 100 bytes that has reported these blocks. @returns its session
   */
  async worker(workerId: string, blocks: readonly number[] = [], usedBytes = 0): Promise<string> {
    const directories = [{ path: '/d', tier: 'MEM', mediumType: 'MEM', quotaBytes: 100, usedBytes }]
    const addresses = { rpcAddress: `${workerId}:1`, dataAddress: `${workerId}:2`, webAddress: '' }
    const { session } = await this.service.registerWorker(
      { workerId, hostname: workerId, ...addresses, directories },
      call,
    )
    await this.report(workerId, session, blocks)
    return session
  }

  /** @returns the blocks that the master does not know */
  async report(workerId: string, session: string, added: readonly number[]): Promise<number[]> {
    const request = { workerId, session, added: [...added], removed: [], fullReportEnd: true, directories: [] }
    return (await this.service.reportBlocks(request, call)).unknown
  }

  /** Writes a file whose blocks a worker of its own has. @returns its id */
  async write(path: string, length: number, overwrite = false): Promise<number> {
    const fileId = await this.begin(path, length, overwrite)
    await this.lifecycle.completeFile({ fileId, length }, call)
    return fileId
  }

  /** The same, but for completing it. */
  async begin(path: string, length: number, overwrite = false): Promise<number> {
    const { fileId, blockSizeBytes } = await this.lifecycle.createFile(
      { path, blockSizeBytes: 0, requestKey: '', overwrite },
      call,
    )
    const blocks = Array.from({ length: blockCount(length, blockSizeBytes) }, (_, index) => blockIdOf(fileId, index))
    await this.worker(`w-${fileId}`, blocks)
    return fileId
  }

  stat(path: string): Promise<FileInfo> {
    return this.service.getStatus({ path }, call)
  }

  /** The keys of all files and directories of a namespace. */
  async keys(path = '/ns'): Promise<string[]> {
    return (await this.service.listStatus({ path, recursive: true, pageToken: '', limit: 0 }, call)).files.map(
      ({ key }) => key,
    )
  }

  /** Runs the master's background work until `done` holds. */
  async until(done: () => Promise<boolean> | boolean): Promise<void> {
    const stop = new AbortController()
    this.master.start(stop.signal)
    try {
      for (let looks = 0; !(await done()); looks += 1) {
        if (looks > 2000) throw new Error('it did not come to that')
        await new Promise((resolve) => setImmediate(resolve))
      }
    } finally {
      stop.abort()
    }
  }

  async restart(): Promise<void> {
    await this.#master?.close()
    await this.start()
  }

  async close(): Promise<void> {
    await this.#master?.close()
    await rm(this.home, { recursive: true, force: true })
  }
}
