import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../../src/base/clock.ts'
import { SkeinError } from '../../../../src/base/errors.ts'
import { sentMemory } from '../../../../src/gateway/sent-memory.ts'
import { startWebHdfsDoor } from '../../../../src/gateway/webhdfs/webhdfs-door.ts'
import { silentLogger } from '../../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../../src/telemetry/registry.ts'
import { MemoryFileSystem } from '../../../support/memory-file-system.ts'
import { RawConnections } from '../support/plain-requests.ts'
import { type DoorOptions, refusalOf, WebHdfs } from './support/webhdfs.ts'

let door: WebHdfs
const connections = new RawConnections()

async function start(options: DoorOptions = {}): Promise<void> {
  door = await WebHdfs.start(options)
}
afterEach(async () => {
  connections.close()
  await door.close()
})

const dial = () => connections.dial(door)

const head = (method: string, path: string, ...headers: readonly string[]): string =>
  [`${method} /webhdfs/v1${path} HTTP/1.1`, 'host: localhost', ...headers, '', ''].join('\r\n')

/** Ends when nothing is being written, read or served any more. */
const idle = async (): Promise<void> => {
  await expect.poll(() => door.memory.unfinished + door.memory.openHandles, { interval: 5 }).toBe(0)
  await expect.poll(() => door.metrics.prometheusText()).toContain('skein_door_requests_in_flight{door="webhdfs"} 0')
}

describe('paths', () => {
  it.each([
    ['/data/%zz', 400, 'java.lang.IllegalArgumentException'],
    ['/data/%e9', 400, 'java.lang.IllegalArgumentException'],
    ['/data/%', 400, 'java.lang.IllegalArgumentException'],
    ['/data/%00', 400, 'org.apache.hadoop.fs.InvalidPathException'],
    ['/data/../other/x', 400, 'org.apache.hadoop.fs.InvalidPathException'],
    ['/data/%2e%2e/x', 400, 'org.apache.hadoop.fs.InvalidPathException'],
    ['/data/./x', 400, 'org.apache.hadoop.fs.InvalidPathException'],
    ['/..', 400, 'org.apache.hadoop.fs.InvalidPathException'],
    ['//data', 400, 'org.apache.hadoop.fs.InvalidPathException'],
    ['/%2Fdata', 400, 'org.apache.hadoop.fs.InvalidPathException'],
    ['/%2e/x', 400, 'org.apache.hadoop.fs.InvalidPathException'],
    ['/.skein/x', 403, 'org.apache.hadoop.security.AccessControlException'],
    ['/data/.skein', 403, 'org.apache.hadoop.security.AccessControlException'],
    ['/data/%2eskein/x', 403, 'org.apache.hadoop.security.AccessControlException'],
    [`/data/${'x'.repeat(1025)}`, 400, 'org.apache.hadoop.fs.InvalidPathException'],
    ['/data/%ed%a0%80', 400, 'java.lang.IllegalArgumentException'],
  ])('%s is refused', async (path, status, javaClass) => {
    await start()
    for (const [method, operation] of [
      ['GET', 'OPEN'],
      ['GET', 'LISTSTATUS'],
      ['PUT', 'MKDIRS'],
      ['DELETE', 'DELETE'],
    ])
      expect((await door.refusal(method ?? '', `${path}?op=${operation}`)).slice(0, 2)).toEqual([status, javaClass])
  })

  it.each(['a+b', 'a%2Bb', 'a%2525b', 'a;b=c', 'a%3Fb', 'a%23b', 'a%0Ab', 'caf%C3%A9', 'a%26b', 'a:b', '%EF%BB%BFa'])(
    '%s names one file',
    async (encoded) => {
      await start()
      expect((await door.write(`/data/${encoded}`, 'x')).status).toBe(201)
      expect((await door.memory.stat(`/data/${decodeURIComponent(encoded)}`)).length).toBe(1)
      expect((await door.read(`/data/${encoded}`)).text).toBe('x')
      const moved = `/data/${encoded}?op=RENAME&destination=%2Fdata%2Fa+b`
      expect(await door.json('PUT', moved)).toEqual({ boolean: true })
      expect((await door.memory.stat('/data/a b')).length).toBe(1)
    },
  )

  it('an encoded slash is a slash, as in Hadoop', async () => {
    await start()
    await door.write('/data/a/b', 'x')
    expect((await door.read('/data/a%2Fb')).text).toBe('x')
  })

  it('may come in UTF-8 as it is, as Java sends it, in pieces, and again over one connection', async () => {
    await start()
    await door.write(`/data/${encodeURIComponent('é\u{1f600}')}`, 'found')
    const { socket, read } = await dial()
    const raw = Buffer.from(head('GET', '/data/é\u{1f600}?op=OPEN&data=true&length=5', 'content-length: 0'))
    socket.write(raw.subarray(0, 23))
    await new Promise((resolve) => setImmediate(resolve))
    socket.write(raw.subarray(23))
    await read(/200 OK[^]*found$/)
    socket.write(head('GET', '/data?op=GETFILESTATUS'))
    await read(/"type":"DIRECTORY"/)
  })

  it('in UTF-8 on a connection that was used already close it, so that the client repeats the request', async () => {
    await start()
    const { socket, read, ended } = await dial()
    socket.write(head('GET', '/data?op=GETFILESTATUS'))
    await read(/"type":"DIRECTORY"/)
    socket.write(head('GET', '/data/é?op=GETFILESTATUS'))
    await ended
    expect((await read(/./)).match(/HTTP\/1\.1/g)).toHaveLength(1)
  })

  it.each(['\u0001', '\t', '\u007f'])(
    'a control character in the line is a part of the name: %j',
    async (character) => {
      await start()
      const { socket, read } = await dial()
      socket.write(head('GET', `/data/a${character}b?op=GETFILESTATUS`))
      await read(/404 Not Found[^]*FileNotFoundException/)
    },
  )
})

