import { connect, createServer as createTcpServer, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { abortReason, systemClock, systemRandom } from '../../../src/base/clock.ts'
import { errorCodes, SkeinError } from '../../../src/base/errors.ts'
import { createLogger, silentLogger } from '../../../src/telemetry/logger.ts'
import { createClient, roleName, type ClientOptions } from '../../../src/wire/rpc/channel.ts'
import { WorkerServiceDefinition } from '../../../src/wire/generated/worker.ts'
import { openRawChannel } from '../../../src/wire/rpc/grpc.ts'
import { serving, startServer, type RunningServer } from '../../../src/wire/rpc/server.ts'
import type { CallOptions, Service } from '../../../src/wire/service.ts'

type Worker = Service<typeof WorkerServiceDefinition>
const signal = new AbortController().signal
const cleanups: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

function worker(methods: Partial<Worker>): Worker {
  const missing = (): Promise<never> => Promise.reject(new SkeinError('unimplemented', 'not in this test'))
  return {
    reserveBlock: missing,
    commitBlock: missing,
    abortBlock: missing,
    renewReservations: missing,
    copyHere: missing,
    locateBlock: missing,
    locateBlocks: missing,
    freeBlocks: missing,
    holdBlocks: missing,
    listKeptBlocks: missing,
    readKeptBlock: missing,
    releaseKeptBlocks: missing,
    getWorkerStatus: missing,
    probeStore: missing,
    probeDisks: missing,
    ...methods,
  }
}

async function serve(methods: Partial<Worker>, port = 0, logger = silentLogger): Promise<RunningServer> {
  const server = await startServer({
    what: 'worker',
    host: '127.0.0.1',
    port,
    services: [serving(WorkerServiceDefinition, worker(methods))],
    logger,
    clock: systemClock,
  })
  cleanups.push(() => server.close(0))
  return server
}

function client(address: string, options: Partial<ClientOptions> = {}): Worker {
  const made = createClient(WorkerServiceDefinition, address, { clock: systemClock, random: systemRandom, ...options })
  cleanups.push(() => made.close())
  return made.service
}

const untilAborted = (options: CallOptions): Promise<never> =>
  new Promise((_resolve, reject) => options.signal.addEventListener('abort', () => reject(abortReason(options.signal))))

const ways = ['the network', 'one process'] as const

describe.each(ways)('a service over %s', (way) => {
  const clientOf = (server: RunningServer): Worker =>
    client(server.address, way === 'one process' ? { channel: server.channel } : {})

  it('answers what the handler answers, in both directions', async () => {
    const server = await serve({
      reserveBlock: async (request) => ({
        alreadyThere: false,
        path: request.header?.key ?? '',
        reservation: request.mediumHint,
      }),
    })
    const header = { blockId: 2 ** 52 + 1, length: 5, namespaceId: 'n', key: 'ключ/%25 a', etag: 'e', offset: 0 }
    const answer = await clientOf(server).reserveBlock({ header, mediumHint: 'SSD' }, { signal })
    expect(answer).toEqual({ alreadyThere: false, path: 'ключ/%25 a', reservation: 'SSD' })
  })

  it.each(errorCodes)('rebuilds %s', async (code) => {
    const error = new SkeinError(code, `wrong: "ü" 100%, ${'long '.repeat(100)}`, {
      reason: 'why_so',
      retryable: false,
    })
    const server = await serve({ getWorkerStatus: () => Promise.reject(error) })
    await expect(clientOf(server).getWorkerStatus({}, { signal })).rejects.toEqual(error)
  })

  it('tells nothing of an unknown error but one line, and logs it with its stack', async () => {
    const lines: string[] = []
    const logger = createLogger(
      'error',
      (line) => lines.push(line),
      () => 0,
    )
    const server = await serve(
      { getWorkerStatus: () => Promise.reject(new TypeError('boom\n  at x (y.ts:1)')) },
      0,
      logger,
    )
    const thrown = await client(server.address)
      .getWorkerStatus({}, { signal })
      .catch((error: unknown) => error)
    expect(thrown).toEqual(new SkeinError('internal', 'boom'))
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('channel.test.ts')
  })

  it('carries a message of 8 MiB', async () => {
    const server = await serve({
      commitBlock: async () => ({}),
      getWorkerStatus: async () => ({ ...status, home: 'x'.repeat(8 * 1024 * 1024) }),
    })
    const service = clientOf(server)
    const pageChecksums = Array.from({ length: 1_700_000 }, (_, index) => 2 ** 31 + index)
    await service.commitBlock({ blockId: 1, reservation: 'r', pageChecksums }, { signal })
    expect((await service.getWorkerStatus({}, { signal })).home).toHaveLength(8 * 1024 * 1024)
  })

  it.each([-1, 1.5, Number.NaN])('refuses the number %s in one line, before anything is sent', async (blockId) => {
    const service = client('127.0.0.1:1')
    await expect(service.locateBlock({ blockId, bytes: 1 }, { signal })).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(/^the request of LocateBlock cannot be sent: .+$/) as string,
    })
  })

  it('ends a call at its deadline, and tells the handler', async () => {
    const aborted = Promise.withResolvers<unknown>()
    const server = await serve({
      getWorkerStatus: (_request, options) => {
        expect(options.deadlineMs).toBeLessThanOrEqual(2000)
        return untilAborted(options).catch((error: unknown) => {
          aborted.resolve(error)
          throw error
        })
      },
    })
    await expect(clientOf(server).getWorkerStatus({}, { signal, deadlineMs: 2000 })).rejects.toMatchObject({
      code: 'deadline_exceeded',
      message: `the worker at ${server.address} did not respond to GetWorkerStatus within 2000 ms`,
    })
    await expect(aborted.promise).resolves.toMatchObject({ code: 'cancelled' })
  })

  it('cancels the handler when the caller aborts, with the caller’s own reason', async () => {
    const began = Promise.withResolvers<void>()
    const aborted = Promise.withResolvers<void>()
    const server = await serve({
      getWorkerStatus: (_request, options) => {
        options.signal.addEventListener('abort', () => aborted.resolve())
        began.resolve()
        return untilAborted(options)
      },
    })
    const controller = new AbortController()
    const call = clientOf(server).getWorkerStatus({}, { signal: controller.signal })
    const failed = expect(call).rejects.toMatchObject({ code: 'aborted', message: 'changed my mind' })
    await began.promise
    controller.abort(new SkeinError('aborted', 'changed my mind'))
    await failed
    await aborted.promise
    await expect(clientOf(server).getWorkerStatus({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'cancelled',
    })
  })

  it('tries unavailable again and nothing else', async () => {
    let calls = 0
    const server = await serve({
      getWorkerStatus: async () => {
        calls += 1
        if (calls < 3) throw new SkeinError('unavailable', 'not yet')
        return status
      },
      freeBlocks: async () => {
        calls += 1
        throw new SkeinError('aborted', 'again?')
      },
      abortBlock: async () => {
        calls += 1
        throw new SkeinError('unavailable', 'for good', { retryable: false })
      },
    })
    const service = clientOf(server)
    await service.getWorkerStatus({}, { signal })
    expect(calls).toBe(3)
    await expect(service.freeBlocks({ blockIds: [] }, { signal })).rejects.toMatchObject({ code: 'aborted' })
    await expect(service.abortBlock({ blockId: 1, reservation: '' }, { signal })).rejects.toMatchObject({
      message: 'for good',
    })
    expect(calls).toBe(5)
  })

  it('refuses bytes that are no request', async () => {
    const server = await serve({ freeBlocks: async () => ({}) })
    const channel = way === 'one process' ? server.channel : openRawChannel('127.0.0.1', server.port)
    cleanups.push(() => channel.close())
    const call = (path: string): Promise<{ status: number; errorJson: string | undefined }> =>
      channel.call(path, Buffer.from([0x0a, 0xff, 0xff]), systemClock.nowMs() + 5000, signal)
    const outcome = await call('/skein.v1.WorkerService/FreeBlocks')
    expect(outcome.status).toBe(3)
    expect(outcome.errorJson).toContain('the request of FreeBlocks is malformed')
    expect((await call('/skein.v1.WorkerService/Nothing')).status).toBe(12)
  })
})

