import { afterEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../../src/base/errors.ts'
import type { FileHandle } from '../../../../src/client/file-system.ts'
import type { S3DoorOptions } from '../../../../src/gateway/s3/s3-options.ts'
import { plainly, RawConnections } from '../support/plain-requests.ts'
import { codeIn, startDoor, type TestDoor } from './support/door.ts'

let door: TestDoor
const connections = new RawConnections()

async function start(limits: S3DoorOptions['limits'] = {}): Promise<void> {
  door = await startDoor({ limits: { ...limits } })
}
afterEach(async () => {
  connections.close()
  await door.close()
})

const dial = () => connections.dial(door)

const head = (method: string, path: string, ...headers: readonly string[]): string =>
  [`${method} ${path} HTTP/1.1`, 'host: localhost', ...headers, '', ''].join('\r\n')

/** Ends when nothing is being written or read any more. */
const idle = (): Promise<unknown> =>
  expect.poll(() => door.fileSystem.unfinished + door.fileSystem.openHandles, { interval: 5 }).toBe(0)

describe('bodies', () => {
  it('are asked for when they are wanted', async () => {
    await start()
    const { socket, read } = await dial()
    socket.write(head('PUT', '/bucket/a', 'expect: 100-continue', 'content-length: 3'))
    await read(/^HTTP\/1\.1 100 Continue/)
    socket.write('abc')
    await read(/HTTP\/1\.1 200 OK/)
    expect((await plainly(door, 'GET', '/bucket/a')).text).toBe('abc')
  })

  it('are not asked for when they are not', async () => {
    await start()
    const { socket, read, ended } = await dial()
    socket.write(head('PUT', '/missing/a', 'expect: 100-continue', 'content-length: 3'))
    expect(await read(/<\/Error>/)).toMatch(/^HTTP\/1\.1 404 .*NoSuchBucket/s)
    await ended
  })

  it('of unknown length are taken', async () => {
    await start()
    const { socket, read } = await dial()
    socket.write(`${head('PUT', '/bucket/a', 'transfer-encoding: chunked')}2\r\nab\r\n1\r\nc\r\n0\r\n\r\n`)
    await read(/HTTP\/1\.1 200 OK/)
    expect((await plainly(door, 'GET', '/bucket/a')).text).toBe('abc')
  })

  it('that stop leave nothing', async () => {
    await start()
    const { socket } = await dial()
    socket.write(`${head('PUT', '/bucket/a', 'content-length: 1000')}abc`)
    await expect.poll(() => door.fileSystem.unfinished, { interval: 5 }).toBe(1)
    socket.destroy()
    await idle()
    expect((await plainly(door, 'GET', '/bucket/a')).status).toBe(404)
  })

  it('that nobody wants do not keep their sender from the answer', async () => {
    await start()
    const body = Buffer.alloc(8 * 1024 * 1024)
    const answer = await plainly(door, 'PUT', '/bucket/a?acl', { body })
    expect([answer.status, codeIn(answer)]).toEqual([501, 'NotImplemented'])
  })

  it('of documents have a limit', async () => {
    await start({ documentBytesMax: 1000 })
    expect(codeIn(await plainly(door, 'POST', '/bucket?delete', { body: ' '.repeat(1001) }))).toBe(
      'MaxMessageLengthExceeded',
    )
    const { socket, read } = await dial()
    socket.write(
      `${head('POST', '/bucket?delete', 'transfer-encoding: chunked')}3e9\r\n${' '.repeat(1001)}\r\n0\r\n\r\n`,
    )
    await read(/MaxMessageLengthExceeded/)
  })

  it('with a wrong digest are not stored', async () => {
    await start()
    const headers = { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' }
    expect(codeIn(await plainly(door, 'PUT', '/bucket/a', { body: 'x', headers }))).toBe('BadDigest')
    expect((await plainly(door, 'HEAD', '/bucket/a')).status).toBe(404)
    await idle()
  })
})

describe('peers', () => {
  it('that send nothing for too long are left', async () => {
    await start({ idleMs: 50 })
    const { socket, ended } = await dial()
    socket.write(`${head('PUT', '/bucket/a', 'content-length: 1000')}abc`)
    await ended
    await idle()
  })

  it('that read nothing for too long are left', async () => {
    // Long enough to see that the file is open.
    await start({ idleMs: 2000 })
    door.fileSystem.plant('/bucket/large', { bytes: Buffer.alloc(32 * 1024 * 1024), etag: 'e' })
    const { socket, ended } = await dial()
    socket.pause()
    socket.write(head('GET', '/bucket/large'))
    await expect.poll(() => door.fileSystem.openHandles, { interval: 5 }).toBe(1)
    await idle()
    socket.resume()
    await ended
  })

  it('that are too many are told to slow down', async () => {
    await start({ requestsMax: 2 })
    const waiting = [await dial(), await dial()]
    for (const { socket } of waiting) socket.write(`${head('PUT', '/bucket/a', 'content-length: 10')}abc`)
    await expect.poll(() => door.fileSystem.unfinished, { interval: 5 }).toBe(2)
    const answer = await plainly(door, 'GET', '/bucket')
    expect([answer.status, codeIn(answer)]).toEqual([503, 'SlowDown'])
    for (const { socket } of waiting) socket.write('defghij')
    for (const { read } of waiting) await read(/200 OK/)
    expect((await plainly(door, 'GET', '/bucket')).status).toBe(200)
  })

  it('with heads that are too large or malformed are refused', async () => {
    await start()
    const { socket, read } = await dial()
    socket.write(head('GET', '/bucket', `x-amz-meta-a: ${'x'.repeat(64 * 1024)}`))
    await read(/^HTTP\/1\.1 431 /)
    const other = await dial()
    other.socket.write('NONSENSE\r\n\r\n')
    await other.read(/^HTTP\/1\.1 400 /)
  })
})

describe('failures of the file system', () => {
  it('before the first byte are answered, later ones break the connection', async () => {
    await start()
    const bytes = Buffer.alloc(300_000, 'a')
    door.fileSystem.plant('/bucket/a', { bytes, etag: 'e' })
    const open = door.fileSystem.open.bind(door.fileSystem)
    let failAt = 0
    door.fileSystem.open = async (path, options): Promise<FileHandle> => {
      const handle = await open(path, options)
      const stream: FileHandle['stream'] = async function* (range, signal) {
        let sent = 0
        for await (const chunk of handle.stream(range, signal)) {
          if (sent >= failAt) throw new SkeinError('unavailable', 'no worker has the bytes')
          yield chunk
          sent += chunk.length
        }
      }
      const { status } = handle
      return {
        status,
        read: handle.read.bind(handle),
        bytes: handle.bytes.bind(handle),
        stream,
        close: () => handle.close(),
      }
    }
    const answer = await plainly(door, 'GET', '/bucket/a')
    expect([answer.status, codeIn(answer)]).toEqual([503, 'ServiceUnavailable'])
    failAt = 100_000
    await expect(plainly(door, 'GET', '/bucket/a')).rejects.toThrow(/aborted|hang up/)
    await idle()
  })

  it('do not show in answers what is inside', async () => {
    await start()
    door.fileSystem.stat = () => Promise.reject(new TypeError('undefined is not a function'))
    const answer = await plainly(door, 'GET', '/bucket?location')
    expect(answer).toMatchObject({ status: 500 })
    expect(answer.text).toContain('<Code>InternalError</Code>')
    expect(answer.text).not.toContain('function')
    const id = answer.headers['x-amz-request-id']
    expect(id).toMatch(/^[0-9A-F]{16}$/)
    expect(answer.text).toContain(`<RequestId>${String(id)}</RequestId>`)
  })
})

describe('answers that take long', () => {
  it.each([
    ['an answer', undefined, 'CopyObjectResult'],
    ['an error', new SkeinError('unavailable', 'gone'), '<Error><Code>ServiceUnavailable'],
  ])('are kept alive until there is %s', async (_what, failure, expected) => {
    await start({ keepAliveMs: 20 })
    door.fileSystem.plant('/bucket/a', { bytes: Buffer.from('x'), etag: 'e' })
    const create = door.fileSystem.create.bind(door.fileSystem)
    door.fileSystem.create = async (path, options) => {
      await new Promise((resolve) => setTimeout(resolve, 150))
      if (failure !== undefined) throw failure
      return create(path, options)
    }
    const answer = await plainly(door, 'PUT', '/bucket/b', { headers: { 'x-amz-copy-source': 'bucket/a' } })
    expect(answer.status).toBe(200)
    expect(answer.text).toMatch(new RegExp(`^<\\?xml[^>]*>\\n {2,}${expected}|^<\\?xml[^>]*>\\n {2,}<${expected}`))
  })
})

describe('metrics', () => {
  it('count requests, bytes and failures', async () => {
    await start()
    await plainly(door, 'PUT', '/bucket/a', { body: 'abc' })
    await plainly(door, 'GET', '/bucket/a')
    await plainly(door, 'GET', '/bucket/b')
    const { metrics } = door
    const s3 = { door: 's3' } as const
    const count = (operation: 'read' | 'write', outcome: 'ok' | 'client_error'): number =>
      metrics.get('skein_door_requests_total', { ...s3, operation, outcome })
    expect([count('write', 'ok'), count('read', 'ok'), count('read', 'client_error')]).toEqual([1, 1, 1])
    expect(metrics.get('skein_door_sent_bytes_total', s3)).toBe(3)
    expect(metrics.get('skein_door_received_bytes_total', s3)).toBe(3)
    expect(metrics.get('skein_door_requests_in_flight', s3)).toBe(0)
    expect(metrics.prometheusText()).toContain(
      'skein_door_request_duration_seconds_count{door="s3",operation="read"} 2\n',
    )
  })
})
