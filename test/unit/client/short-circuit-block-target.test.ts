// The short circuit against a real file and a fake worker: exact bytes and checksums, renewals,
// fall-back, no leftovers.
import { link, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Clock, seededRandom, systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { pageChecksums } from '../../../src/base/page-checksum.ts'
import type { BlockTarget } from '../../../src/client/write/block-target.ts'
import { ShortCircuitBlockTarget } from '../../../src/client/write/short-circuit-block-target.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import type { WorkerServiceDefinition } from '../../../src/wire/generated/worker.ts'
import type { Service } from '../../../src/wire/service.ts'

const never = new AbortController().signal
const mib = 1024 * 1024
let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'skein-short-circuit-'))
})
afterEach(() => rm(directory, { recursive: true }))

function header(length: number) {
  return { blockId: 7, length, namespaceId: 'n1', key: 'k', etag: 'e', offset: 0 }
}

class FakeWorker {
  readonly path = join(directory, 'temp', `${(7).toString(16).padStart(14, '0')}-r1`)
  readonly calls: string[] = []
  committedChecksums: number[] = []
  renewed: string[][] = []
  refuse: SkeinError | undefined
  alreadyThere = false
  createsFile = true
  /** Another path than its own. */
  says: string | undefined
  readonly service = {
    reserveBlock: async () => {
      this.calls.push('reserve')
      if (this.refuse !== undefined) throw this.refuse
      await mkdir(join(directory, 'temp'), { recursive: true })
      if (this.createsFile) await writeFile(this.path, '')
      return { alreadyThere: this.alreadyThere, path: this.says ?? this.path, reservation: 'r1' }
    },
    commitBlock: async ({ pageChecksums: checksums }: { pageChecksums: number[] }) => {
      this.calls.push('commit')
      this.committedChecksums = checksums
      return {}
    },
    abortBlock: async () => {
      this.calls.push('abort')
      return {}
    },
    renewReservations: async ({ reservations }: { reservations: string[] }) => {
      this.renewed.push(reservations)
      return {}
    },
  } as unknown as Service<WorkerServiceDefinition>
}

function create(worker: FakeWorker, clock: Clock = systemClock) {
  const http: string[] = []
  const httpTarget: BlockTarget = {
    workerId: 'w1',
    open: async () => {
      http.push('open')
      return undefined
    },
    put: async () => {
      http.push('put')
    },
  }
  const target = new ShortCircuitBlockTarget({
    workerId: 'w1',
    worker: worker.service,
    http: httpTarget,
    directoriesOf: async () => [directory],
    clock,
    logger: silentLogger,
  })
  return { target, http }
}

function randomBytes(length: number): Buffer {
  const random = seededRandom(length)
  return Buffer.from(Uint8Array.from({ length }, () => Math.floor(random() * 256)))
}