describe('a service over the network', () => {
  it('ends a call to a server that never speaks at its deadline', async () => {
    const silent = createTcpServer((socket) => socket.on('error', () => undefined))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    cleanups.push(() => void silent.close())
    const address = `127.0.0.1:${(silent.address() as AddressInfo).port}`
    await expect(client(address, { deadlineMs: 200 }).getWorkerStatus({}, { signal })).rejects.toMatchObject({
      code: 'deadline_exceeded',
    })
  })

  it('says in one line that nobody is there', async () => {
    const server = await serve({})
    await server.close(0)
    const started = client(server.address, { deadlineMs: 2000 }).getWorkerStatus({}, { signal })
    await expect(started).rejects.toMatchObject({
      code: 'unavailable',
      retryable: true,
      message: `cannot reach the worker at ${server.address} (ECONNREFUSED)`,
    })
    const quick = client(server.address, { deadlineMs: 600_000, unavailableMs: 100 })
    await expect(quick.getWorkerStatus({}, { signal })).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('outlives a restart of the server on the same port', async () => {
    let server = await serve({ getWorkerStatus: async () => ({ ...status, home: 'first' }) })
    const service = client(server.address)
    expect((await service.getWorkerStatus({}, { signal })).home).toBe('first')
    for (const home of ['second', 'third']) {
      await server.close(0)
      const during = service.getWorkerStatus({}, { signal })
      server = await serve({ getWorkerStatus: async () => ({ ...status, home }) }, server.port)
      expect((await during).home).toBe(home)
    }
  })
})

describe('a server', () => {
  it('refuses a taken port with its number', async () => {
    const first = await serve({})
    await expect(serve({}, first.port)).rejects.toMatchObject({
      code: 'failed_precondition',
      reason: 'port_taken',
      message: expect.stringContaining(`port ${first.port} is in use`),
    })
  })

  it.each(ways)('lets running calls end when it closes, and takes no new ones (%s)', async (way) => {
    const began = Promise.withResolvers<void>()
    const go = Promise.withResolvers<void>()
    const server = await serve({
      getWorkerStatus: async () => {
        began.resolve()
        await go.promise
        return status
      },
    })
    const over = way === 'one process' ? { channel: server.channel } : {}
    const call = client(server.address, over).getWorkerStatus({}, { signal })
    await began.promise
    const closed = server.close(20_000)
    const late = client(server.address, { ...over, unavailableMs: 0 }).getWorkerStatus({}, { signal })
    await expect(late).rejects.toMatchObject({ code: 'unavailable' })
    go.resolve()
    await expect(call).resolves.toEqual(status)
    await closed
  })

  it.each(ways)('aborts calls that outlast the grace, also handlers that do not listen (%s)', async (way) => {
    const began = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const server = await serve({
      getWorkerStatus: (_request, options) => {
        began[0]?.resolve()
        return untilAborted(options)
      },
      freeBlocks: () => {
        began[1]?.resolve()
        return new Promise(() => undefined)
      },
    })
    const over = way === 'one process' ? { channel: server.channel } : {}
    const service = client(server.address, { ...over, unavailableMs: 0 })
    const polite = expect(service.getWorkerStatus({}, { signal })).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'stopping',
    })
    const deaf = expect(service.freeBlocks({ blockIds: [] }, { signal })).rejects.toMatchObject({ code: 'unavailable' })
    await Promise.all(began.map((each) => each.promise))
    await server.close(50)
    await polite
    await deaf
  })

  it('closes while a connection says nothing', async () => {
    const server = await serve({})
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => undefined)
    await new Promise<void>((resolve) => socket.once('connect', resolve))
    await server.close(100)
    socket.destroy()
  })
})

it('names roles by their services', () => {
  expect(roleName('JobService')).toBe('job master')
  expect(roleName('WorkerService')).toBe('worker')
})

const status = { workerId: 'w', hostname: 'h', home: '', blocks: 1, usedBytes: 2, capacityBytes: 3, reservedBytes: 0 }
