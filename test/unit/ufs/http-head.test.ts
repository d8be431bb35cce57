import { array, assert, constantFrom, integer, property, string, uint8Array } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AnswerFault, ChunkedBody, parseHead } from '../../../src/ufs/transport/http-head.ts'

const head = (...lines: string[]) => parseHead(['HTTP/1.1 206 Partial Content', ...lines].join('\r\n'))

describe('the head of an answer', () => {
  it('gives status, headers, framing and how long the connection may be kept', () => {
    const parsed = head(
      'Content-Length: 42',
      'ETag:  "a b"  ',
      'X-Two: 1',
      'x-two: 2',
      'Keep-Alive: timeout=5, max=100',
    )
    expect(parsed).toMatchObject({ status: 206, body: 42, keep: true, keepMaxMs: 5000 })
    expect(parsed.headers.get('etag')).toBe('"a b"')
    expect(parsed.headers.get('x-two')).toBe('1, 2')
    expect(head('Transfer-Encoding: Chunked')).toMatchObject({ body: 'chunked', keep: true })
    expect(head('content-length: 1', 'Connection: Keep-Alive, Close').keep).toBe(false)
    expect(head()).toMatchObject({ body: 'close', keep: false })
    expect(parseHead('HTTP/1.0 200 OK\r\nContent-Length: 1')).toMatchObject({ body: 1, keep: false })
    expect(parseHead('HTTP/1.1 204')).toMatchObject({ body: 0 })
    expect(parseHead('HTTP/1.1 304 Not Modified\r\nContent-Length: 99')).toMatchObject({ body: 0 })
    expect(parseHead('HTTP/1.1 100 Continue')).toMatchObject({ body: 0 })
  })

  it.each([
    ['no status line', 'hello'],
    ['another protocol', 'HTTP/2 200 OK'],
    ['a status that is none', 'HTTP/1.1 999 OK'],
    ['a longer status', 'HTTP/1.1 2000 OK'],
    ['a blank before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 5'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nX: a\r\n b'],
    ['no colon', 'HTTP/1.1 200 OK\r\nnonsense'],
    ['no name', 'HTTP/1.1 200 OK\r\n: x'],
    ['a bare line feed', 'HTTP/1.1 200 OK\r\nX: a\nContent-Length: 5'],
    ['a bare carriage return', 'HTTP/1.1 200 OK\r\nX: a\rb'],
    ['a NUL', 'HTTP/1.1 200 OK\r\nX: a\0b'],
    ['a length with a sign', 'HTTP/1.1 200 OK\r\nContent-Length: +5'],
    ['a length in hexadecimal', 'HTTP/1.1 200 OK\r\nContent-Length: 0x5'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6'],
    ['a length beyond all numbers', 'HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999'],
    ['a length and a coding', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked'],
    ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked'],
  ])('is refused with %s', (_what, text) => {
    expect(() => parseHead(text)).toThrow(AnswerFault)
  })

  it('is read or refused, whatever it holds', () => {
    assert(
      property(
        array(
          constantFrom(
            'HTTP/1.1 200 OK',
            '\r\n',
            '\r',
            '\n',
            ':',
            'content-length',
            'transfer-encoding',
            'chunked',
            '5',
            ' ',
            '\0',
          ),
        ),
        (parts) => {
          try {
            expect(parseHead(parts.join('')).status).toBe(200)
          } catch (thrown) {
            expect(thrown).toBeInstanceOf(AnswerFault)
          }
        },
      ),
    )
  })
})

describe('a chunked body', () => {
  const feedAll = (wire: Buffer, cuts: readonly number[]): { body: Buffer; used: number; done: boolean } => {
    const chunked = new ChunkedBody()
    const parts: Buffer[] = []
    let used = 0
    const bounds = [0, ...cuts.map((cut) => cut % (wire.length + 1)).sort((a, b) => a - b), wire.length]
    for (const [index, from] of bounds.slice(0, -1).entries()) {
      if (chunked.done) break
      used += chunked.feed(wire.subarray(from, bounds[index + 1]), (part) => parts.push(Buffer.from(part)))
    }
    return { body: Buffer.concat(parts), used, done: chunked.done }
  }

  it('is put together again, however it was cut on its way', () => {
    assert(
      property(
        array(uint8Array({ minLength: 1, maxLength: 40 })),
        array(integer({ min: 0, max: 5000 })),
        string({ maxLength: 5 }),
        (chunks, cuts, behind) => {
          const wire = Buffer.concat([
            ...chunks.flatMap((chunk, index) => [
              Buffer.from(`${chunk.length.toString(16)}${index % 2 === 0 ? '' : ';name=value'}\r\n`),
              Buffer.from(chunk),
              Buffer.from('\r\n'),
            ]),
            Buffer.from('000\r\nTrailer: x\r\n\r\n'),
          ])
          const got = feedAll(Buffer.concat([wire, Buffer.from(behind)]), cuts)
          expect(got.done).toBe(true)
          expect(got.used).toBe(wire.length)
          expect(got.body.equals(Buffer.concat(chunks))).toBe(true)
        },
      ),
    )
  })

  it.each([
    'x\r\n',
    '\r\n',
    '-1\r\n',
    '5\nhello',
    '5\r\nhello!\r\n',
    '5\r\nhello\n',
    '1000000000000\r\n',
    '0'.repeat(2000),
  ])('refuses %j', (wire) => {
    expect(() => feedAll(Buffer.from(wire), [])).toThrow(AnswerFault)
  })
})
