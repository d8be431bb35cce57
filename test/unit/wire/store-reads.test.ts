// Reads from a worker's store over a real data port: exact bytes, errors as they are, nothing left
// behind by a reader that leaves.
import { afterEach, describe, expect, it } from 'vitest'
import { abortReason, systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { DataClient } from '../../../src/wire/data/data-client.ts'
import {
  type DataPlaneHandlers,
  encodeStoreObject,
  namespaceIdOfPath,
  storePath,
  type StoreReadRequest,
} from '../../../src/wire/data/data-plane.ts'
import { startDataServer } from '../../../src/wire/data/data-server.ts'

const never = new AbortController().signal
const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

const content = Buffer.from(Uint8Array.from({ length: 700_001 }, (_, index) => (index * 31 + (index >> 8)) & 255))
const unused = (): never => {
  throw new Error('not used')
}

/** A worker whose store is `give`; it counts the reads that are open. */
async function worker(give: (request: StoreReadRequest, signal: AbortSignal) => AsyncIterable<Uint8Array>) {
  const requests: StoreReadRequest[] = []
  const state = { open: 0, ended: Promise.withResolvers<void>() }
  const handlers: DataPlaneHandlers = {
    read: unused,
    receive: unused,
    receiveSmall: unused,
    readStore: async (request, signal) => {
      requests.push(request)
      async function* counted(): AsyncGenerator<Uint8Array> {
        state.open += 1
        try {
          yield* give(request, signal)
        } finally {
          state.open -= 1
          state.ended.resolve()
        }
      }
      return { length: request.length, chunks: counted() }
    },
  }
  const server = await startDataServer({
    host: '127.0.0.1',
    port: 0,
    handlers,
    logger: silentLogger,
    clock: systemClock,
  })
  const data = new DataClient({ clock: systemClock })
  cleanups.push(() => server.close(0))
  cleanups.push(() => data.close())
  return { address: server.address, data, requests, state }
}

async function* slices({ offset, length }: StoreReadRequest, chunkBytes = 100_000): AsyncGenerator<Uint8Array> {
  const end = offset + length
  for (let at = offset; at < end; at += chunkBytes)
    yield Buffer.from(content.subarray(at, Math.min(end, at + chunkBytes)))
}

async function take(chunks: AsyncIterable<Uint8Array>): Promise<{ bytes: Buffer; error: unknown }> {
  const all: Uint8Array[] = []
  try {
    for await (const chunk of chunks) all.push(Buffer.from(chunk))
    return { bytes: Buffer.concat(all), error: undefined }
  } catch (error) {
    return { bytes: Buffer.concat(all), error }
  }
}

const request = (part: Partial<StoreReadRequest> = {}): StoreReadRequest => ({
  namespaceId: 'n1',
  key: 'dir/a',
  etag: 'v1',
  offset: 0,
  length: content.length,
  ...part,
})

describe('reading from a store through a worker', () => {
  it('gives exactly the bytes of any range, and tells the worker exactly which object', async () => {
    const { address, data, requests } = await worker((asked) => slices(asked))
    const asked = [
      request(),
      request({ offset: 699_999, length: 2 }),
      request({ offset: 1, length: 300_000, key: `d//é ☃ %2F?#&"\n\u0001\ud800/${'ä'.repeat(500)}`, etag: 'W/"x"-3' }),
      request({ namespaceId: 'a b%&é', length: 1 }),
    ]
    for (const one of asked) {
      const { bytes, error } = await take(data.readStore(address, one, never))
      expect(error).toBeUndefined()
      expect(bytes.equals(content.subarray(one.offset, one.offset + one.length))).toBe(true)
    }
    expect(requests).toEqual(asked)
    expect((await take(data.readStore(address, request({ length: 0 }), never))).bytes.length).toBe(0)
    expect(requests.length).toBe(asked.length)
  })

  it.each([
    ['not_found', undefined, false],
    ['aborted', 'object_changed', false],
    ['permission_denied', undefined, false],
    ['unauthenticated', 'expired_token', false],
    ['failed_precondition', 'object_archived', false],
    ['unavailable', 'slow_down', true],
    ['deadline_exceeded', 'stalled', true],
    ['data_loss', undefined, true],
  ] as const)('keeps %s (%s) of a store that fails before its first byte', async (code, reason, retryable) => {
    const { address, data, state } = await worker(async function* () {
      await systemClock.sleep(1, never)
      yield* []
      throw new SkeinError(code, 'the store said so', { reason, retryable })
    })
    const { bytes, error } = await take(data.readStore(address, request(), never))
    expect(bytes.length).toBe(0)
    expect(error).toMatchObject({ code, reason, retryable, message: 'the store said so' })
    expect(state.open).toBe(0)
  })

  it('cuts what fails or ends later, after a true beginning', async () => {
    const endings: ((asked: StoreReadRequest) => AsyncGenerator<Uint8Array>)[] = [
      async function* (asked) {
        yield* slices({ ...asked, length: 300_000 })
        throw new SkeinError('aborted', 'changed', { reason: 'object_changed' })
      },
      (asked) => slices({ ...asked, length: asked.length - 1 }),
      async function* () {
        yield* []
      },
    ]
    for (const ending of endings) {
      const { address, data, state } = await worker(ending)
      const { bytes, error } = await take(data.readStore(address, request(), never))
      expect(error).toMatchObject({ code: 'unavailable' })
      expect(bytes.length).toBeLessThan(content.length)
      expect(bytes.equals(content.subarray(0, bytes.length))).toBe(true)
      expect(state.open).toBe(0)
    }
  })

  it('ends the store’s read when the reader leaves in the middle', async () => {
    const seen = Promise.withResolvers<unknown>()
    const { address, data, state } = await worker(async function* (asked, signal) {
      signal.addEventListener('abort', () => seen.resolve(abortReason(signal)))
      for (;;) yield* slices({ ...asked, length: content.length })
    })
    for await (const chunk of data.readStore(address, request({ length: 2 ** 40 }), never)) {
      expect(chunk.length).toBeGreaterThan(0)
      break
    }
    expect(await seen.promise).toMatchObject({ code: 'cancelled' })
    await state.ended.promise
    expect(state.open).toBe(0)
  })

  it('ends the store’s read when the reader gives up before the first byte', async () => {
    const begun = Promise.withResolvers<void>()
    const { address, data, state } = await worker(async function* (_asked, signal) {
      begun.resolve()
      await systemClock.sleep(600_000, signal)
      yield content
    })
    const leave = new AbortController()
    const reading = take(data.readStore(address, request(), leave.signal))
    await begun.promise
    leave.abort()
    expect((await reading).error).toMatchObject({ code: 'cancelled' })
    await state.ended.promise
    expect(state.open).toBe(0)
  })

  it('refuses what is no read of an object without asking the store', async () => {
    const { address, requests } = await worker((asked) => slices(asked))
    const url = `http://${address}/v1/stores/n1`
    const name = encodeStoreObject({ key: 'k', etag: 'v' })
    const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
    const bad: [string, Record<string, string>, string][] = [
      [url, { range: 'bytes=0-1' }, 'invalid_argument'],
      [url, { range: 'bytes=0-1', 'x-skein-object': 'nonsense' }, 'invalid_argument'],
      [url, { range: 'bytes=0-1', 'x-skein-object': encoded(null) }, 'invalid_argument'],
      [url, { range: 'bytes=0-1', 'x-skein-object': encoded({ key: 7, etag: 'v' }) }, 'invalid_argument'],
      [url, { range: 'bytes=0-1', 'x-skein-object': encoded({ key: '', etag: 'v' }) }, 'invalid_argument'],
      [url, { 'x-skein-object': name }, 'invalid_argument'],
      [url, { range: 'bytes=5-', 'x-skein-object': name }, 'invalid_argument'],
      [url, { range: 'bytes=5-4', 'x-skein-object': name }, 'invalid_argument'],
      [`http://${address}/v1/stores/`, { range: 'bytes=0-1', 'x-skein-object': name }, 'unimplemented'],
      [`http://${address}/v1/stores/%ff`, { range: 'bytes=0-1', 'x-skein-object': name }, 'unimplemented'],
      [`http://${address}/v1/stores/a/b`, { range: 'bytes=0-1', 'x-skein-object': name }, 'unimplemented'],
    ]
    for (const [at, headers, code] of bad) {
      const response = await fetch(at, { headers })
      expect([at, headers, ((await response.json()) as { code: string }).code]).toEqual([at, headers, code])
    }
    const posted = await fetch(url, { method: 'DELETE', headers: { range: 'bytes=0-1', 'x-skein-object': name } })
    expect(((await posted.json()) as { code: string }).code).toBe('unimplemented')
    expect(requests).toEqual([])
  })

  it('finds the namespace of its own paths and of no others', () => {
    for (const id of ['n1', 'a b', 'é%', '..']) expect(namespaceIdOfPath(storePath(id))).toBe(id)
    for (const path of [
      '/v1/stores',
      '/v1/stores/',
      '/v1/stores/a%2Fb',
      '/v1/stores/a?b',
      '/v1/blocks/1',
      storePath('x'.repeat(201)),
    ]) {
      expect(namespaceIdOfPath(path)).toBeUndefined()
    }
  })
})
