// Why: no byte of the store is read more often than the calls need, no block is lost and none is
// left, whatever the order of load, free, rm, setReplication, TTL FREE, persist and pin. How: all
// of Skein in a process, an origin that counts by key, and random steps against freeing-model.ts:
// one client exactly, eight at once as some order of their calls allows. SKEIN_TEST_LONG=1 plays
// 10,000 steps of each, SKEIN_SEED=n another seed.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isSkeinError } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/clock.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { SourceSkein } from '../support/source-skein.ts'
import {
  below,
  type Client,
  clientOf,
  directories,
  fileBytes,
  keys,
  type Kind,
  put,
  Reference,
  type Step,
} from './support/freeing-model.ts'
import { ordinaryOrLong } from '../support/run-length.ts'

const steps = Number(process.env['SKEIN_STEPS'] ?? ordinaryOrLong(30, 10_000))
const seed = Number(process.env['SKEIN_SEED'] ?? 1)
const timeoutMs = 240_000 + steps * 2000
const never = new AbortController().signal

let origin: Origin
let skein: SourceSkein
/** Bytes that the store gave, by key. */
const given = new Map<string, number>()

beforeAll(async () => {
  origin = await startOrigin({ credentials: [testCredential], buckets: ['data'], seed })
  origin.counters.onObjectBytes = (key, bytes) => void given.set(key, (given.get(key) ?? 0) + bytes)
  skein = new SourceSkein('freeing', { 'goosefs.master.ttl.checker.interval': '100ms', 'fs.cosn.block.size': '1MB' })
  await skein.start()
  await skein.createNamespace('data', origin, 'data')
})
afterAll(async () => {
  await skein.dispose()
  await origin.close()
})

function fill(directory: string): Client {
  for (const key of keys) put(origin, directory, key)
  return clientOf(skein.cluster, origin, directory)
}

function stepsOf(random: () => number): () => Step {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const kinds: readonly Kind[] = [
    'load',
    'load',
    'load',
    'free',
    'free',
    'remove',
    'drop',
    'allow',
    'expire',
    'persist',
    'pin',
  ]
  return () => {
    const kind = pick(kinds)
    const isOfFiles = kind === 'drop' || kind === 'allow'
    return { kind, path: isOfFiles ? pick(keys) : pick([...directories, ...keys]) }
  }
}

/**
 * Plays steps one after the other. @throws where what is cached or read is not what the reference
 * says
 */
async function playExactly(client: Client, directory: string, count: number, random: () => number): Promise<void> {
  const reference = new Reference()
  const next = stepsOf(random)
  const readSoFar = (): number => keys.reduce((sum, key) => sum + (given.get(`${directory}/${key}`) ?? 0), 0)
  const played: string[] = []
  for (let number = 0; number < count; number += 1) {
    const step = next()
    if (!reference.isPossible(step)) continue
    played.push(`${step.kind} ${step.path}`)
    const before = readSoFar()
    const expected = reference.play(step)
    if (step.kind === 'load') await client.load(step.path)
    else await client.run(step)
    const cached = await client.cachedBytes()
    const found = {
      read: readSoFar() - before,
      cached: [...cached]
        .filter(([, bytes]) => bytes > 0)
        .map(([key, bytes]) => (bytes === fileBytes ? key : `${key}: ${bytes}`)),
    }
    expect(found, `step ${number} of seed ${seed}: ${played.slice(-6).join(', ')}`).toEqual({
      read: expected,
      cached: [...reference.cached].toSorted(),
    })
  }
}

describe('one client', () => {
  it('reads and keeps exactly what the order of its calls says', { timeout: timeoutMs }, async () => {
    await playExactly(fill('one'), 'one', steps, seededRandom(seed))
  })

  it('is caught when a free comes late, as an order that is on its way does', { timeout: timeoutMs }, async () => {
    const client = fill('late')
    let onItsWay: Step | undefined
    const arrive = async (): Promise<void> => {
      const step = onItsWay
      onItsWay = undefined
      if (step !== undefined) await client.run(step).catch(() => undefined)
    }
    // It comes with the next call, behind what was looked at after its own.
    const late: Client = {
      ...client,
      load: async (path) => {
        await arrive()
        return client.load(path)
      },
      run: async (step) => {
        await arrive()
        if (step.kind === 'free') onItsWay = step
        else await client.run(step)
      },
    }
    await expect(playExactly(late, 'late', 60, seededRandom(seed))).rejects.toThrow(/step \d+ of seed/)
  })
})

describe('eight clients', () => {
  it(
    'read each file once for each time that it was dropped, and once more; nothing is lost, nothing is left',
    { timeout: timeoutMs },
    async () => {
      const client = fill('eight')
      const drops = new Map<string, number>()
      let left = steps
      const play = async (number: number): Promise<void> => {
        const next = stepsOf(seededRandom(seed * 100 + number))
        while (left > 0) {
          left -= 1
          const step = next()
          if (['free', 'remove', 'drop', 'expire'].includes(step.kind))
            for (const key of below(step.path)) drops.set(key, (drops.get(key) ?? 0) + 1)
          try {
            if (step.kind !== 'load') await client.run(step)
            else await client.load(step.path)
          } catch (thrown) {
            // Others have removed it.
            if (!isSkeinError(thrown, 'not_found') && !isSkeinError(thrown, 'failed_precondition')) throw thrown
          }
        }
      }
      await Promise.all(Array.from({ length: 8 }, (_, number) => play(number)))

      for (const key of keys) await client.run({ kind: 'allow', path: key }).catch(() => undefined)
      for (const directory of directories) expect(await client.load(directory)).toMatchObject({ state: 'COMPLETED' })
      expect(await client.cachedBytes()).toEqual(new Map(keys.map((key) => [key, fileBytes])))
      for (const key of keys) {
        const read = (given.get(`eight/${key}`) ?? 0) / fileBytes
        expect(read, `${key} of seed ${seed}`).toBeLessThanOrEqual(1 + (drops.get(key) ?? 0))
      }
      await skein.cluster.master().free({ path: '/data', force: true }, { signal: never })
      await expect
        .poll(async () =>
          (await skein.cluster.master().listWorkers({}, { signal: never })).workers.map(({ usedBytes }) => usedBytes),
        )
        .toEqual([0])
    },
  )
})

describe('loads of overlapping paths', () => {
  it('read each file once, however many want it at the same time', { timeout: timeoutMs }, async () => {
    const random = seededRandom(seed)
    for (let round = 0; round < Math.ceil(steps / 10); round += 1) {
      const directory = `overlap-${round}`
      const client = clientOf(skein.cluster, origin, directory)
      // Large ones are reserved before they are read, small ones come whole.
      const sizes = new Map(keys.map((key, index) => [key, index % 3 === 0 ? fileBytes : 50_000 + index]))
      for (const [key, bytes] of sizes) origin.bucket('data').generate(`${directory}/${key}`, bytes)
      const loads = ['', ...directories, ...keys].map(async (path) => {
        await new Promise((resolve) => setTimeout(resolve, random() * 30))
        return client.load(path)
      })
      for (const { state, reason } of await Promise.all(loads))
        expect({ state, reason }).toEqual({ state: 'COMPLETED', reason: '' })
      const read = new Map(keys.map((key) => [key, given.get(`${directory}/${key}`)]))
      expect(read, `round ${round} of seed ${seed}`).toEqual(sizes)
    }
  })
})
