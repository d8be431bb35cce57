import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { guardedLookup } from '../../../src/ufs/s3/request/endpoint-guard.ts'
import type { PendingRequest } from '../../../src/ufs/transport/http-pool.ts'
import { answer, cleanups, closeAll, Gather, get, noise, openPool, serve } from './support/raw-http.ts'

afterEach(closeAll)

describe('GETs over kept connections', () => {
  it('give the bytes of bodies of any length, in any pieces, one after another on one connection', async () => {
    const bodies = [0, 1, 999, 1000, 1001, 70_000, 300_000].map(noise)
    const server = await serve((socket, _request, count) => {
      const wire = answer(bodies[(count - 1) % bodies.length] ?? Buffer.alloc(0))
      for (let at = 0; at < wire.length; at += count > bodies.length ? 40_001 : wire.length)
        socket.write(wire.subarray(at, at + (count > bodies.length ? 40_001 : wire.length)))
    })
    const pool = openPool(server.port)
    for (const round of [1, 100_000])
      for (const body of bodies) expect((await get(pool, '/x', round === 1 ? 777 : round)).body.equals(body)).toBe(true)
    expect(server.state.connections).toBe(1)
    expect(server.requests[0]).toBe('GET /x HTTP/1.1\r\nhost: h')
  })

  it('read a head byte by byte, skip 1xx, understand chunks and bodies that end with the connection', async () => {
    const wires = [
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n' +
        'Content-Length: 5\r\n\r\nhello',
      'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n',
      'HTTP/1.1 500 Oops\r\n\r\nhello',
    ]
    const server = await serve((socket, _request, count) => {
      void (async () => {
        for (const byte of wires[(count - 1) % 3] ?? '') {
          socket.write(byte)
          await new Promise((resolve) => setImmediate(resolve))
        }
        if (count % 3 === 0) socket.end()
      })()
    })
    const pool = openPool(server.port)
    for (const status of [200, 404, 500, 200])
      expect(await get(pool)).toMatchObject({ status, body: Buffer.from('hello') })
    expect(server.state.connections).toBe(2)
  })

  it.each<[string, string, RegExp]>([
    ['no HTTP', 'SSH-2.0-OpenSSH\r\n\r\n', /not HTTP/],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx', /Content-Length/],
    ['an endless head', `HTTP/1.1 200 OK\r\n${`X: ${'y'.repeat(1000)}\r\n`.repeat(100)}`, /too long/],
    ['a switch of protocols', 'HTTP/1.1 101 Switching\r\n\r\n', /another protocol/],
    ['a bad chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', /chunk/],
  ])('fail and close the connection after %s', async (_what, wire, message) => {
    const server = await serve((socket, _request, count) => socket.write(count === 1 ? wire : answer('fine')))
    const pool = openPool(server.port)
    await expect(get(pool)).rejects.toThrow(message)
    expect((await get(pool)).body.toString()).toBe('fine')
    expect(server.state.connections).toBe(2)
    await expect.poll(() => server.open.size).toBe(1)
  })

  it('never let bytes behind one answer into the next', async () => {
    const server = await serve((socket, request, count) =>
      socket.write(Buffer.concat([answer(request.slice(4, 6)), Buffer.from(count === 1 ? answer('evil') : '')])),
    )
    const pool = openPool(server.port, { connectionsMax: 1 })
    const got = await Promise.all(['/a', '/b', '/c'].map((path) => get(pool, path)))
    expect(got.map(({ body }) => body.toString())).toEqual(['/a', '/b', '/c'])
    expect(server.state.connections).toBe(2)
  })

  it('close an idle connection that is too old, has unasked bytes, or is about to be closed', async () => {
    const server = await serve((socket, _request, count) => {
      socket.write(answer('x', count === 2 ? 'Keep-Alive: timeout=1\r\n' : count === 3 ? 'Connection: close\r\n' : ''))
      if (count === 1) setTimeout(() => socket.write(answer('evil')), 20)
    })
    const pool = openPool(server.port)
    await get(pool)
    await expect.poll(() => server.open.size).toBe(0)
    for (let round = 0; round < 3; round += 1) expect((await get(pool)).body.toString()).toBe('x')
    expect(server.state.connections).toBe(4)
  })

  it('notice silence before, in and behind the head, and a cut', async () => {
    const wires = ['', 'HTTP/1.1 200', 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf']
    const server = await serve((socket, _request, count) => {
      if (count <= 3) socket.write(wires[count - 1] ?? '')
      else if (count === 4) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
      else socket.resetAndDestroy()
    })
    const pool = openPool(server.port, { silenceMaxMs: 1000 })
    await expect(get(pool)).rejects.toMatchObject({ code: 'HEADERS_TIMEOUT' })
    await expect(get(pool)).rejects.toMatchObject({ code: 'HEADERS_TIMEOUT' })
    await expect(get(pool)).rejects.toMatchObject({ code: 'BODY_TIMEOUT' })
    await expect(get(pool)).rejects.toMatchObject({ code: 'CONNECTION_CUT' })
    await expect(get(pool)).rejects.toMatchObject({ code: 'ECONNRESET' })
    await expect.poll(() => server.open.size).toBe(0)
  })

  it('notice a head that trickles for ever', async () => {
    const server = await serve((socket) => {
      const timer = setInterval(() => socket.write('x'), 20)
      socket.on('close', () => clearInterval(timer))
      socket.write('HTTP/1.1 200 OK\r\nX: ')
    })
    await expect(get(openPool(server.port, { silenceMaxMs: 200 }))).rejects.toMatchObject({ code: 'HEADERS_TIMEOUT' })
  })

  it('hold a fast server back while the reader does not want more, without taking that for silence', async () => {
    const body = noise(12_000_000)
    let flushed = false
    const server = await serve((socket) => socket.write(answer(body), () => (flushed = true)))
    const pool = openPool(server.port, { silenceMaxMs: 1500 })
    let taken = 0
    let wanted = 500_000
    const gather = new Gather(100_000, (bytes) => {
      taken += bytes
      return taken < wanted
    })
    const pending = pool.get('/', [], gather)
    await expect.poll(() => taken).toBeGreaterThanOrEqual(wanted)
    await systemClock.sleep(3500, new AbortController().signal)
    expect(taken).toBeLessThan(800_000)
    expect(flushed).toBe(false)
    wanted = Number.POSITIVE_INFINITY
    pending.resume()
    expect((await gather.done).body.equals(body)).toBe(true)
  })

  it('notice silence behind a pause', async () => {
    const server = await serve((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf'))
    const gather = new Gather(4, () => false)
    const pending = openPool(server.port, { silenceMaxMs: 1000 }).get('/', [], gather)
    await expect.poll(() => server.requests.length).toBe(1)
    await systemClock.sleep(2500, new AbortController().signal)
    expect(gather.calls).toBe(0)
    pending.resume()
    await expect(gather.done).rejects.toMatchObject({ code: 'BODY_TIMEOUT' })
  })

  it('abort: nothing more is heard, the connection goes, and what waits in line goes on', async () => {
    const server = await serve((socket, request) => {
      if (request.startsWith('GET /slow')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
      else socket.write(answer('fine'))
    })
    const pool = openPool(server.port, { connectionsMax: 1, silenceMaxMs: 5000 })
    const slow = new Gather()
    const queued = new Gather()
    const pending: PendingRequest = pool.get('/slow', [], slow)
    const waiting = pool.get('/never', [], queued)
    const last = get(pool, '/last')
    await expect.poll(() => server.requests.length).toBe(1)
    waiting.abort()
    pending.abort()
    pending.abort()
    expect((await last).body.toString()).toBe('fine')
    expect(server.requests.map((request) => request.split(' ')[1])).toEqual(['/slow', '/last'])
    expect([slow.calls, queued.calls]).toEqual([0, 0])
  })

  it('fail every one that waits when nothing listens, and recover', async () => {
    const server = await serve((socket) => socket.write(answer('fine')))
    const other = await serve(() => undefined)
    cleanups.pop()?.()
    await expect.poll(() => other.open.size).toBe(0)
    const pool = openPool(other.port, { connectionsMax: 2 })
    const results = await Promise.allSettled(Array.from({ length: 9 }, () => get(pool)))
    for (const result of results) expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ECONNREFUSED' } })
    expect((await get(openPool(server.port))).body.toString()).toBe('fine')
  })

  it('never open more connections than allowed, and answer all', async () => {
    const server = await serve((socket, request, count) =>
      setTimeout(
        () =>
          count % 7 === 0
            ? socket.end(answer(request.slice(4, 9), 'Connection: close\r\n'))
            : socket.write(answer(request.slice(4, 9))),
        count % 3,
      ),
    )
    const pool = openPool(server.port, { connectionsMax: 3 })
    let most = 0
    const paths = Array.from({ length: 200 }, (_, index) => `/${1000 + index}`)
    const got = await Promise.all(
      paths.map(async (path) => {
        const { body } = await get(pool, path)
        most = Math.max(most, server.open.size)
        return body.toString()
      }),
    )
    expect(got).toEqual(paths)
    expect(most).toBeLessThanOrEqual(4)
  })

  it('fail what is under way and what waits when the pool is closed, and refuse more', async () => {
    const server = await serve(() => undefined)
    const pool = openPool(server.port, { connectionsMax: 1 })
    const both = [get(pool), get(pool)]
    await expect.poll(() => server.requests.length).toBe(1)
    pool.close()
    for (const each of both) await expect(each).rejects.toMatchObject({ code: 'cancelled' })
    expect(() => pool.get('/', [], new Gather())).toThrow(/closed/)
    await expect.poll(() => server.open.size).toBe(0)
  })

  it('do not send what would become a header of its own', async () => {
    const pool = openPool(1)
    for (const value of ['a\r\nx: y', 'a\nb', 'a\0', '\u20ac'])
      expect(() => pool.get('/', ['if-match', value], new Gather())).toThrow(/HTTP cannot send/)
    for (const path of ['/a b', '/a\r\nx: y', '/\u00fc'])
      expect(() => pool.get(path, [], new Gather())).toThrow(/HTTP cannot send/)
  })

  it('refuse names that lead to private addresses when the guard says so', async () => {
    const pool = openPool(1, { origin: new URL('http://store.localhost:1'), lookup: guardedLookup(false) })
    await expect(get(pool)).rejects.toMatchObject({ code: 'permission_denied', reason: 'endpoint_not_allowed' })
  })
})
