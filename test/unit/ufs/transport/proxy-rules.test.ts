import { describe, expect, it } from 'vitest'
import { parseProxy, proxyFor } from '../../../../src/ufs/transport/proxy-rules.ts'

describe('which proxy a request goes by', () => {
  const http = parseProxy('http://one:3128', 'HTTP_PROXY')
  const https = parseProxy('two:8080', 'HTTPS_PROXY')

  it('goes by the scheme of the endpoint', () => {
    expect(proxyFor(new URL('http://store'), { http, https })?.name).toBe('http://one:3128')
    expect(proxyFor(new URL('https://store'), { http, https })?.name).toBe('http://two:8080')
    expect(proxyFor(new URL('https://store'), { http })).toBeUndefined()
  })

  it.each([
    ['*', 'http://anything', true],
    ['store.example', 'http://store.example', true],
    ['store.example', 'http://bucket.store.example', true],
    ['store.example', 'http://mystore.example', false],
    ['.store.example', 'http://bucket.store.example', true],
    ['*.store.example', 'http://bucket.store.example', true],
    ['STORE.Example', 'http://store.example', true],
    ['store.example.', 'http://store.example', true],
    ['a, b store.example,c', 'http://store.example', true],
    ['store.example:9000', 'http://store.example:9000', true],
    ['store.example:9000', 'http://store.example', false],
    ['store.example:80', 'http://store.example', true],
    ['store.example:443', 'https://store.example', true],
    ['127.0.0.1', 'http://127.0.0.1:9000', true],
    ['127.0.0.1:9000', 'http://127.0.0.1:9000', true],
    ['27.0.0.1', 'http://127.0.0.1', false],
    ['10.0.0.0/8', 'http://10.20.30.40', true],
    ['10.0.0.0/8', 'http://11.20.30.40', false],
    ['10.0.0.0/8', 'http://10.example', false],
    ['[::1]:9000', 'http://[::1]:9000', true],
    ['::1', 'http://[::1]:9000', true],
    ['fd00::/8', 'http://[fd00::1]', true],
    ['', 'http://store.example', false],
    ['.', 'http://store.example', false],
    ['10.0.0.0/99', 'http://10.0.0.1', false],
  ])('NO_PROXY=%s and %s: straight is %s', (except, origin, straight) => {
    expect(proxyFor(new URL(origin), { http, https, except }) === undefined).toBe(straight)
  })

  it('reads names and passwords, and shows neither', () => {
    const proxy = parseProxy('http://us%40er:p%3Aw@host', 'HTTP_PROXY')
    expect(proxy.name).toBe('http://host:80')
    expect(proxy.authorization?.reveal()).toBe(`Basic ${Buffer.from('us@er:p:w').toString('base64')}`)
    expect(JSON.stringify(proxy)).not.toContain('p%3Aw')
    expect(parseProxy('https://host', 'HTTPS_PROXY')).toMatchObject({ secure: true, port: 443 })
    expect(parseProxy('http://[::1]:3128', 'HTTP_PROXY')).toMatchObject({ host: '::1', name: 'http://[::1]:3128' })
  })

  it.each([
    'socks5://canary:1080',
    'http://',
    'http://canary:pw@host:99999',
    'http://canary/path',
    'http://u:%zz@host',
  ])('refuses %s by the name of the setting, without a word of it', (text) => {
    expect(() => parseProxy(text, 'HTTP_PROXY')).toThrow(/^HTTP_PROXY/)
    expect(() => parseProxy(text, 'HTTP_PROXY')).not.toThrow(/canary|pw/)
  })
})
