// Why: each test of the master's service starts one over a temp directory and can start it again.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCacheMaster, type CacheMaster } from '../../../src/cache-master/master-service.ts'
import type { MasterOptions } from '../../../src/cache-master/master-context.ts'
import type { StoreAccess } from '../../../src/cache-master/store-pool.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
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
  #master: CacheMaster | undefined

  private constructor(home: string, options: Partial<MasterOptions>) {
    this.home = home
    this.options = {
      blockSizeBytesDefault: 4,
      workerLostMs: 10_000,
      metadataSyncIntervalMs: -1,
      version: '1',
      webPort: 9201,
      rpcPort: 9200,
      address: () => '127.0.0.1:9200',
      checkpointEntries: 1000,
      checkpointBytes: 2 ** 26,
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
    this.#master = await createCacheMaster({
      home: this.home,
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
      metrics: new MetricRegistry(),
      options: this.options,
      signal: call.signal,
    })
  }

  store(uri: string): FakeStore {
    const store = this.stores.get(uri) ?? new FakeStore()
    this.stores.set(uri, store)
    return store
  }

  async create(name = 'ns', uri = 's3://bucket'): Promise<FakeStore> {
    await this.service.createNamespace({ name, uri, secrets: {}, attributes: {} }, call)
    return this.store(uri)
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
