// Why: a worker may be killed at any moment of any write, free or compaction. How: a child process
// works on a directory and is killed with SIGKILL at random moments, again and again on the same
// directory; after each kill what it was told is compared with what is there. SKEIN_TORTURE=full
// kills 100 times; SKEIN_SEED replays the child's choices.
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { seededRandom } from '../../src/base/clock.ts'
import { BlockDirectory } from '../../src/block/assembly/block-directory.ts'
import { bytesOf, readWhole, storeDependencies, usedBytesOf } from '../conformance/support/block-store-fixture.ts'
import { recordsIn } from '../conformance/support/segment-fixture.ts'
import { startChild } from '../support/child.ts'
import { directoryOf, generationOf, lengthOf } from './support/block-segments.ts'

const kills = process.env['SKEIN_TORTURE'] === 'full' ? 100 : 20
const seed = Number(process.env['SKEIN_SEED'] ?? process.hrtime.bigint() % 1_000_000n)
const generationsOfARound = 1_000_000

let folder = ''
afterEach(() => rm(folder, { recursive: true, force: true }))

/** What a block may be: generations, and undefined for none. */
type Allowed = Map<number, Set<number | undefined>>

/** What the child was told, and what it had asked for, on top of what was there before. */
function follow(before: ReadonlyMap<number, number>, lines: readonly string[]): Allowed {
  const allowed: Allowed = new Map([...before].map(([id, generation]) => [id, new Set([generation])]))
  for (const line of lines) {
    const [what, idText, generationText] = line.split(' ')
    const id = Number(idText)
    const now = allowed.get(id) ?? new Set([undefined])
    if (what === 'put') now.add(Number(generationText))
    else if (what === 'put-done') allowed.set(id, new Set([Number(generationText)]))
    else if (what === 'free') now.add(undefined)
    else if (what === 'free-done') allowed.set(id, new Set([undefined]))
    else if (what !== 'ready') throw new Error(`the child says: ${line}`)
    if (!allowed.has(id) && what !== 'ready') allowed.set(id, now)
  }
  return allowed
}

/** The blocks that the files say there are. */
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
  return ids.sort((a, b) => a - b)
}

/**
 * Opens what the kill left behind, compares, and returns what is there: the next round's beginning.
 */
async function judge(path: string, allowed: Allowed, round: number): Promise<Map<number, number>> {
  const deps = storeDependencies()
  const store = await BlockDirectory.open(directoryOf(path, deps, false))
  try {
    expect(await readdir(join(path, 'temp')), `temporary files after kill ${round}`).toEqual([])
    const found = new Map<number, number>()
    for (const { blockId } of [...store.list()]) {
      const reader = await store.open(blockId)
      const { header } = reader
      await reader.close()
      const generation = generationOf(header)
      found.set(header.blockId, generation)
      expect(header.length).toBe(lengthOf(generation))
      expect(
        (await readWhole(store, header.blockId)).equals(bytesOf(header.length, generation)),
        `bytes of ${header.blockId}`,
      ).toBe(true)
    }
    for (const id of new Set([...found.keys(), ...allowed.keys()])) {
      const may = allowed.get(id) ?? new Set([undefined])
      expect([...may], `block ${id} after kill ${round}`).toContain(found.get(id))
    }
    expect(store.reservedBytes).toBe(0)
    expect(usedBytesOf(store)).toBe([...store.list()].reduce((total, header) => total + header.length, 0))
    expect(await blocksOnDisk(path)).toEqual([...found.keys()].sort((a, b) => a - b))
    expect(deps.metrics.get('skein_worker_blocks_removed_total', { reason: 'corrupt' })).toBe(0)
    return found
  } finally {
    await store.close()
  }
}

test(`${kills} kills of a worker that writes, frees and compacts (seed ${seed})`, { timeout: 600_000 }, async () => {
  folder = await mkdtemp(join(tmpdir(), 'skein-segments-'))
  const path = join(folder, 'directory')
  const random = seededRandom(seed)
  let there = new Map<number, number>()
  let told = 0
  let segmentNumber = 0
  for (let round = 0; round < kills; round += 1) {
    const script = join(import.meta.dirname, 'support/block-segments-child.ts')
    const args = [script, path, String(round * generationsOfARound), String(seed + round)]
    const child = startChild(process.execPath, args, { logFile: join(folder, 'child.log') })
    await child.line((line) => (line === 'ready' ? true : undefined), 30_000)
    const killAfterMs = random() ** 2 * 600
    await new Promise((resolve) => setTimeout(resolve, killAfterMs))
    const drained = new Promise((resolve) => child.process.stdout?.once('close', resolve))
    await child.end('SIGKILL')
    await drained
    // The last line may be cut.
    const lines = child.stdout().split('\n').slice(0, -1)
    told += lines.length
    there = await judge(path, follow(there, lines), round)
    segmentNumber = Math.max(0, ...(await readdir(join(path, 'segments'))).map((name) => Number(name.slice(0, 10))))
  }
  console.log(
    `segments: seed ${seed}, ${kills} kills, ${told} lines, ${segmentNumber} segments written, ${there.size} ` +
      'blocks at the end',
  )
  // It was no idle worker.
  expect(told).toBeGreaterThan(kills * 20)
  expect(segmentNumber).toBeGreaterThan(kills / 4)
})