describe('ShortCircuitBlockTarget', () => {
  test('fills no file that is not the reservation it made, in a directory of the worker', async () => {
    const outside = await mkdtemp(join(tmpdir(), 'skein-outside-'))
    const name = `${(7).toString(16).padStart(14, '0')}-r1`
    await mkdir(join(directory, 'temp'))
    await mkdir(join(outside, 'temp'))
    const victim = join(outside, 'temp', name)
    const own = join(directory, 'temp', name)
    await symlink(join(outside, 'temp'), join(directory, 'linked'))
    const places: [string, () => Promise<unknown>][] = [
      [victim, async () => undefined],
      [`${directory}/temp/../../${outside.slice(outside.lastIndexOf('/') + 1)}/temp/${name}`, async () => undefined],
      [join(directory, 'linked', name), async () => undefined],
      [join(directory, name), () => writeFile(join(directory, name), '')],
      [join(directory, 'temp', 'other'), () => writeFile(join(directory, 'temp', 'other'), '')],
      [own, () => symlink(victim, own)],
      [own, () => link(victim, own)],
      [own, () => writeFile(own, 'not empty')],
      [`temp/${name}`, async () => undefined],
    ]
    for (const [path, prepare] of places) {
      await rm(own, { force: true })
      await writeFile(victim, '')
      await prepare()
      const worker = new FakeWorker()
      worker.createsFile = false
      worker.says = path
      const { target, http } = create(worker)
      await target.open(header(mib), never)
      expect([path, http, worker.calls]).toEqual([path, ['open'], ['reserve', 'abort']])
      expect(await readFile(victim, 'utf8')).toBe('')
      await rm(own, { force: true })
    }
    await rm(outside, { recursive: true })
  })

  test('writes chunks of any size exactly and commits their page checksums', async () => {
    const worker = new FakeWorker()
    const { target } = create(worker)
    const bytes = randomBytes(3 * mib + 12_345)
    const sink = await target.open(header(bytes.length), never)
    const random = seededRandom(5)
    for (let from = 0; from < bytes.length;) {
      const length = 1 + Math.floor(random() * 300_000)
      await sink?.write(bytes.subarray(from, from + length))
      from += length
    }
    await sink?.commit()
    expect((await readFile(worker.path)).equals(bytes)).toBe(true)
    expect(worker.committedChecksums).toEqual(pageChecksums(bytes))
    await sink?.abort()
    expect(worker.calls).toEqual(['reserve', 'commit'])
  })

  test('too few and too many bytes are never committed, and the reservation goes', async () => {
    const worker = new FakeWorker()
    const { target } = create(worker)
    const short = await target.open(header(100), never)
    await short?.write(new Uint8Array(99))
    await expect(short?.commit()).rejects.toMatchObject({ code: 'data_loss' })
    const long = await target.open(header(100), never)
    await expect(long?.write(new Uint8Array(101))).rejects.toMatchObject({ code: 'invalid_argument' })
    await long?.abort()
    expect(worker.calls).toEqual(['reserve', 'abort', 'reserve', 'abort'])
  })

  test('a block that is there needs no sink; a refusal is passed on', async () => {
    const worker = new FakeWorker()
    const { target, http } = create(worker)
    worker.alreadyThere = true
    expect(await target.open(header(1), never)).toBeUndefined()
    worker.refuse = new SkeinError('resource_exhausted', 'full', { reason: 'no_capacity' })
    await expect(target.open(header(1), never)).rejects.toMatchObject({ reason: 'no_capacity' })
    expect(http).toEqual([])
  })

  test('falls back to HTTP for good where the reserved file is not reachable, and frees the reservation', async () => {
    const worker = new FakeWorker()
    worker.createsFile = false
    const { target, http } = create(worker)
    await target.open(header(1), never)
    await target.open(header(1), never)
    expect(worker.calls).toEqual(['reserve', 'abort'])
    expect(http).toEqual(['open', 'open'])
  })

  test('an open that was aborted meanwhile leaves no reservation', async () => {
    const worker = new FakeWorker()
    const { target, http } = create(worker)
    const abort = new AbortController()
    const opening = target.open(header(1), abort.signal)
    abort.abort(new SkeinError('cancelled', 'stop'))
    await expect(opening).rejects.toMatchObject({ code: 'cancelled' })
    expect(worker.calls).toEqual(['reserve', 'abort'])
    expect(http).toEqual([])
  })

  test('small blocks go over HTTP', async () => {
    const worker = new FakeWorker()
    const { target, http } = create(worker)
    await target.put({ header: header(1), bytes: new Uint8Array(1) }, never)
    expect(http).toEqual(['put'])
    expect(worker.calls).toEqual([])
  })

  test('renews what is open, and nothing afterwards', async () => {
    const timers: (() => void)[] = []
    const clock: Clock = {
      ...systemClock,
      schedule: (_ms, task) => {
        timers.push(task)
        return () => void timers.splice(timers.indexOf(task), 1)
      },
    }
    const worker = new FakeWorker()
    const { target } = create(worker, clock)
    const sink = await target.open(header(1), never)
    expect(timers).toHaveLength(1)
    timers.shift()?.()
    await new Promise((resolve) => setImmediate(resolve))
    expect(worker.renewed).toEqual([['r1']])
    expect(timers).toHaveLength(1)
    await sink?.write(new Uint8Array(1))
    await sink?.commit()
    expect(timers).toHaveLength(0)
  })
})
