import { request } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { startWebServer, type RunningWebServer } from '../../../src/wire/http/web.ts'

let server: RunningWebServer | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

const get = async (path: string, init?: RequestInit): Promise<{ status: number; text: string }> => {
  const response = await fetch(`http://${server?.address}${path}`, { ...init, headers: { connection: 'close' } })
  return { status: response.status, text: await response.text() }
}

/** As a browser or a scraper may ask: fetch sets no Host of its own. */
const asked = (path: string, headers: Record<string, string>): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    request(`http://${server?.address}${path}`, { headers: { connection: 'close', ...headers } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
      .on('error', reject)
      .end()
  })

describe('the web port', () => {
  it('tells nothing to a web page, whichever name the page found it by', async () => {
    const metricsText = (): string => 'skein_x_total 3\n'
    const ready = { ready: true }
    server = await startWebServer({
      host: '127.0.0.1',
      port: 0,
      clock: systemClock,
      names: ['metrics.svc'],
      metricsText,
      ready: () => ready,
    })
    for (const path of ['/metrics', '/healthz', '/readyz', '/other']) {
      expect(await asked(path, { host: 'rebound.example' })).toBe(403)
      expect(await asked(path, { origin: 'http://page.example' })).toBe(403)
      expect(await asked(path, { 'sec-fetch-site': 'cross-site' })).toBe(403)
    }
    for (const host of ['localhost:9201', '10.1.2.3', '[::1]:9201', 'metrics.svc', 'METRICS.SVC:80'])
      expect(await asked('/metrics', { host })).toBe(200)
  })

  it('says whether it lives, whether it is ready, and its metrics', async () => {
    let why: string | undefined = 'safe mode'
    server = await startWebServer({
      host: '127.0.0.1',
      port: 0,
      clock: systemClock,
      metricsText: () => 'skein_x_total 3\n',
      ready: () => (why === undefined ? { ready: true } : { ready: false, why }),
    })
    expect(await get('/healthz')).toEqual({ status: 200, text: 'ok\n' })
    expect(await get('/readyz')).toEqual({ status: 503, text: 'not ready: safe mode\n' })
    why = undefined
    expect(await get('/readyz?x=1')).toEqual({ status: 200, text: 'ready\n' })
    expect(await get('/metrics')).toEqual({ status: 200, text: 'skein_x_total 3\n' })
    expect(await get('/metrics', { method: 'HEAD' })).toEqual({ status: 200, text: '' })
    expect((await get('/other')).status).toBe(404)
    expect((await get('/healthz', { method: 'POST' })).status).toBe(405)
  })

  it('answers 500 when the metrics throw, and lives on', async () => {
    server = await startWebServer({
      host: '127.0.0.1',
      port: 0,
      clock: systemClock,
      metricsText: () => {
        throw new Error('no numbers')
      },
      ready: () => ({ ready: true }),
    })
    expect(await get('/metrics')).toEqual({ status: 500, text: 'no numbers\n' })
    expect((await get('/healthz')).status).toBe(200)
  })

  it('refuses a taken port', async () => {
    const options = { clock: systemClock, metricsText: () => '', ready: () => ({ ready: true }) }
    server = await startWebServer({ ...options, host: '127.0.0.1', port: 0 })
    const port = Number(server.address.split(':')[1])
    await expect(startWebServer({ ...options, host: '127.0.0.1', port })).rejects.toMatchObject({
      reason: 'port_taken',
    })
  })
})