describe('requests', () => {
  it('with a head that is too large get 431', async () => {
    await start()
    const { socket, read, ended } = await dial()
    socket.write(head('GET', '/data?op=GETFILESTATUS', `x-large: ${'x'.repeat(40_000)}`))
    await read(/^HTTP\/1\.1 431/)
    await ended
  })

  it('with a line that does not end are closed', async () => {
    await start()
    const { socket, ended, read } = await dial()
    socket.write(`GET /webhdfs/v1/${'x'.repeat(40_000)}`)
    await read(/^HTTP\/1\.1 4\d\d/)
    await ended
  })

  it('that are no HTTP get 400', async () => {
    await start()
    const { socket, read, ended } = await dial()
    socket.write('hello\r\n\r\n')
    await read(/^HTTP\/1\.1 400/)
    await ended
  })

  it('with too many parameters are refused', async () => {
    await start()
    const query = Array.from({ length: 200 }, (_, index) => `p${index}=1`).join('&')
    expect((await door.refusal('GET', `/data?op=GETFILESTATUS&${query}`))[0]).toBe(400)
    expect((await door.refusal('GET', '/data?op=GETFILESTATUS&%ff=1'))[0]).toBe(400)
    expect((await door.refusal('GET', '/data?op=GETFILESTATUS&user.name=%ff'))[0]).toBe(400)
  })

  it.each([
    [{ host: 'evil.example' }, 'evil.example'],
    [{ origin: 'http://evil.example' }, 'web pages'],
    [{ 'sec-fetch-site': 'cross-site' }, 'web pages'],
  ])('that a web page may have sent are refused: %j', async (headers, message) => {
    await start()
    const [status, javaClass, told] = await door.refusal('GET', '/?op=LISTSTATUS', { headers })
    expect([status, javaClass]).toEqual([403, 'org.apache.hadoop.security.AccessControlException'])
    expect(told).toContain(message)
  })

  it('beyond the limit are told to come again', async () => {
    await start({ limits: { requestsMax: 1 } })
    const { socket, read } = await dial()
    socket.write(head('PUT', '/data/a?op=CREATE&data=true', 'content-length: 3'))
    await expect.poll(() => door.memory.unfinished).toBe(1)
    const told = await door.refusal('GET', '/data?op=GETFILESTATUS')
    expect(told.slice(0, 2)).toEqual([403, 'org.apache.hadoop.ipc.RetriableException'])
    socket.write('abc')
    await read(/201 Created/)
  })
})

