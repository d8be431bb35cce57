// Why: over TLS the bytes are as over TCP, and come only from a server whose name and authority
// fit.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createSecureServer } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { answer, type Behaviour, closeAll, get, noise, openPool, serve } from './support/raw-http.ts'

afterEach(closeAll)

describe('GETs over TLS', () => {
  const directory = mkdtempSync(join(tmpdir(), 'skein-tls-'))
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')]
  const tool = 'openssl'
  const names = ['-subj', '/CN=store.localhost', '-addext', 'subjectAltName=DNS:store.localhost,IP:127.0.0.1']
  execFileSync(
    tool,
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      key,
      '-out',
      cert,
      ...names,
    ],
    { stdio: 'ignore' },
  )
  const pem = { key: readFileSync(key), cert: readFileSync(cert) }
  rmSync(directory, { recursive: true })
  const behave =
    (body: Buffer): Behaviour =>
    (socket) =>
      void socket.write(answer(body))
  const secure = (onSocket: (socket: Socket) => void): Server => createSecureServer(pem, onSocket)

  it('read large and small bodies from a server whose name and authority fit, by name and by address', async () => {
    const body = noise(5_000_000)
    const server = await serve(behave(body), secure)
    for (const host of ['store.localhost', '127.0.0.1']) {
      const pool = openPool(0, { origin: new URL(`https://${host}:${server.port}`), ca: pem.cert.toString() })
      for (const spaceBytes of [1_000_000, 50_000, 5_000_000])
        expect((await get(pool, '/', spaceBytes)).body.equals(body)).toBe(true)
    }
    expect(server.state.connections).toBe(2)
  })

  it('refuse another name and an unknown authority', async () => {
    const server = await serve(behave(Buffer.from('secret')), secure)
    const other = openPool(0, { origin: new URL(`https://other.localhost:${server.port}`), ca: pem.cert.toString() })
    await expect(get(other)).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
    const unknown = openPool(0, { origin: new URL(`https://store.localhost:${server.port}`) })
    await expect(get(unknown)).rejects.toMatchObject({ code: expect.stringMatching(/SELF_SIGNED|CERT/) })
    expect(server.requests).toEqual([])
  })

  it('notice silence there, too', async () => {
    const server = await serve(() => undefined, secure)
    const pool = openPool(0, {
      origin: new URL(`https://127.0.0.1:${server.port}`),
      ca: pem.cert.toString(),
      silenceMaxMs: 200,
    })
    await expect(get(pool)).rejects.toMatchObject({ code: 'HEADERS_TIMEOUT' })
  })

  it('give up on a server that accepts and never shakes hands', async () => {
    const server = await serve(() => undefined)
    const pool = openPool(0, {
      origin: new URL(`https://127.0.0.1:${server.port}`),
      connectTimeoutMs: 200,
      silenceMaxMs: 5000,
    })
    await expect(get(pool)).rejects.toMatchObject({ code: 'CONNECT_TIMEOUT' })
  })
})
