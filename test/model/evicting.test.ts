// Why: a load that may evict reads no byte twice, keeps what it has found and brought until its
// end, and where that does not fit it says so. How: all of Skein in a process with room for half of
// the files, and random steps: by one client, whose loads read nothing that is known to be cached,
// and by four at once. SKEIN_TEST_LONG=1 plays more steps, SKEIN_SEED=n another seed.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/clock.ts'
import { isSkeinError } from '../../src/base/errors.ts'
import type { LoadStatus } from '../../src/wire/generated/job.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'
import { ordinaryOrLong } from '../support/run-length.ts'
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
  type Step,
} from './support/freeing-model.ts'

const steps = Number(process.env['SKEIN_STEPS'] ?? ordinaryOrLong(30, 2000))
const seed = Number(process.env['SKEIN_SEED'] ?? 1)
const timeoutMs = 240_000 + steps * 4000

let origin: Origin
let skein: SourceSkein
const given = new Map<string, number>()

beforeAll(async () => {
  origin = await startOrigin({ credentials: [testCredential], buckets: ['data'], seed })
  origin.counters.onObjectBytes = (key, bytes) => void given.set(key, (given.get(key) ?? 0) + bytes)
  skein = new SourceSkein('evicting', {
    'goosefs.master.ttl.checker.interval': '100ms',
    'fs.cosn.block.size': '1MB',
    // A directory has 4.5 MB.
    'goosefs.worker.tieredstore.level0.dirs.quota': '8MB',
  })
  await skein.start()
  await skein.createNamespace('data', origin, 'data')
})
afterAll(async () => {
  await skein?.dispose()
  await origin?.close()
})

function fill(directory: string): Client {
  for (const key of keys) put(origin, directory, key)
  return clientOf(skein.cluster, origin, directory, { evict: true })
}

function stepsOf(random: () => number, loaded: readonly string[]): () => Step {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const kinds: readonly Kind[] = ['load', 'load', 'load', 'load', 'load', 'load', 'free', 'remove', 'expire', 'pin']
  return () => {
    const kind = pick(kinds)
    return { kind, path: pick(kind === 'load' ? loaded : [...directories, ...keys]) }
  }
}

const under = (path: string): readonly string[] => (path === '' ? keys : below(path))
const isNoRoom = ({ state, errorCode }: LoadStatus): boolean =>
  state !== 'COMPLETED' && errorCode === 'resource_exhausted'

async function run(client: Client, step: Step): Promise<void> {
  try {
    await client.run(step)
  } catch (thrown) {
    if (!isSkeinError(thrown, 'not_found') && !isSkeinError(thrown, 'failed_precondition')) throw thrown
  }
}

describe('loads that may evict', () => {
  it('of one client read nothing that is cached, and nothing twice', { timeout: timeoutMs }, async () => {
    const client = fill('one')
    const next = stepsOf(seededRandom(seed), ['', ...directories, ...directories, ...keys])
    const played: string[] = []
    let sure = new Set<string>()
    for (let number = 0; number < steps; number += 1) {
      const step = next()
      const files = under(step.path)
      played.push(`${step.kind} ${step.path}`)
      const what = `step ${number} of seed ${seed}: ${played.slice(-6).join(', ')}`
      if (step.kind !== 'load') {
        await run(client, step)
        if (step.kind !== 'pin') for (const key of files) sure.delete(key)
        continue
      }
      const before = new Map(given)
      const status = await client.load(step.path)
      const read = keys.filter((key) => given.get(`one/${key}`) !== before.get(`one/${key}`))
      for (const key of read) {
        expect(files, what).toContain(key)
        expect(sure.has(key), `${key} was cached, ${what}`).toBe(false)
        expect((given.get(`one/${key}`) ?? 0) - (before.get(`one/${key}`) ?? 0), what).toBeLessThanOrEqual(fileBytes)
      }
      if (step.path === '') expect(isNoRoom(status), `${what}: ${JSON.stringify(status)}`).toBe(true)
      else expect(status, what).toMatchObject({ state: 'COMPLETED', reason: '' })
      // What is read may have pushed out all else.
      if (read.length > 0) sure = new Set()
      if (step.path === '') continue
      const cached = await client.cachedBytes()
      for (const key of files) expect(cached.get(key), `${key}, ${what}`).toBe(fileBytes)
      for (const key of files) sure.add(key)
    }
  })

  it(
    'of four clients read a file once a load at most, and end with all of it or without room',
    { timeout: timeoutMs },
    async () => {
      const client = fill('four')
      const loads = new Map<string, number>()
      let left = steps
      const play = async (number: number): Promise<void> => {
        const next = stepsOf(seededRandom(seed * 100 + number), [...directories, ...keys])
        while (left > 0) {
          left -= 1
          const step = next()
          if (step.kind !== 'load') {
            await run(client, step)
            continue
          }
          for (const key of under(step.path)) loads.set(key, (loads.get(key) ?? 0) + 1)
          const status = await client.load(step.path).catch((thrown: unknown) => {
            if (!isSkeinError(thrown, 'not_found')) throw thrown
            return undefined
          })
          const isGone = status?.errorCode === 'not_found' || status === undefined
          expect(isGone || status.state === 'COMPLETED' || isNoRoom(status), JSON.stringify(status)).toBe(true)
        }
      }
      await Promise.all(Array.from({ length: 4 }, (_, number) => play(number)))
      for (const directory of directories)
        expect(await client.load(directory)).toMatchObject({ state: 'COMPLETED', reason: '' })
      for (const key of keys) {
        const read = (given.get(`four/${key}`) ?? 0) / fileBytes
        expect(read, `${key} of seed ${seed}`).toBeLessThanOrEqual(1 + (loads.get(key) ?? 0))
      }
    },
  )
})
