// Why: the process that worker-kills.test.ts kills: a whole cache worker with both planes, and a
// master that agrees with everything.
//   node worker-child.ts <folder>
import { writeSync } from 'node:fs'
import { systemClock, systemRandom } from '../../../src/base/clock.ts'
import { BlockChanges } from '../../../src/cache-worker/blocks/block-changes.ts'
import { createCacheWorker } from '../../../src/cache-worker/cache-worker.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { startDataServer } from '../../../src/wire/data/data-server.ts'
import { WorkerServiceDefinition } from '../../../src/wire/generated/worker.ts'
import { serving, startServer } from '../../../src/wire/rpc/server.ts'
import { FakeStore } from '../../unit/job-worker/support/fakes.ts'
import { etag, lengthOf, openTorture, tortureBlocks } from './worker-house.ts'

const [folder = ''] = process.argv.slice(2)
const changes = new BlockChanges()
const parts = { clock: systemClock, logger: silentLogger, metrics: new MetricRegistry() }
const store = await openTorture(folder, { ...parts, events: changes }, true)
const beneath = new FakeStore()
for (let blockId = 0; blockId < tortureBlocks; blockId += 1) beneath.put(`torture/${blockId}`, etag, lengthOf(blockId))
const worker = await createCacheWorker({
  ...parts,
  workerId: 'torture',
  hostname: 'torture-host',
  home: folder,
  store,
  changes,
  master: {
    registerWorker: async () => ({ session: 'only' }),
    reportBlocks: async () => ({ unknown: [], release: [], pinned: [] }),
    workerHeartbeat: async () => ({
      freeBlocks: [],
      copyBlocks: [],
      releaseBlocks: [],
      pinBlocks: [],
      unpinBlocks: [],
      runningLoads: { ids: [] },
    }),
  },
  openStore: async () => beneath,
  random: systemRandom,
  options: { heartbeatMs: 20, sweepMs: 100, reservationMs: 4000 },
})
const listening = { host: '127.0.0.1', port: 0, logger: silentLogger, clock: systemClock }
const data = await startDataServer({ ...listening, handlers: worker.dataHandlers })
const rpc = await startServer({ ...listening, services: [serving(WorkerServiceDefinition, worker.workerService)] })
worker.start({ rpcAddress: rpc.address, dataAddress: data.address, webAddress: '' }, new AbortController().signal)
const directories = store.usage().map(({ path }) => path)
writeSync(1, `${JSON.stringify({ ready: true, rpcAddress: rpc.address, dataAddress: data.address, directories })}\n`)