describe('bodies', () => {
  it('are asked for when they are wanted', async () => {
    await start()
    const { socket, read } = await dial()
    socket.write(head('PUT', '/data/a?op=CREATE&data=true', 'expect: 100-continue', 'content-length: 3'))
    await read(/^HTTP\/1\.1 100 Continue/)
    socket.write('abc')
    await read(/201 Created/)
    expect((await door.read('/data/a')).text).toBe('abc')
  })

  it('are not asked for by the redirect, nor by a refusal', async () => {
    await start()
    for (const path of ['/data/a?op=CREATE', '/nowhere/a?op=CREATE&data=true']) {
      const { socket, read, ended } = await dial()
      socket.write(head('PUT', path, 'expect: 100-continue', 'content-length: 3'))
      await read(/^HTTP\/1\.1 (?:307|404)/)
      await ended
    }
  })

  it('that break off leave nothing', async () => {
    await start()
    for (const length of ['content-length: 10', 'transfer-encoding: chunked']) {
      const { socket } = await dial()
      socket.write(`${head('PUT', '/data/a?op=CREATE&data=true', length)}3\r\nabc`)
      await expect.poll(() => door.memory.unfinished).toBe(1)
      socket.destroy()
      await idle()
      expect((await door.refusal('GET', '/data/a?op=GETFILESTATUS'))[0]).toBe(404)
    }
  })

  it('that stall end the request', async () => {
    await start({ limits: { idleMs: 100 } })
    const { socket, ended } = await dial()
    socket.write(`${head('PUT', '/data/a?op=CREATE&data=true', 'content-length: 10')}abc`)
    await ended
    await idle()
  })
})

describe('readers', () => {
  const large = Buffer.alloc(8 * 1024 * 1024, 7)

  it('that leave in the middle end the read', async () => {
    await start()
    await door.memory.create('/data/large').then(async (output) => {
      await output.write(large)
      await output.close()
    })
    for (let round = 0; round < 3; round += 1) {
      const { socket, read } = await dial()
      socket.write(head('GET', `/data/large?op=OPEN&data=true&offset=${round}`))
      await read(/200 OK/)
      socket.destroy()
    }
    await idle()
  })

  it('that take nothing are ended', async () => {
    // Long enough to see that the file is open.
    await start({ limits: { idleMs: 2000 } })
    await door.memory.create('/data/large').then(async (output) => {
      await output.write(Buffer.alloc(32 * 1024 * 1024))
      await output.close()
    })
    const { socket, ended } = await dial()
    socket.pause()
    socket.write(head('GET', '/data/large?op=OPEN&data=true'))
    await expect.poll(() => door.memory.openHandles).toBe(1)
    await expect.poll(() => door.memory.openHandles).toBe(0)
    socket.resume()
    await ended
  })

  it('see a broken connection when the bytes cannot be had', async () => {
    await start()
    await door.memory.create('/data/a').then(async (output) => {
      await output.write(large)
      await output.close()
    })
    const { memory } = door
    const open = memory.open.bind(memory)
    memory.open = async (path) => {
      const handle = await open(path)
      return {
        status: handle.status,
        read: () => Promise.reject(new Error('not used')),
        bytes: () => Promise.reject(new Error('not used')),
        close: () => handle.close(),
        async *stream() {
          yield large.subarray(0, 100)
          throw new SkeinError('data_loss', 'rotten')
        },
      }
    }
    await expect(door.read('/data/a')).rejects.toThrow(/aborted|ECONNRESET|hang up/)
    await idle()
  })
})

