// Why: what segments are worth: small blocks in a file each against small blocks in segments, in
// one run on one disk. How: rounds come in pairs, one of each kind, each in a fresh directory; the
// median of the pairs' ratios counts. Before each round the disk writes out what earlier ones left
// (sync): else its bandwidth would be measured, by whoever comes later. Then every second block of
// the last round in segments is freed, and the disk is looked at before and after. Directories are
// deleted at the end only: ext4 is slow at creating files where many were just deleted.
//
//   node scripts/bench/small-blocks.ts [--dir <folder>] [--blocks 20000] [--bytes 16384]
//     [--rounds 3] [--lanes 64]
import { execFileSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../../src/base/clock.ts'
import { BlockDirectory } from '../../src/block/assembly/block-directory.ts'
import type { BlockHeader } from '../../src/block/block-store.ts'
import { silentLogger } from '../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../src/telemetry/registry.ts'

const { values } = parseArgs({
  options: {
    dir: { type: 'string', default: tmpdir() },
    blocks: { type: 'string', default: '20000' },
    bytes: { type: 'string', default: '16384' },
    rounds: { type: 'string', default: '3' },
    lanes: { type: 'string', default: '64' },
  },
})
const blocks = Number(values.blocks)
const blockBytes = Number(values.bytes)
const lanes = Number(values.lanes)
const bytes = randomFillSync(Buffer.alloc(blockBytes))
const never = new AbortController().signal

type Kind = 'files' | 'segments'

interface Round {
  readonly store: BlockDirectory
  readonly path: string
  readonly wallMs: number
  readonly cpuMs: number
}

function headerOf(blockId: number): BlockHeader {
  return {
    blockId,
    length: blockBytes,
    namespaceId: 'bench',
    key: `train/part-${blockId % 97}/object-${blockId}.bin`,
    etag: `${blockId}`.padStart(32, 'e'),
    offset: 0,
  }
}

/** Runs `each` for the ids, as many at once as there are lanes. */
async function inLanes(ids: readonly number[], each: (id: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    for (let id = ids[next++]; id !== undefined; id = ids[next++]) await each(id)
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

async function round(path: string, kind: Kind): Promise<Round> {
  await mkdir(path)
  const store = await BlockDirectory.open({
    path,
    tier: 'SSD',
    mediumType: 'SSD',
    quotaBytes: 2 ** 40,
    workerId: 'bench',
    segments: { blockBytesMax: kind === 'segments' ? 2 ** 20 : 0 },
    deps: {
      events: { added: () => undefined, removed: () => undefined },
      clock: systemClock,
      logger: silentLogger,
      metrics: new MetricRegistry(),
    },
  })
  const ids = Array.from({ length: blocks }, (_, index) => index * 2 ** 20)
  execFileSync('sync')
  const cpu = process.cpuUsage()
  const startMs = performance.now()
  await inLanes(ids, (id) => store.put(headerOf(id), bytes))
  const wallMs = performance.now() - startMs
  const { user, system } = process.cpuUsage(cpu)
  return { store, path, wallMs, cpuMs: (user + system) / 1000 }
}

async function diskBytes(path: string): Promise<number> {
  let sum = 0
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) sum += (await stat(join(entry.parentPath, entry.name))).blocks * 512
  }
  return sum
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

const perSecond = (wallMs: number): number => (1000 * blocks) / wallMs
const mebibytes = (count: number): string => `${(count / 2 ** 20).toFixed(1)} MiB`

async function freeHalf({ store, path }: Round): Promise<void> {
  const before = await diskBytes(path)
  const startMs = performance.now()
  await inLanes(
    Array.from({ length: Math.floor(blocks / 2) }, (_, index) => 2 * index * 2 ** 20),
    (id) => store.free(id),
  )
  const freedMs = performance.now() - startMs
  let after = await diskBytes(path)
  // Until nothing has changed for a while.
  for (let same = 0; same < 4;) {
    await systemClock.sleep(250, never)
    const now = await diskBytes(path)
    same = now === after ? same + 1 : 0
    after = now
  }
  const liveBytes = store.usage()[0]?.usedBytes ?? 0
  console.log(
    `freed ${Math.floor(blocks / 2)} of ${blocks} blocks in ${freedMs.toFixed(0)} ms (compaction goes on behind)`,
  )
  console.log(`on disk: ${mebibytes(before)} before, ${mebibytes(after)} after; blocks left: ${mebibytes(liveBytes)}`)
  const sample = await store.open(2 ** 20)
  if (!bytes.equals(await sample.read(0, blockBytes, never))) throw new Error('a block that is left has wrong bytes')
  await sample.close()
}

async function main(): Promise<void> {
  const root = await mkdtemp(join(values.dir, 'skein-bench-blocks-'))
  try {
    const rounds: Record<Kind, Round[]> = { files: [], segments: [] }
    for (let count = 0; count < Number(values.rounds); count += 1) {
      for (const kind of ['files', 'segments'] as const) {
        const done = await round(join(root, `${kind}-${count}`), kind)
        rounds[kind].push(done)
        const cpuUs = (1000 * done.cpuMs) / blocks
        console.log(
          `${kind.padEnd(9)} ${perSecond(done.wallMs).toFixed(0).padStart(7)} blocks/s, ` +
            `${cpuUs.toFixed(1).padStart(6)} us of CPU a block`,
        )
      }
    }
    const pairs = rounds.files.map(({ wallMs }, index) => wallMs / (rounds.segments[index]?.wallMs ?? Number.NaN))
    const [files, segments] = (['files', 'segments'] as const).map((kind) =>
      median(rounds[kind].map(({ wallMs }) => perSecond(wallMs))),
    )
    const ratio = median(pairs)
    console.log(`medians: files ${files?.toFixed(0)}/s, segments ${segments?.toFixed(0)}/s`)
    console.log(
      `segments/files: ${pairs.map((pair) => pair.toFixed(2)).join(', ')}; median ${ratio.toFixed(2)}, wanted ` +
        'at least 3',
    )
    const last = rounds.segments.at(-1)
    if (last !== undefined) await freeHalf(last)
    for (const { store } of [...rounds.files, ...rounds.segments]) await store.close()
    if (ratio < 3) process.exitCode = 1
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

await main()
