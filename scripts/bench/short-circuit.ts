// Why: what reading a block as a file is worth to a client on the worker's host. How: a worker in a
// process of its own with its real ports, and 1 GiB of blocks in it; this process reads all of them
// through the file reader, by the short circuit and over the data port in turn, in one run;
// medians. Everything is in the page cache: what is measured is the way, not the disk.
//
//   node scripts/bench/short-circuit.ts [--dir <folder>] [--mib 1024] [--block-mib 64] [--rounds 5]
import { fork } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { blockIdOf, fileIdOf } from '../../src/base/block-id.ts'
import { systemClock, systemRandom } from '../../src/base/clock.ts'
import { openTiers } from '../../src/block/assembly/open-tiers.ts'
import { createDataHandlers } from '../../src/cache-worker/data-handlers.ts'
import { createWorkerService } from '../../src/cache-worker/block-calls.ts'
import { FileReader } from '../../src/client/read/file-reader.ts'
import { ShortCircuitReader } from '../../src/client/read/short-circuit-reader.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../src/telemetry/registry.ts'
import { createClient } from '../../src/wire/rpc/channel.ts'
import { DataClient } from '../../src/wire/data/data-client.ts'
import { startDataServer } from '../../src/wire/data/data-server.ts'
import { FileInfo, OpenFileResponse, WorkerInfo } from '../../src/wire/generated/master.ts'
import { WorkerServiceDefinition } from '../../src/wire/generated/worker.ts'
import { serving, startServer } from '../../src/wire/rpc/server.ts'

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    mib: { type: 'string', default: '1024' },
    'block-mib': { type: 'string', default: '64' },
    rounds: { type: 'string', default: '5' },
    worker: { type: 'string' },
  },
})
const mebibyte = 1024 * 1024
const totalBytes = Number(values.mib) * mebibyte
const blockBytes = Number(values['block-mib']) * mebibyte
const blocks = Math.ceil(totalBytes / blockBytes)
const fileId = fileIdOf(1)
const never = new AbortController().signal
const host = '127.0.0.1'

/**
 * The worker's process: fills its directory, listens, tells its ports, and ends with its parent.
 */
async function work(folder: string): Promise<void> {
  const metrics = new MetricRegistry()
  const events = { added: () => undefined, removed: () => undefined }
  const directory = { path: folder, tier: 'MEM', mediumType: 'MEM', quotaBytes: blocks * blockBytes }
  const common = { clock: systemClock, logger: silentLogger, metrics }
  const store = await openTiers({ ...common, tiers: [[directory]], workerId: 'w', events, annotator: { kind: 'LRU' } })
  const bytes = randomFillSync(Buffer.alloc(blockBytes))
  for (let index = 0; index < blocks; index += 1) {
    const header = {
      blockId: blockIdOf(fileId, index),
      length: blockBytes,
      namespaceId: 'n',
      key: 'k',
      etag: 'e',
      offset: index * blockBytes,
    }
    await store.put(header, bytes)
  }
  const { service } = createWorkerService({
    workerId: 'w',
    hostname: 'here',
    home: folder,
    store,
    eviction: store,
    clock: systemClock,
    metrics,
  })
  const readStore = (): never => {
    throw new Error('nothing is read from a store here')
  }
  const listening = { host, port: 0, logger: silentLogger, clock: systemClock }
  const data = await startDataServer({
    ...listening,
    handlers: createDataHandlers({ store, metrics, clock: systemClock, readStore }),
  })
  const rpc = await startServer({ ...listening, services: [serving(WorkerServiceDefinition, service)] })
  process.send?.({ data: data.address, rpc: rpc.address })
  process.on('disconnect', () => process.exit(0))
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

async function measure(): Promise<void> {
  const folder = await mkdtemp(join(values.dir, 'skein-short-circuit-bench-'))
  const child = fork(import.meta.filename, [...process.argv.slice(2), '--worker', folder])
  try {
    const ports = await new Promise<{ data: string; rpc: string }>((resolve, reject) => {
      child.once('message', (message) => resolve(message as { data: string; rpc: string }))
      child.once('exit', (code) => reject(new Error(`the worker ended with ${code}`)))
    })
    const worker = WorkerInfo.fromPartial({
      workerId: 'w',
      hostname: 'here',
      rpcAddress: ports.rpc,
      dataAddress: ports.data,
      live: true,
      directories: [{ path: folder, tier: 'MEM', mediumType: 'MEM', quotaBytes: totalBytes, usedBytes: 0 }],
    })
    const file = FileInfo.fromPartial({
      fileId,
      path: '/n/k',
      namespaceId: 'n',
      key: 'k',
      etag: 'e',
      length: blocks * blockBytes,
      blockSizeBytes: blockBytes,
    })
    const opened = OpenFileResponse.fromPartial({
      file,
      workers: [worker],
      blocks: Array.from({ length: blocks }, () => ({ workerIds: ['w'] })),
    })
    const options = { clock: systemClock, random: systemRandom, logger: silentLogger }
    const data = new DataClient({ clock: systemClock, hostname: 'here' })
    const near = new ShortCircuitReader({
      connectWorker: (address) => createClient(WorkerServiceDefinition, address, options),
      data,
      clock: systemClock,
      logger: silentLogger,
    })
    const master = {
      openFile: () => Promise.resolve(opened),
      refreshFile: () => Promise.reject(new Error('the file does not change')),
    }
    const rates: Record<'file' | 'port', number[]> = { file: [], port: [] }
    const cpuMs: Record<'file' | 'port', number[]> = { file: [], port: [] }
    for (let round = -1; round < Number(values.rounds); round += 1) {
      for (const way of ['file', 'port'] as const) {
        const reader = new FileReader({
          master,
          data,
          near: way === 'file' ? near : undefined,
          origin: undefined,
          hostname: 'here',
          random: systemRandom,
          logger: silentLogger,
        })
        const [beganMs, cpu] = [systemClock.monotonicMs(), process.cpuUsage()]
        let bytes = 0
        for await (const chunk of reader.read('/n/k', never)) bytes += chunk.length
        const seconds = (systemClock.monotonicMs() - beganMs) / 1000
        const { user, system } = process.cpuUsage(cpu)
        if (bytes !== file.length) throw new Error(`${bytes} of ${file.length} bytes`)
        // The first round warms up.
        if (round < 0) continue
        rates[way].push(bytes / mebibyte / seconds)
        cpuMs[way].push((user + system) / 1000)
      }
    }
    for (const way of ['file', 'port'] as const) {
      const all = rates[way].map((rate) => rate.toFixed(0)).join(' ')
      process.stdout.write(
        `${way}: median ${median(rates[way]).toFixed(0)} MiB/s (${all}), reader's CPU ` +
          `${median(cpuMs[way]).toFixed(0)} ms\n`,
      )
    }
    const ratio = median(rates.file.map((rate, round) => rate / (rates.port[round] ?? rate)))
    process.stdout.write(`short circuit against data port: ${ratio.toFixed(2)} times as fast (median of the pairs)\n`)
    near.close()
    data.close()
  } finally {
    child.disconnect()
    await rm(folder, { recursive: true, force: true })
  }
}

await (values.worker === undefined ? measure() : work(values.worker))
