// Why: a cache master whose memory and event loop are its own, to be measured from outside. How:
// the real master over a synthetic listing, on a port; over the process's channel it gives figures
// and forgets trees of the listing.
import { readFileSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { systemClock } from '../../src/base/clock.ts'
import { createCacheMaster } from '../../src/cache-master/master.ts'
import { openLocalJournal } from '../../src/journal/log/local-journal.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../src/telemetry/registry.ts'
import { LifecycleServiceDefinition } from '../../src/wire/generated/lifecycle.ts'
import { MasterServiceDefinition } from '../../src/wire/generated/master.ts'
import { serving, startServer } from '../../src/wire/rpc/server.ts'
import { SyntheticListing } from './synthetic-listing.ts'

/** What the driver asks for. */
export type MasterRequest =
  | { readonly what: 'figures' }
  | { readonly what: 'forget'; readonly tree: string }
  | { readonly what: 'end' }

export interface MasterFigures {
  readonly files: number
  readonly rssBytes: number
  /**
   * Of the process's own; the rest is the state's file, mapped, which the kernel takes back when it
   * needs the memory.
   */
  readonly anonymousBytes: number
  readonly fileBackedBytes: number
  readonly stateUsedBytes: number
  readonly stateFileBytes: number
  readonly snapshotBytes: number
  readonly journalBytes: number
  readonly blockMapBytes: number
  /** The longest that the event loop stood still since the last figures. */
  readonly stallMaxMs: number
  readonly stallP99Ms: number
  readonly cpuMs: number
}

const [home = '', treesText = '{}'] = process.argv.slice(2)
const listing = new SyntheticListing(Object.entries(JSON.parse(treesText) as Record<string, number>))
const logger = createLogger(
  'info',
  (line) => process.stderr.write(line),
  () => systemClock.nowMs(),
)
const metrics = new MetricRegistry()
const closing = new AbortController()
const delay = monitorEventLoopDelay({ resolution: 5 })

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

async function figures(): Promise<MasterFigures> {
  const status = readFileSync('/proc/self/status', 'utf8')
  const bytesOf = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) * 1024
  const journal = join(home, 'master', 'journal')
  const journalBytes = (await readdir(journal)).reduce((sum, name) => sum + sizeOf(join(journal, name)), 0)
  const { user, system } = process.cpuUsage()
  const answer: MasterFigures = {
    files: metrics.get('skein_master_files'),
    rssBytes: bytesOf('VmRSS'),
    anonymousBytes: bytesOf('RssAnon'),
    fileBackedBytes: bytesOf('RssFile') + bytesOf('RssShmem'),
    stateUsedBytes: metrics.get('skein_master_state_used_bytes'),
    stateFileBytes: sizeOf(join(home, 'master', 'state', 'data.mdb')),
    snapshotBytes: sizeOf(join(home, 'master', 'state', 'snapshot.mdb')),
    journalBytes,
    blockMapBytes: metrics.get('skein_master_block_map_bytes'),
    stallMaxMs: delay.max / 1e6,
    stallP99Ms: delay.percentile(99) / 1e6,
    cpuMs: (user + system) / 1000,
  }
  delay.reset()
  return answer
}

async function main(): Promise<void> {
  const clock = systemClock
  const journal = await openLocalJournal({
    directory: join(home, 'master', 'journal'),
    segmentBytesMax: 64 * 1024 ** 2,
    logger,
    metrics,
    clock,
  })
  const master = await createCacheMaster({
    ...{ home, journal, openStore: () => listing, clock, logger, metrics, signal: closing.signal },
    options: {
      blockSizeBytesDefault: 4 * 1024 ** 2,
      workerLostMs: 3_600_000,
      metadataSyncIntervalMs: -1,
      ttlCheckIntervalMs: 3_600_000,
      unfinishedFileMs: 86_400_000,
      unfinishedFilesMax: 100_000,
      ...{ version: 'bench', webPort: 0, rpcPort: 0, address: () => '127.0.0.1:0' },
      checkpointEntries: 10_000,
      checkpointBytes: 64 * 1024 ** 2,
    },
  })
  const services = [
    serving(MasterServiceDefinition, master.service),
    serving(LifecycleServiceDefinition, master.lifecycle),
  ]
  const server = await startServer({ host: '127.0.0.1', port: 0, services, logger, clock })
  master.start(closing.signal)
  delay.enable()
  const onAbandoned = (): void => process.exit(1)
  const end = async (): Promise<void> => {
    await server.close(0)
    await master.close()
    await journal.close()
    closing.abort()
    process.off('disconnect', onAbandoned)
    process.disconnect()
  }
  const answer = async (request: MasterRequest): Promise<void> => {
    if (request.what === 'forget') listing.trees.delete(request.tree)
    if (request.what === 'end') await end()
    else process.send?.({ figures: await figures() })
  }
  process.on('message', (request: MasterRequest) => void answer(request))
  // Whoever measures has gone: nobody will end this process any more.
  process.once('disconnect', onAbandoned)
  process.send?.({ address: server.address })
}

await main()
