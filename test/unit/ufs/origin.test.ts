import { createHash } from 'node:crypto'
import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { assert, property, string } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { Secret } from '../../../src/base/secret.ts'
import { encodeKey, RequestSigner, signingKey } from '../../../src/ufs/s3/request/sigv4.ts'
import { OriginBucket } from '../../support/origin/bucket.ts'
import { crc64, Noise } from '../../support/origin/content.ts'
import { SignatureCheck } from '../../support/origin/signature-check.ts'

function incoming(path: string, flat: readonly string[]): IncomingMessage {
  const request = new IncomingMessage(new Socket())
  request.method = 'GET'
  request.url = path
  for (let at = 0; at + 1 < flat.length; at += 2) request.headers[flat[at] ?? ''] = flat[at + 1] ?? ''
  return request
}

describe('signatures', () => {
  const credential = { accessKeyId: 'AKID', secretAccessKey: 'secret', sessionToken: 'token/+=' }
  const signer = (secret = 'secret'): RequestSigner =>
    new RequestSigner(
      {
        accessKeyId: new Secret('AKID'),
        secretAccessKey: new Secret(secret),
        sessionToken: new Secret('token/+='),
        region: 'ap-guangzhou',
      },
      'b.cos.example',
      [['x-cos-traffic-limit', '819200']],
      systemClock,
    )
  const check = new SignatureCheck([credential])

  it('are the same from the signer and from the independent check, for any key', () => {
    assert(
      property(string({ unit: 'grapheme', minLength: 1, maxLength: 60 }), (key) => {
        const path = `/${encodeKey(key)}`
        expect(decodeURIComponent(path.slice(1))).toBe(key)
        expect(check.problem(incoming(path, signer().sign('GET', path)))).toBeUndefined()
      }),
    )
  })

  it('are refused for another secret, path, token, date or unsigned header', () => {
    const sign = (change: (headers: string[]) => void): string | undefined => {
      const headers = signer().sign('GET', '/a')
      change(headers)
      return check.problem(incoming('/a', headers))
    }
    expect(sign(() => undefined)).toBeUndefined()
    expect(check.problem(incoming('/a', signer('other').sign('GET', '/a')))).toBe('SignatureDoesNotMatch')
    expect(check.problem(incoming('/b', signer().sign('GET', '/a')))).toBe('SignatureDoesNotMatch')
    expect(sign((headers) => headers.splice(headers.indexOf('token/+='), 1, 'other'))).toBe('SignatureDoesNotMatch')
    expect(sign((headers) => headers.push('x-amz-acl', 'public-read'))).toBe('AccessDenied')
    expect(sign((headers) => headers.splice(0, headers.length))).toBe('AccessDenied')
    const late = signer()
    late.correctClock(Date.now() - 3_600_000)
    expect(check.problem(incoming('/a', late.sign('GET', '/a')))).toBe('RequestTimeTooSkewed')
  })

  it('derive the key as the specification chains it', () => {
    const sha = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
    expect(sha(signingKey('a', '20260101', 'r'))).not.toBe(sha(signingKey('a', '20260102', 'r')))
    expect(signingKey('a', '20260101', 'r')).toHaveLength(32)
  })
})

describe('generated content', () => {
  it('has the checksum of the standard', () => {
    // CRC-64/XZ check value: 0x995DC9BBDF1939FA.
    expect(crc64([Buffer.from('123456789')])).toBe(0x995dc9bbdf1939fan.toString())
    expect(crc64([Buffer.from('1234'), Buffer.from('56789')])).toBe(0x995dc9bbdf1939fan.toString())
  })

  it('is the same for any range, differs by key and version, and does not repeat at block bounds', () => {
    const bucket = new OriginBucket('b', new Noise(1))
    const first = bucket.generate('k', 20_000_000)
    const whole = bucket.bytesOf('k')
    expect(
      Buffer.concat([...bucket.slices(first, 4_194_000, 5_000_000)]).equals(whole.subarray(4_194_000, 9_194_000)),
    ).toBe(true)
    expect(whole.subarray(0, 1000).equals(whole.subarray(4_194_304, 4_195_304))).toBe(false)
    const second = bucket.overwrite('k')
    expect(second.etag).not.toBe(first.etag)
    expect(bucket.bytesOf('k').equals(whole)).toBe(false)
  })
})
