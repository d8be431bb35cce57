// Why: the process that block-segments.test.ts kills. It puts, frees, reads and compacts as fast as
// it can, and writes a line before and after each change, straight to the pipe, so that what it was
// told before it died is known.
//   node block-segments-child.ts <directory> <first generation> <seed>
import { writeSync } from 'node:fs'
import { seededRandom, systemClock } from '../../../src/base/clock.ts'
import { isSkeinError } from '../../../src/base/errors.ts'
import { BlockDirectory } from '../../../src/block/assembly/block-directory.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { bytesOf, headerOf, never } from '../../conformance/support/block-store-fixture.ts'
import { directoryOf, generationOf, keyOf, lengthOf, tortureIds } from './block-segments.ts'

const [path = '', firstGeneration = '0', seed = '0'] = process.argv.slice(2)
const random = seededRandom(Number(seed))
let generation = Number(firstGeneration)
const say = (line: string): void => void writeSync(1, `${line}\n`)

const store = await BlockDirectory.open(
  directoryOf(path, {
    events: { added: () => undefined, removed: () => undefined },
    clock: systemClock,
    logger: silentLogger,
    metrics: new MetricRegistry(),
  }),
)
say('ready')
const busy = new Set<number>()

async function lane(): Promise<never> {
  for (;;) {
    const id = Math.floor(random() * tortureIds)
    if (busy.has(id)) {
      await new Promise(setImmediate)
      continue
    }
    busy.add(id)
    try {
      if (!store.has(id)) await put(id)
      else if (random() < 0.7) await free(id)
      else await read(id)
    } finally {
      busy.delete(id)
    }
  }
}

async function put(id: number): Promise<void> {
  generation += 1
  const mine = generation
  const header = headerOf(id, lengthOf(mine), keyOf(mine))
  const bytes = bytesOf(header.length, mine)
  say(`put ${id} ${mine}`)
  try {
    if (random() < 0.8) await store.put(header, bytes)
    else {
      const reservation = await store.reserve(header)
      if (random() < 0.1) return await reservation.abort()
      for (let at = 0; at < bytes.length; at += 9000) await reservation.write(bytes.subarray(at, at + 9000))
      await reservation.commit()
    }
    say(`put-done ${id} ${mine}`)
  } catch (thrown) {
    if (!isSkeinError(thrown, 'resource_exhausted', 'no_capacity')) throw thrown
  }
}

async function free(id: number): Promise<void> {
  say(`free ${id}`)
  await store.free(id)
  say(`free-done ${id}`)
}

async function read(id: number): Promise<void> {
  const reader = await store.open(id)
  const bytes = await reader.read(0, reader.header.length, never)
  if (!bytesOf(reader.header.length, generationOf(reader.header)).equals(bytes)) say(`wrong ${id}`)
  await reader.close()
}

try {
  await Promise.all(Array.from({ length: 24 }, lane))
} catch (thrown) {
  say(`failed ${thrown instanceof Error ? thrown.message : String(thrown)}`)
}
