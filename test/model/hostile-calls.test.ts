// Why: whoever may call a master must not be able to stop it, make it wait for ever, or make its
// lists unreadable. How: odd requests of every method of both masters' services; each is answered
// or refused in one line, the lists that everybody asks for can still be sent, and a restart comes
// to the same.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toSkeinError } from '../../src/base/errors.ts'
import { fileIdOf } from '../../src/base/block-id.ts'
import { JobServiceDefinition } from '../../src/wire/generated/job.ts'
import { LifecycleServiceDefinition } from '../../src/wire/generated/lifecycle.ts'
import { MasterServiceDefinition } from '../../src/wire/generated/master.ts'
import { ScheduleServiceDefinition } from '../../src/wire/generated/schedule.ts'
import { messageBytesMax } from '../../src/wire/rpc/grpc.ts'
import type { CallOptions, MethodDefinition, ServiceDefinition } from '../../src/wire/service.ts'
import { edited, hostileEdit, type HostileEdit } from '../support/hostile-values.ts'
import { call, MasterFixture } from '../unit/cache-master/support/master-fixture.ts'
import { never } from './support/load-doubles.ts'
import { World } from './support/load-world.ts'
import { ordinaryOrLong } from '../support/run-length.ts'

type AnyService = Readonly<Record<string, (request: never, options: CallOptions) => Promise<unknown>>>

/** Fields as a good caller fills them, whatever the request. */
const plausible: Readonly<Record<string, unknown>> = {
  ...{
    path: '/ns/a',
    from: '/ns/a',
    to: '/ns/b',
    name: 'ns',
    uri: 's3://other',
    key: 'a',
    workerId: 'w1',
    hostname: 'h1',
    worker: 'w1',
  },
  ...{
    rpcAddress: 'h1:1',
    dataAddress: 'h1:2',
    webAddress: 'h1:3',
    fileId: fileIdOf(3),
    fileIds: [fileIdOf(3)],
    loadId: 'L1',
    set: 1,
  },
  ...{
    attempt: 1,
    jobWorkerId: 'j1',
    blockSizeBytes: 4,
    length: 10,
    requestKey: 'k',
    indexId: 'i1',
    timezone: 'UTC',
    cron: '0 2 * * *',
  },
  ...{
    added: [1],
    removed: [2],
    min: 1,
    max: 2,
    action: 'FREE',
    activeTasksMax: 4,
    pinned: true,
    attributes: { color: 'red' },
  },
  ...{ owner: 'alice', group: 'staff', mode: 0o640, modeMask: 0o777, contentType: 'text/plain' },
  ...{ userMetadata: { values: { project: 'x' } }, files: [{ fileId: fileIdOf(3), contentType: 'text/plain' }] },
  clientMetadata: { values: { etag: 'x' } },
  metadata: { files: [{ fileId: fileIdOf(3), userMetadata: { values: { project: 'x' } } }] },
  items: [{ path: '/ns/a' }],
  options: { replication: 1, activeJobs: 4, batchSize: 4, selection: { include: ['*'], exclude: [] } },
  directories: [{ path: '/d', tier: 'MEM', mediumType: 'MEM', quotaBytes: 2 ** 53 - 1, usedBytes: 5 }],
  failures: [
    { fileId: fileIdOf(3), blockIndex: 0, workerId: '', code: 'x', reason: '', retryable: true, message: 'm' },
  ],
  replacements: [{ oldFileId: fileIdOf(3), fileId: fileIdOf(4), key: 'a', etag: 'e', length: 1, blockSizeBytes: 0 }],
  running: [{ loadId: 'L1', set: 1, attempt: 1, bytesDone: 5 }],
}

interface Called {
  readonly method: MethodDefinition
  readonly name: string
  readonly service: () => AnyService
}

function methodsOf(definition: ServiceDefinition, service: () => unknown): Called[] {
  return Object.entries(definition.methods).map(([name, method]) => ({
    name,
    method,
    service: service as () => AnyService,
  }))
}

const step = fc.record({ pick: fc.nat(), edits: fc.array(hostileEdit, { maxLength: 3 }) })
const script = fc.array(step, { minLength: 20, maxLength: 60 })
type Script = readonly { readonly pick: number; readonly edits: readonly HostileEdit[] }[]

