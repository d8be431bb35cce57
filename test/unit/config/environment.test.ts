import { describe, expect, it } from 'vitest'
import { environmentName, keyOfName } from '../../../src/config/keys/environment-names.ts'
import { describeConfig, loadConfig } from '../../../src/config/read-config.ts'
import { schema } from '../../../src/config/keys/schema.ts'

const machine = { homeDirectory: '/no-home', hostname: 'box', cpus: 4, cwd: '/somewhere' }
const load = (environment: Record<string, string>, definitions: Record<string, string> = {}) =>
  loadConfig({ mode: 'role', definitions, environment, machine })

describe('the environment', () => {
  it('has one name for each key, and no two keys have the same', () => {
    const keys = Object.keys(schema).map((key) => key.replace('{x}', '3'))
    expect(new Set(keys.map(environmentName)).size).toBe(keys.length)
    for (const key of keys) expect(keyOfName(environmentName(key)), key).toBe(key)
    expect(keyOfName('GOOSEFS_WORKER_TIEREDSTORE_LEVELX_ALIAS')).toBeUndefined()
  })

  it('sets any key, below -D and SKEIN_MASTER', () => {
    const environment = {
      GOOSEFS_MASTER_HOSTNAME: 'm',
      GOOSEFS_MASTER_RPC_PORT: '1',
      FS_COSN_UPLOAD_THREAD_POOL: '7',
      SKEIN_UFS_ALLOWPRIVATEENDPOINTS: 'true',
      GOOSEFS_WORKER_TIEREDSTORE_LEVEL0_DIRS_QUOTA: '5GB',
    }
    const config = load(environment)
    expect(config.master.address).toBe('m:1')
    expect(config.ufs).toMatchObject({ allowPrivateEndpoints: true, cosn: { uploadThreadPool: 7 } })
    expect(config.worker.tiers[0]?.directories[0]?.quotaBytes).toBe(5 * 1024 ** 3)
    expect(load(environment, { 'goosefs.master.rpc.port': '2' }).master.address).toBe('m:2')
    expect(load({ ...environment, SKEIN_MASTER: 'n:3' }).master.address).toBe('n:3')
    expect(() => load({ GOOSEFS_MASTER_RPC_PORT: 'x' })).toThrow('GOOSEFS_MASTER_RPC_PORT: goosefs.master.rpc.port')
  })

  it('passes over what is no key, and addresses of services, and says so without the value', () => {
    const { master, warnings } = load({
      GOOSEFS_MASTER_PORT: 'tcp://10.0.0.1:9200',
      GOOSEFS_MASTER_RPC_PORT: 'tcp://10.0.0.1:9200',
      GOOSEFS_MASTER_SERVICE_HOST: 'canary',
      PATH: '/bin',
    })
    expect(master.address).toBe('127.0.0.1:9200')
    expect(warnings.map((line) => line.split(':')[0])).toEqual([
      'GOOSEFS_MASTER_PORT',
      'GOOSEFS_MASTER_RPC_PORT',
      'GOOSEFS_MASTER_SERVICE_HOST',
    ])
    expect(warnings.join()).not.toMatch(/canary|10\.0\.0/)
  })
})

describe('what is broken without being wrong', () => {
  it('tuning rules are warned of, with the better value', () => {
    const definitions = {
      'fs.cosn.read.ahead.queue.size': '64',
      'goosefs.job.worker.max.active.task.num': '50',
      'goosefs.user.block.worker.client.pool.max': '10',
      'fs.cosn.upload_thread_pool': '60',
    }
    const text = load({}, definitions).warnings.join('\n')
    expect(text).toMatch(/queue\.size: 64 is above 32: 32 is better/)
    expect(text).toMatch(/client\.pool\.max: 10 is below 2 x .*: 100 is better/)
    expect(text).toMatch(/max\.active\.task\.num: 50 is below fs\.cosn\.upload_thread_pool, 60/)
    expect(load({}).warnings).toEqual([])
  })

  it('all reads together are held against the memory of the machine', () => {
    const key = 'goosefs.worker.network.block.reader.threads.max'
    const warnings = (definitions: Record<string, string>, memoryBytes?: number) =>
      loadConfig({
        mode: 'role',
        definitions,
        environment: {},
        machine: { ...machine, ...(memoryBytes !== undefined && { memoryBytes }) },
      }).warnings
    // 4 MB of buffer, 8 x 4 MB of one stream, and 1 MB: 37 MB a read.
    const bytes = 100 * 37 * 1024 ** 2
    expect(warnings({ [key]: '100' }, bytes)).toEqual([])
    expect(warnings({ [key]: '100' }, bytes - 1)).toEqual([
      `tuning: ${key}: 100 reads x (goosefs.worker.network.reader.buffer.size + one stream + 1 MB), ${bytes} ` +
        `bytes, are more than the memory, ${bytes - 1} bytes: 99 is better`,
    ])
    const larger = { [key]: '100', 'goosefs.worker.network.reader.buffer.size': '8MB' }
    expect(warnings(larger, bytes).join()).toContain(`90 is better`)
    expect(warnings({ [key]: '100', 'fs.cosn.read.ahead.queue.size': '16' }, bytes).join()).toContain(key)
    // Nobody chose these, and an unknown memory breaks no rule.
    expect(warnings({}, 2 ** 30)).toEqual([])
    expect(warnings({ [key]: '100' })).toEqual([])
  })

  it('a tier is called by its medium', () => {
    const level = (n: number, name: string): string => `goosefs.worker.tieredstore.level${n}.${name}`
    const aliases = (more: Record<string, string>) => load({}, more).worker.tiers.map(({ alias }) => alias)
    expect(aliases({ [level(0, 'dirs.mediumtype')]: 'SSD' })).toEqual(['SSD'])
    const two = {
      'goosefs.worker.tieredstore.levels': '2',
      [level(1, 'dirs.path')]: '/b',
      [level(0, 'dirs.mediumtype')]: 'SSD',
    }
    expect(aliases({ ...two, [level(1, 'dirs.mediumtype')]: 'SSD' })).toEqual(['SSD', 'SSD1'])
    expect(aliases(two)).toEqual(['SSD', 'SSD1'])
    expect(aliases({ ...two, [level(1, 'alias')]: 'SSD' })).toEqual(['SSD0', 'SSD'])
  })

  it('each value can be asked for with its place, and no secret is shown', () => {
    const definitions = { 'fs.cosn.userinfo.secretKey': 'canary' }
    const all = describeConfig({
      mode: 'client',
      definitions,
      environment: { GOOSEFS_MASTER_HOSTNAME: 'm', SKEIN_HOME: '/no-home' },
      machine,
    })
    const of = (key: string) => all.find((one) => one.key === key)
    expect(of('goosefs.master.hostname')).toMatchObject({
      value: 'm',
      source: { layer: 'env', where: 'GOOSEFS_MASTER_HOSTNAME' },
    })
    expect(of('skein.log.level')).toMatchObject({ value: 'info', source: { layer: 'default' } })
    expect(of('fs.cosn.userinfo.secretKey')?.value).toBe('[redacted]')
    expect(JSON.stringify(all)).not.toContain('canary')
  })
})
