import { describe, expect, it } from 'vitest'
import { isPresigned, redirectTarget } from '../../../../src/ufs/transport/redirects.ts'

describe('where a Location sends a read', () => {
  const http = new URL('http://store:9000')
  const https = new URL('https://store')
  const told = (location: string, from = http): string => {
    const target = redirectTarget(location, from)
    return typeof target === 'string' ? `no: ${target}` : `${target.origin.origin} ${target.path} ${target.query}`
  }

  it.each([
    ['http://node-2:9001/bucket/key?x=1', 'http://node-2:9001 /bucket/key x=1'],
    ['HTTP://node-2:80/a%20b/../c#f', 'http://node-2 /a%20b/../c '],
    ['//node-2/key', 'http://node-2 /key '],
    ['/other/key?x', 'http://store:9000 /other/key x'],
    ['http://node-2', 'http://node-2 / '],
  ])('%s is followed to %s', (location, target) => expect(told(location)).toBe(target))

  it.each([
    ['https://store/key', http, 'another scheme'],
    ['http://store/key', https, 'another scheme'],
    ['ftp://store/key', http, 'is malformed'],
    ['http://user:canary@node/key', http, 'user name'],
    ['key', http, 'is malformed'],
    ['http://node/a b', http, 'is malformed'],
    ['http://no de/', http, 'is malformed'],
    ['', http, 'is malformed'],
  ])('%s is not followed', (location, from, words) => {
    expect(told(location, from)).toContain(words)
    expect(told(location, from)).not.toContain('canary')
  })

  it('knows addresses that are signed already', () => {
    expect(isPresigned('a=1&X-Amz-Signature=abc')).toBe(true)
    expect(isPresigned('q-sign-algorithm=sha1&q-signature=1')).toBe(true)
    expect(isPresigned('versionId=1')).toBe(false)
  })
})