async function callOdd(
  called: Called,
  edits: readonly HostileEdit[],
  sessions: Readonly<Record<string, string>>,
  wait: (answer: Promise<unknown>) => Promise<unknown>,
) {
  const empty = called.method.requestType.decode(new Uint8Array(0)) as Record<string, unknown>
  const filled = Object.fromEntries(
    Object.entries(empty).map(([field, value]) => [field, sessions[field] ?? plausible[field] ?? value]),
  )
  const request = edited(filled, edits)
  const serve = called.service()[called.name]
  const answer = await wait(serve?.(request as never, call) ?? Promise.resolve()).catch((thrown: unknown) =>
    toSkeinError(thrown),
  )
  if (answer instanceof Error) {
    const error = toSkeinError(answer)
    expect(error.code, `${called.name}: ${error.message} ${String(error.stack)}`).not.toBe('internal')
    return
  }
  const bytes = called.method.responseType.encode(answer as never).finish()
  expect(bytes.length).toBeLessThan(messageBytesMax)
}

const numRuns = Number(process.env['SKEIN_HOSTILE_RUNS'] ?? ordinaryOrLong(6, 200))

describe('odd calls', () => {
  test('leave a cache master as it is, and able to start again', async () => {
    const run = async (steps: Script): Promise<void> => {
      const fixture = await MasterFixture.open()
      try {
        ;(await fixture.create()).put('a', { length: 10 })
        const session = await fixture.worker('w1')
        const all = [
          ...methodsOf(MasterServiceDefinition, () => fixture.service),
          ...methodsOf(LifecycleServiceDefinition, () => fixture.lifecycle),
        ]
        for (const { pick, edits } of steps) {
          const called = all[pick % all.length]
          // Of what it writes to, this test has nothing.
          if (called === undefined || called.name === 'backup') continue
          await callOdd(called, edits, { session }, (answer) => answer)
          expect(fixture.master.stopped.aborted, called.name).toBe(false)
        }
        for (const name of ['listNamespaces', 'listWorkers', 'getClusterSummary', 'getClusterMetrics']) {
          const called = all.find((one) => one.name === name)
          if (called !== undefined) await callOdd(called, [], {}, (answer) => answer)
        }
        const before = await fixture.service.listNamespaces({}, call)
        await fixture.restart()
        expect(await fixture.service.listNamespaces({}, call)).toEqual(before)
      } finally {
        await fixture.close()
      }
    }
    await fc.assert(fc.asyncProperty(script, run), { numRuns })
  })

  test('leave a job master as it is, and able to start again', async () => {
    const run = async (steps: Script): Promise<void> => {
      const world = new World({ seed: 1, workers: 2 })
      try {
        const master = await world.startJobMaster()
        for (let index = 0; index < 5; index += 1) world.addFile(`f${index}`, 1000)
        await world.submit()
        const registered = await master.service.registerJobWorker(
          { jobWorkerId: 'j1', hostname: 'h', rpcAddress: '', activeTasksMax: 4 },
          { signal: never },
        )
        await world.clock.advance(2000)
        const all = [
          ...methodsOf(JobServiceDefinition, () => master.service),
          ...methodsOf(ScheduleServiceDefinition, () => master.schedules),
        ]
        const wait = async (answer: Promise<unknown>): Promise<unknown> => {
          let isOver = false
          const ended = answer.finally(() => (isOver = true))
          ended.catch(() => undefined)
          for (let waits = 0; !isOver && waits < 500; waits += 1) await world.clock.advance(50)
          // A copy of the state is walked by a process of its own, which knows no virtual time.
          if (!isOver) await expect.poll(() => isOver).toBe(true)
          return await ended
        }
        for (const { pick, edits } of steps) {
          const called = all[pick % all.length]
          if (called !== undefined) await callOdd(called, edits, { session: registered.session }, wait)
        }
        for (const name of ['listLoads', 'getJobServiceSummary', 'listSchedules']) {
          const called = all.find((one) => one.name === name)
          if (called !== undefined) await callOdd(called, [], {}, wait)
        }
        const { loads } = (await wait(master.service.listLoads({ limit: 0 }, { signal: never }))) as {
          loads: { loadId: string; path: string }[]
        }
        await world.killJobMaster(false)
        const again = await world.startJobMaster()
        const after = (await wait(again.service.listLoads({ limit: 0 }, { signal: never }))) as {
          loads: { loadId: string; path: string }[]
        }
        expect(after.loads.map(({ loadId, path }) => `${loadId} ${path}`)).toEqual(
          loads.map(({ loadId, path }) => `${loadId} ${path}`),
        )
      } finally {
        await world.close()
      }
    }
    await fc.assert(fc.asyncProperty(script, run), { numRuns })
  })
})
