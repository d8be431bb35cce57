// Why: a whole cache worker on a temporary directory, for the tests of its parts.
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { systemRandom } from '../../../../src/base/clock.ts'
import { SkeinError } from '../../../../src/base/errors.ts'
import { openTiers } from '../../../../src/block/assembly/open-tiers.ts'
import { BlockChanges } from '../../../../src/cache-worker/blocks/block-changes.ts'
import { type CacheWorkerOptions, createCacheWorker } from '../../../../src/cache-worker/cache-worker.ts'
import { createLogger } from '../../../../src/telemetry/logger.ts'
import { mebibyte, storeDependencies, temporaryFolder } from '../../../conformance/support/block-store-fixture.ts'
import { FakeMaster } from './fake-master.ts'

export const addresses = { rpcAddress: '127.0.0.1:1', dataAddress: '127.0.0.1:2', webAddress: '' }

export async function makeWorker(options: Partial<CacheWorkerOptions> = {}, master = new FakeMaster()) {
  const folder = await temporaryFolder()
  const changes = new BlockChanges()
  const deps = storeDependencies()
  const lines: string[] = []
  const logger = createLogger(
    'info',
    (line) => lines.push(line),
    () => 0,
  )
  const directories = ['a', 'b'].map((name) => ({
    path: join(folder.path, name),
    tier: 'SSD',
    mediumType: 'SSD',
    quotaBytes: 16 * mebibyte,
  }))
  const store = await openTiers({
    tiers: [directories],
    workerId: 'worker-1',
    annotator: { kind: 'LRU' },
    ...deps,
    events: changes,
  })
  const worker = await createCacheWorker({
    workerId: 'worker-1',
    hostname: 'host-1',
    home: folder.path,
    store,
    changes,
    master: master.service,
    openStore: (namespaceId) => Promise.reject(new SkeinError('not_found', `there is no namespace ${namespaceId}`)),
    clock: deps.clock,
    random: systemRandom,
    logger,
    metrics: deps.metrics,
    options: { heartbeatMs: 5, retry: { attemptsMax: 1, initialMs: 2, maxMs: 10 }, ...options },
  })
  const close = async (): Promise<void> => {
    await worker.close()
    await folder.remove()
  }
  const logged = (text: string): number => lines.filter((line) => line.includes(text)).length
  return { worker, store, master, deps, close, logged, changes }
}

/** Waits until a condition holds; the test's own time limit ends it. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(1)
}
