// Why: what a worker writes may end otherwise than it should. A file may go while its object is
// written, by ways that hold no path, and whether the object that is there then is the one that was
// written must not be guessed: somebody's data hangs on it. How: the service over the real state,
// the file removed before its write ends, beside what else has its name by then.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { untilAborted } from '../../../src/base/clock.ts'
import type { MasterContext } from '../../../src/cache-master/master-context.ts'
import { PathHolds } from '../../../src/cache-master/paths/path-holds.ts'
import type { PathLocator } from '../../../src/cache-master/paths/path-locator.ts'
import { type PersistOn, PersistService } from '../../../src/cache-master/written/persisting.ts'
import { RecentChanges } from '../../../src/cache-master/state/recent-changes.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { FakeClock, FakeStore } from './support/fakes.ts'
import { LogFixture, type NamespaceLog } from './support/namespace-log.ts'

const { signal } = new AbortController()
let fixture: LogFixture
let log: NamespaceLog
let store: FakeStore
let clock: FakeClock
let isAlive: boolean

beforeEach(async () => {
  fixture = await LogFixture.make()
  log = await fixture.openLog()
  store = new FakeStore()
  clock = new FakeClock()
  isAlive = true
  const definition = { name: 'ns', uri: 's3://bucket', attributes: {}, sealedSecrets: {} }
  await log.submit({ type: 'create_namespace', atMs: 1, namespaceId: 'n', ...definition })
})
afterEach(async () => {
  await log.close()
  await fixture.close()
})

async function write(key: string): Promise<number> {
  const file = { atMs: 1, namespaceId: 'n', key, blockSizeBytes: 4, requestKey: '', expiresMs: 1000 }
  const { fileIds } = await log.submit({ type: 'create_file', ...file })
  const fileId = fileIds[0] ?? 0
  await log.submit({ type: 'complete_file', atMs: 1, fileId, length: 4 })
  return fileId
}

/** The service, with one worker that has everything. */
function persistingBy(persistFile: ReturnType<PersistOn>['persistFile']): PersistService {
  const infos = (): unknown[] => [{ workerId: 'w', rpcAddress: 'w:1', dataAddress: 'w:2', live: isAlive }]
  const context = {
    ...{ tables: fixture.tables, log, clock, logger: silentLogger },
    changes: new RecentChanges(fixture.tables),
    options: { cutOffWriteMs: 0 },
    stores: { get: async () => store },
    workers: { expire: () => undefined, workerIds: () => ['w'], infos },
  } as unknown as MasterContext
  const parts = { persistOn: () => ({ persistFile }) as unknown as ReturnType<PersistOn>, mayBlocksCome: () => false }
  return new PersistService(context, {} as PathLocator, new PathHolds(context), parts)
}

/** Persists a file that goes while it is written, and `meanwhile` happens. */
async function persistRemoved(meanwhile: () => unknown): Promise<void> {
  const fileId = await write('f')
  const persisting = persistingBy(async ({ key }) => {
    store.put(key, { etag: 'written' })
    await log.submit({ type: 'remove_entries', atMs: 2, namespaceId: 'n', files: [{ key, fileId }], directories: [] })
    await meanwhile()
    return { etag: 'written', modifiedMs: 2 }
  })
  await expect(persisting.persistUnlessBusy(fileId, signal)).rejects.toMatchObject({ code: 'not_found' })
}

it('takes back what it has written', async () => {
  await persistRemoved(() => undefined)
  expect([...store.objects.keys()]).toEqual([])
})

it('leaves the object to another file that has the name by then', async () => {
  await persistRemoved(() => write('f'))
  expect(store.objects.get('f')).toMatchObject({ etag: 'written' })
})

it("leaves somebody else's object", async () => {
  await persistRemoved(() => store.put('f', { etag: 'theirs' }))
  expect(store.objects.get('f')).toMatchObject({ etag: 'theirs' })
})

it('is content when the object is gone already', async () => {
  await persistRemoved(() => store.objects.clear())
})

it('waits no longer for a worker once that is lost, and the path is free again', async () => {
  const fileId = await write('f')
  const asked = Promise.withResolvers<void>()
  const persisting = persistingBy(async (_request, call) => {
    asked.resolve()
    return untilAborted(new Promise<never>(() => undefined), call.signal)
  })
  const first = persisting.persistUnlessBusy(fileId, signal)
  const refused = expect(first).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('was lost'),
  })
  await asked.promise
  expect(await persisting.persistUnlessBusy(fileId, signal)).toBe(false)
  clock.scheduled.get(5000)?.()
  expect(await persisting.persistUnlessBusy(fileId, signal)).toBe(false)
  isAlive = false
  clock.scheduled.get(5000)?.()
  await refused
  await expect(persisting.persistUnlessBusy(fileId, signal)).rejects.toMatchObject({ code: 'unavailable' })
})
