// Why: a worker may be killed at any moment of a write, an eviction, a move between tiers, a
// promotion or a compaction. How: a worker in a process of its own, with clients that write, read,
// read through and free over its real planes, is killed with SIGKILL at random moments, again and
// again on the same directories; after each kill the directories are opened and compared with what
// was acknowledged. SKEIN_TORTURE=full kills 100 times; SKEIN_SEED replays the clients' choices.
import { mkdtemp, open, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/clock.ts'
import { readWhole, storeDependencies, usedBytesOf } from '../conformance/support/block-store-fixture.ts'
import { recordsIn } from '../conformance/support/segment-fixture.ts'
import { type Child, startChild } from '../support/child.ts'
import { type Addresses, type Expected, WorkerClients } from './support/worker-clients.ts'
import { bytesOf, directoriesOf, headerOf, openTorture } from './support/worker-house.ts'

const kills = process.env['SKEIN_TORTURE'] === 'full' ? 100 : 5
const seed = Number(process.env['SKEIN_SEED'] ?? process.hrtime.bigint() % 1_000_000n)

let folder = ''
let child: Child | undefined
afterEach(async () => {
  await child?.end('SIGKILL')
  if (process.env['SKEIN_KEEP'] === undefined) await rm(folder, { recursive: true, force: true })
})

/** The blocks that the files of a directory say there are. */
async function blocksOnDisk(path: string): Promise<number[]> {
  const newest = new Map<number, { sequence: number; live: boolean }>()
  for (const { record } of await recordsIn(path)) {
    const id = record.kind === 'block' ? record.header.blockId : record.blockId
    if ((newest.get(id)?.sequence ?? -1) < record.sequence)
      newest.set(id, { sequence: record.sequence, live: record.kind === 'block' })
  }
  const ids = [...newest].filter(([, { live }]) => live).map(([id]) => id)
  for (const entry of await readdir(join(path, 'blocks'), { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) ids.push(Number.parseInt(entry.name, 16))
  }
  return ids
}

const ascending = (ids: readonly number[]): number[] => ids.toSorted((a, b) => a - b)

/**
 * Opens what the kill left behind and compares it with what the clients know. @returns blocks that
 * are there
 */
async function judge(expected: ReadonlyMap<number, Expected>, round: number): Promise<number> {
  const deps = storeDependencies()
  const store = await openTorture(folder, deps, false)
  try {
    for (const path of directoriesOf(folder)) {
      expect(await readdir(join(path, 'temp')), `temporary files in ${path} after kill ${round}`).toEqual([])
    }
    const there = new Set<number>()
    for (const { blockId } of [...store.list()]) {
      there.add(blockId)
      expect(
        (await readWhole(store, blockId)).equals(bytesOf(blockId)),
        `bytes of ${blockId} after kill ${round}`,
      ).toBe(true)
    }
    const wrong = [...expected].filter(
      ([blockId, what]) => what !== 'either' && there.has(blockId) !== (what === 'there'),
    )
    expect(wrong, `blocks that are lost, or were freed and are back, after kill ${round}`).toEqual([])
    expect(store.reservedBytes).toBe(0)
    expect(usedBytesOf(store)).toBe([...store.list()].reduce((total, { length }) => total + length, 0))
    const onDisk = (await Promise.all(directoriesOf(folder).map(blocksOnDisk))).flat()
    expect(ascending(onDisk), `index and files after kill ${round}`).toEqual(ascending([...there]))
    expect(deps.metrics.get('skein_worker_blocks_removed_total', { reason: 'corrupt' })).toBe(0)
    return there.size
  } finally {
    await store.close()
  }
}

async function startWorker(): Promise<Addresses> {
  const script = join(import.meta.dirname, 'support/worker-child.ts')
  child = startChild(process.execPath, [script, folder], { logFile: join(folder, 'child.log') })
  return await child.line((line) => (line.startsWith('{"ready"') ? (JSON.parse(line) as Addresses) : undefined), 60_000)
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

test(`${kills} kills of a worker that writes, evicts and compacts (seed ${seed})`, { timeout: 900_000 }, async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-worker-kills-'))
  const random = seededRandom(seed)
  // What is there may be evicted; durable blocks must stay, and what was freed must stay away.
  const expected = new Map<number, Expected>()
  const totals = { written: 0, read: 0, readThrough: 0, freed: 0, givenUp: 0, refused: 0 }
  let blocks = 0
  const note = ({ counts }: WorkerClients): void => {
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += counts[name]
  }
  for (let round = 1; round <= kills; round += 1) {
    const clients = new WorkerClients(await startWorker(), expected, seededRandom(seed + round))
    clients.start()
    while (clients.operations < 50 && clients.wrong.length === 0) await pause(5)
    await pause(random() ** 2 * 900)
    clients.killed()
    await child?.end('SIGKILL')
    await clients.stop()
    clients.close()
    expect(clients.wrong, `in round ${round}`).toEqual([])
    note(clients)
    blocks = await judge(expected, round)
  }
  // Once more without a kill: writers that end, well or not, leave no room reserved.
  const clients = new WorkerClients(await startWorker(), expected, seededRandom(seed))
  clients.start()
  while (clients.operations < 300 && clients.wrong.length === 0) await pause(5)
  await clients.stop()
  expect(clients.wrong).toEqual([])
  while ((await clients.reservedBytes()) > 0) await pause(20)
  note(clients)
  clients.close()
  await child?.end('SIGKILL')
  await judge(expected, kills + 1)
  console.log(`worker kills: seed ${seed}, ${kills} kills, ${JSON.stringify(totals)}, ${blocks} blocks at the end`)
  for (const name of ['written', 'read', 'readThrough', 'freed', 'givenUp'] as const)
    expect(totals[name], name).toBeGreaterThan(0)
})

test('the judge sees a torn block, a lost one and one that is back', { timeout: 60_000 }, async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-worker-kills-'))
  const store = await openTorture(folder, storeDependencies(), false)
  for (const blockId of [1, 2, 3, 20, 40, 60]) await store.put(headerOf(blockId), bytesOf(blockId))
  await store.close()
  const expected = (blockId: number, what: Expected): Map<number, Expected> => new Map([[blockId, what]])
  expect(await judge(expected(40, 'there'), 0)).toBe(6)
  await expect(judge(expected(5, 'there'), 0)).rejects.toThrow('lost')
  await expect(judge(expected(3, 'absent'), 0)).rejects.toThrow('freed and are back')
  const largest = { path: '', bytes: 0 }
  for (const directory of directoriesOf(folder)) {
    for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      const { size } = await stat(path)
      if (entry.isFile() && size > largest.bytes) Object.assign(largest, { path, bytes: size })
    }
  }
  const file = await open(largest.path, 'r+')
  await file.write(Buffer.from([0x5a, 0xa5, 0x5a]), 0, 3, Math.floor(largest.bytes / 3))
  await file.close()
  await expect(judge(new Map(), 0)).rejects.toThrow()
})
