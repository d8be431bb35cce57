import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { startWebServer, type RunningWebServer } from '../../../src/wire/web.ts'

let server: RunningWebServer | undefined
afterEach(async () => {
  await server?.close()
  server = undefined
})

const get = async (path: string, init?: RequestInit): Promise<{ status: number; text: string }> => {
  const response = await fetch(`http://${server?.address}${path}`, { ...init, headers: { connection: 'close' } })
  return { status: response.status, text: await response.text() }
}

describe('the web port', () => {
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

  it('refuses a taken port and a host that others reach', async () => {
    const options = { clock: systemClock, metricsText: () => '', ready: () => ({ ready: true }) }
    server = await startWebServer({ ...options, host: '127.0.0.1', port: 0 })
    const port = Number(server.address.split(':')[1])
    await expect(startWebServer({ ...options, host: '127.0.0.1', port })).rejects.toMatchObject({ reason: 'port_taken' })
    await expect(startWebServer({ ...options, host: '0.0.0.0', port: 0 })).rejects.toMatchObject({ reason: 'remote_not_allowed' })
  })
})