describe('errors of the file system', () => {
  it.each<[SkeinError, number, string, string]>([
    [new SkeinError('unavailable', 'no worker'), 403, 'org.apache.hadoop.ipc.RetriableException', 'no worker'],
    [
      ...([new SkeinError('unavailable', 'ends', { reason: 'stopping' }), 403] as const),
      ...(['org.apache.hadoop.ipc.StandbyException', 'ends: StandbyException'] as const),
    ],
    [new SkeinError('resource_exhausted', 'no room'), 403, 'java.io.IOException', 'no room'],
    [new SkeinError('data_loss', 'rotten'), 403, 'java.io.IOException', 'rotten'],
    [new SkeinError('internal', 'secret'), 500, 'java.lang.RuntimeException', 'The gateway met an internal error'],
    [new SkeinError('invalid_argument', 'two\nlines'), 400, 'java.lang.IllegalArgumentException', 'two lines'],
  ])('%s', async (error, status, javaClass, message) => {
    await start()
    door.memory.stat = async () => {
      throw error
    }
    const told = await door.refusal('GET', '/data/a?op=GETFILESTATUS')
    expect(told.slice(0, 2)).toEqual([status, javaClass])
    expect(told[2]).toContain(message)
  })

  it('after signs of life break the answer off; answers are whole', async () => {
    await start({ limits: { keepAliveMs: 20 } })
    const { memory } = door
    const summary = memory.summary.bind(memory)
    let fails = false
    memory.summary = async (path) => {
      await new Promise((resolve) => setTimeout(resolve, 200))
      if (fails) throw new SkeinError('unavailable', 'too late')
      return summary(path)
    }
    const { status, text } = await door.ask('GET', '/?op=GETCONTENTSUMMARY')
    expect([status, text.startsWith(' ')]).toEqual([200, true])
    expect(JSON.parse(text)).toMatchObject({ ContentSummary: { fileCount: 0 } })
    fails = true
    await expect(door.ask('GET', '/?op=GETCONTENTSUMMARY')).rejects.toThrow(/aborted|ECONNRESET|hang up/)
  })
})

describe('the port', () => {
  it('is opened on loopback only', async () => {
    await start()
    const fileSystem = new MemoryFileSystem(systemClock, ['data'])
    const options = { host: '0.0.0.0', port: 0, names: [], blockSizeBytes: 1 }
    const pieces = sentMemory(1, systemClock)
    const parts = {
      fileSystem,
      pieces,
      clock: systemClock,
      logger: silentLogger,
      metrics: new MetricRegistry('gateway'),
    }
    await expect(startWebHdfsDoor({ ...parts, options })).rejects.toThrow('cannot listen on 0.0.0.0')
  })

  it('has a limit of connections, at which idle ones make room', async () => {
    await start({ limits: { connectionsMax: 50, peerConnectionsMax: 50 } })
    const silent = await Promise.all(Array.from({ length: 200 }, () => dial()))
    expect((await door.ask('GET', '/data?op=GETFILESTATUS')).status).toBe(200)
    const text = door.metrics.prometheusText()
    expect(Number(/skein_door_connections\{door="webhdfs"\} (\d+)/.exec(text)?.[1])).toBeLessThanOrEqual(50)
    expect(
      silent.filter(({ socket }) => socket.destroyed || socket.readyState === 'closed').length,
    ).toBeLessThanOrEqual(200)
  })

  it('counts what it does', async () => {
    await start()
    await door.write('/data/a', 'abc')
    await door.read('/data/a')
    await door.ask('GET', '/data/none?op=GETFILESTATUS')
    const text = door.metrics.prometheusText()
    for (const line of [
      'skein_door_sent_bytes_total{door="webhdfs"} 3',
      'skein_door_received_bytes_total{door="webhdfs"} 3',
      'skein_door_requests_total{door="webhdfs",operation="read",outcome="ok"} 2',
      'skein_door_requests_total{door="webhdfs",operation="write",outcome="ok"} 2',
      'skein_door_requests_total{door="webhdfs",operation="stat",outcome="client_error"} 1',
    ])
      expect(text).toContain(line)
  })

  it('ends what is running when it closes', async () => {
    await start()
    const { socket, ended } = await dial()
    socket.write(`${head('PUT', '/data/a?op=CREATE&data=true', 'content-length: 10')}abc`)
    await expect.poll(() => door.memory.unfinished).toBe(1)
    await door.close()
    await ended
    await idle()
  })
})

it('refusals name one class', async () => {
  await start()
  expect(refusalOf(await door.ask('GET', '/data/none?op=OPEN'))[0]).toBe(404)
})
