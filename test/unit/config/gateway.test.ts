import { describe, expect, it } from 'vitest'
import { loadConfig } from '../../../src/config/read-config.ts'

const machine = { homeDirectory: '/no-home', hostname: 'box', cpus: 4, cwd: '/somewhere' }
const gateway = (definitions: Record<string, string>) =>
  loadConfig({ mode: 'role', definitions: { 'skein.home': '/h', ...definitions }, environment: {}, machine }).gateway

describe('the gateway', () => {
  it('listens on loopback and has no access keys unless they are set', () => {
    const { credentialsFile, s3 } = gateway({})
    expect(credentialsFile).toBeUndefined()
    expect(s3).toMatchObject({ bindHost: '127.0.0.1', port: 9213, domains: [], uploadExpiryMs: 604_800_000 })
    expect(s3).toMatchObject({ requestsMax: 256, connectionsMax: 1024, idleMs: 30_000 })
    expect(gateway({ 'skein.gateway.s3.port': '-1' }).s3).toBeUndefined()
  })

  it('listens elsewhere only with access keys', () => {
    expect(() => gateway({ 'skein.gateway.bind.host': '0.0.0.0' })).toThrow('set skein.gateway.credentials.file')
    const set = { 'skein.gateway.bind.host': '0.0.0.0', 'skein.gateway.credentials.file': '/keys.json' }
    expect(gateway(set)).toMatchObject({ credentialsFile: '/keys.json', s3: { bindHost: '0.0.0.0' } })
  })

  it('opens WebHDFS on loopback only', () => {
    expect(gateway({}).webHdfs).toEqual({
      ...{ bindHost: '127.0.0.1', port: 9214, requestsMax: 512, connectionsMax: 1024, idleMs: 600_000 },
    })
    expect(gateway({ 'skein.gateway.webhdfs.port': '-1' }).webHdfs).toBeUndefined()
    const set = { 'skein.gateway.bind.host': '0.0.0.0', 'skein.gateway.credentials.file': '/keys.json' }
    expect(gateway(set).webHdfs).toBeUndefined()
    expect(gateway({ ...set, 'skein.gateway.webhdfs.port': '-1' }).webHdfs).toBeUndefined()
    expect(() => gateway({ ...set, 'skein.gateway.webhdfs.port': '9214' })).toThrow('are not authenticated; set -1')
  })

  it.each([
    ['skein.gateway.webhdfs.port', '70000'],
    ['skein.gateway.s3.upload.expiry', '999ms'],
    ['skein.gateway.s3.requests.max', '0'],
    ['skein.gateway.s3.port', '70000'],
  ])('%s=%s is refused', (key, value) => {
    expect(() => gateway({ [key]: value })).toThrow(key)
  })
})
