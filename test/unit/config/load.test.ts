import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { type ConfigInput, loadConfig, runningFile } from '../../../src/config/read-config.ts'

const root = mkdtempSync(join(tmpdir(), 'skein-config-'))
afterAll(() => rmSync(root, { recursive: true }))
let home = ''
let number = 0
beforeEach(() => {
  number += 1
  home = join(root, String(number))
  mkdirSync(join(home, 'conf'), { recursive: true })
})
const machine = { homeDirectory: '/users/u', hostname: 'box', cpus: 4, cwd: '/somewhere' }
const load = (definitions: Record<string, string> = {}, more: Partial<ConfigInput> = {}) =>
  loadConfig({ mode: 'role', definitions, environment: { SKEIN_HOME: home }, machine, ...more })
const site = (text: string, name = 'skein-site.properties') => {
  writeFileSync(join(home, 'conf', name), text)
  return join(home, 'conf', name)
}
const failure = (run: () => unknown): SkeinError => {
  try {
    run()
  } catch (thrown) {
    if (thrown instanceof SkeinError) return thrown
    throw thrown
  }
  throw new Error('nothing was thrown')
}

describe('proxies', () => {
  const proxyOf = (environment: Record<string, string>, definitions: Record<string, string> = {}) =>
    load(definitions, { environment: { SKEIN_HOME: home, ...environment } }).ufs.proxy

  it('come from the environment in both spellings, of which the lower one wins, and from -D before it', () => {
    const upper = { HTTP_PROXY: 'http://up', HTTPS_PROXY: 'http://ups', NO_PROXY: 'a' }
    expect(proxyOf(upper).http?.reveal()).toBe('http://up')
    const both = proxyOf({ ...upper, http_proxy: 'http://low', no_proxy: 'b', https_proxy: '' })
    expect([both.http?.reveal(), both.https?.reveal(), both.except]).toEqual(['http://low', 'http://ups', 'b'])
    expect(proxyOf(upper, { 'skein.ufs.http.proxy': 'http://flag' }).http?.reveal()).toBe('http://flag')
    expect(proxyOf({})).toMatchObject({ http: undefined, https: undefined, except: undefined, host: undefined })
  })

  it('show neither who nor with which password', () => {
    const shown = proxyOf({ HTTP_PROXY: 'http://user:canary@host' }, { 'fs.cosn.http.proxy.password': 'canary' })
    expect(JSON.stringify(shown) + inspect(shown)).not.toContain('canary')
  })
})

describe('defaults', () => {
  it('are those of the design', () => {
    const config = load()
    expect(config.master).toMatchObject({
      address: '127.0.0.1:9200',
      rpcPort: 9200,
      webPort: 9201,
      bindHost: '127.0.0.1',
      reachHost: '127.0.0.1',
    })
    expect(config.worker).toMatchObject({ rpcPort: 9203, webPort: 9204, dataPort: 9207, hostname: 'box' })
    expect(config.jobMaster).toMatchObject({ rpcPort: 9205, webPort: 9206 })
    expect(config.jobWorker).toMatchObject({ rpcPort: 9208, webPort: 9210, activeTasksMax: 24, cpuTasksMax: 10 })
    expect(config.ufs).toMatchObject({
      allowPrivateEndpoints: false,
      cosn: { uploadThreadPool: 12, blockSizeBytes: 128 * 1024 ** 2, useHttps: true },
    })
    expect(config.queue.url).toBe('redis://127.0.0.1:6379')
    expect(config.worker.tiers).toEqual([
      {
        alias: 'MEM',
        directories: [{ path: join(home, 'worker/blocks'), mediumType: 'MEM', quotaBytes: 10 * 1024 ** 3 }],
      },
    ])
    expect(config.load.activeJobs).toBe(3000)
    expect(config.user.metadataSyncIntervalMs).toBe(-1)
    expect(Object.isFrozen(config.worker.tiers[0]?.directories)).toBe(true)
  })
  it('are others under skein local, and can be overridden there', () => {
    const local = load({}, { mode: 'local' })
    expect(local.queue.url).toBe('inprocess:')
    expect(local.ufs.allowPrivateEndpoints).toBe(true)
    expect(load({ 'skein.ufs.allowPrivateEndpoints': 'false' }, { mode: 'local' }).ufs.allowPrivateEndpoints).toBe(
      false,
    )
  })
  it('put the home below the user directory', () => {
    expect(load({}, { environment: {} }).home).toBe('/users/u/.skein')
    expect(load({ 'skein.home': '~/x' }).home).toBe('/users/u/x')
    expect(load({ 'skein.home': 'rel' }).home).toBe('/somewhere/rel')
  })
  it('shrink the CPU part to the tasks, and take fs.cosn.block.size before the user block size', () => {
    expect(load({ 'goosefs.job.worker.max.active.task.num': '3' }).jobWorker.cpuTasksMax).toBe(3)
    expect(load({ 'goosefs.user.block.size.bytes.default': '64MB' }).ufs.cosn.blockSizeBytes).toBe(64 * 1024 ** 2)
    expect(
      load({ 'goosefs.user.block.size.bytes.default': '64MB', 'fs.cosn.block.size': '32MB' }).ufs.cosn.blockSizeBytes,
    ).toBe(32 * 1024 ** 2)
  })
})

describe('precedence', () => {
  const key = 'skein.log.level'
  it('is default < profile < goosefs-site < skein-site < environment < -D', () => {
    const layers = (): string => load().logLevel
    expect(layers()).toBe('info')
    const profile = join(home, 'profile.properties')
    writeFileSync(profile, `${key}=warn\nfs.cosn.block.size=1MB\n`)
    site(`skein.profile=${profile}\n`, 'goosefs-site.properties')
    expect(layers()).toBe('warn')
    site(`skein.profile=${profile}\n${key}=error\n`, 'goosefs-site.properties')
    expect(layers()).toBe('error')
    const file = site(`\n${key}=debug`)
    expect(layers()).toBe('debug')
    const environment = { SKEIN_HOME: home, SKEIN_LOG_LEVEL: 'warn' }
    expect(load({}, { environment }).logLevel).toBe('warn')
    const config = load({ [key]: 'error' }, { environment })
    expect(config.logLevel).toBe('error')
    expect(config.sources.get(key)).toEqual({ layer: 'flag', where: '-D' })
    expect(config.sources.get('fs.cosn.block.size')).toEqual({ layer: 'profile', where: `${profile}:2` })
    expect(load().sources.get(key)).toEqual({ layer: 'file', where: `${file}:2` })
  })
  it('takes SKEIN_MASTER, with and without a port, and refuses nonsense', () => {
    const master = (text: string) => load({}, { environment: { SKEIN_MASTER: text } }).master.address
    expect(master('h:1234')).toBe('h:1234')
    expect(master('h')).toBe('h:9200')
    expect(master('[::1]:5')).toBe('[::1]:5')
    expect(failure(() => master('h:p')).message).toContain('SKEIN_MASTER')
  })
  it('takes SKEIN_CONF as a file or a directory, and refuses what is not there', () => {
    const path = join(home, 'x.properties')
    writeFileSync(path, 'goosefs.master.rpc.port=7')
    expect(load({}, { environment: { SKEIN_CONF: path } }).master.rpcPort).toBe(7)
    site('goosefs.master.rpc.port=8')
    expect(load({}, { environment: { SKEIN_CONF: join(home, 'conf') } }).master.rpcPort).toBe(8)
    expect(failure(() => load({}, { environment: { SKEIN_CONF: join(home, 'none') } })).message).toContain('none')
  })
})

describe('skein.json', () => {
  const client = (definitions: Record<string, string> = {}, environment = {}) =>
    load(definitions, { mode: 'client', environment: { SKEIN_HOME: home, ...environment } }).master.address
  it('leads clients, and only them, to a running local cluster', () => {
    site('goosefs.master.rpc.port=0')
    writeFileSync(runningFile(home), '{"master":"127.0.0.1:4242","extra":1}')
    expect(client()).toBe('127.0.0.1:4242')
    expect(load().master.address).toBe('127.0.0.1:0')
  })
  it('gives way to an address that was named, whole', () => {
    writeFileSync(runningFile(home), '{"master":"127.0.0.1:4242"}')
    expect(client({}, { SKEIN_MASTER: 'other:1' })).toBe('other:1')
    expect(client({ 'goosefs.master.hostname': 'named' })).toBe('named:9200')
  })
  it('is refused when it is broken', () => {
    writeFileSync(runningFile(home), '{"master":')
    expect(failure(() => client()).message).toContain('skein.json')
  })
})

describe('refusals name the place, the key and what is wrong', () => {
  it('an unknown key, with the nearest', () => {
    const file = site('\n\ngoosefs.worker.rpc.prt=1')
    const error = failure(() => load())
    expect(error).toMatchObject({ code: 'invalid_argument', reason: 'config' })
    expect(error.message).toBe(
      `${file}:3: unknown key 'goosefs.worker.rpc.prt'; the nearest known key is 'goosefs.worker.rpc.port'`,
    )
    expect(error.message).not.toContain('\n')
  })
  it.each([
    ['fs.cosn.block.size', '12XB', 'is not a size'],
    ['fs.cosn.block.size', '-1', 'is not a size'],
    ['fs.cosn.block.size', '1', 'below the minimum'],
    ['skein.rpc.deadline', '5 fortnights', 'is not a duration'],
    ['goosefs.master.rpc.port', '70000', 'above the maximum'],
    ['goosefs.master.rpc.port', 'x', 'not a whole number'],
    ['goosefs.worker.tieredstore.levels', '1.5', 'not a whole number'],
    ['skein.ufs.allowPrivateEndpoints', 'yes', 'true or false'],
    ['skein.log.level', 'loud', 'none of'],
    ['goosefs.worker.block.annotator.lrfu.step.factor', '1.1', 'above the maximum'],
    ['goosefs.worker.tieredstore.level0.dirs.path', '/a,,/b', 'empty entry'],
    ['goosefs.worker.hostname', '', 'empty'],
    ['skein.queue.url', 'http://x', 'must be inprocess:'],
    ['skein.queue.url', 'inprocess:', 'skein local'],
    ['skein.worker.bind.host', '0.0.0.0', 'allowInsecureBind'],
    ['skein.worker.bind.host', '127.evil.example', 'allowInsecureBind'],
    ['skein.worker.bind.host', '127.0.0.1.example', 'allowInsecureBind'],
    ['goosefs.job.worker.threadpool.size', '1000', 'goosefs.job.worker.max.active.task.num'],
    ['skein.worker.lost.timeout', '500', 'skein.heartbeat.interval'],
    ['skein.heartbeat.interval', '1m', 'must not be above skein.worker.lost.timeout'],
    ['goosefs.worker.tieredstore.levels', '2', 'level1.dirs.path'],
    ['goosefs.worker.tieredstore.level0.dirs.quota', '1GB,1GB', 'has 2 entries for 1 directory'],
    ['goosefs.worker.tieredstore.level0.dirs.quota', '0', 'above 0'],
    ['goosefs.worker.tieredstore.level0.dirs.mediumtype', 'MEM,SSD', 'has 2 entries for 1 directory'],
    ['goosefs.worker.tieredstore.level0.dirs.path', '/a,/a', 'occurs twice'],
    ['goosefs.worker.tieredstore.level0.dirs.path', '/a,/b/../a/', "'/a' occurs twice"],
    ['goosefs.worker.tieredstore.level0.dirs.path', '/a/b,/ab,/a', 'are nested'],
    ['goosefs.worker.tieredstore.level0.dirs.path', '/,/a', 'are nested'],
    ['goosefs.worker.tieredstore.level0.dirs.path', 'cache', "'cache' is not an absolute path"],
    ['goosefs.worker.tieredstore.level0.dirs.path', '/a,~/cache', "'~/cache' is not an absolute path"],
    ['goosefs.worker.tieredstore.level0.watermark.low.ratio', '0.96', 'must be below the high one, 0.95'],
    ['goosefs.worker.tieredstore.level0.watermark.high.ratio', '0.7', 'must be below the high one, 0.7'],
    ['goosefs.worker.tieredstore.level0.watermark.high.ratio', '1.5', 'above the maximum'],
  ])('%s=%s', (key, value, problem) => {
    const error = failure(() => load({ [key]: value }))
    expect(error).toMatchObject({ code: 'invalid_argument', reason: 'usage' })
    expect(error.message).toContain(problem)
    expect(error.message).toContain(key)
  })
  it('directories of two tiers, one inside the other, at the lower one', () => {
    const paths = {
      'goosefs.worker.tieredstore.level0.dirs.path': '/a/b',
      'goosefs.worker.tieredstore.level1.dirs.path': '/c,/a',
    }
    const error = failure(() => load({ 'goosefs.worker.tieredstore.levels': '2', ...paths }))
    expect(error.message).toBe(
      "-D: goosefs.worker.tieredstore.level1.dirs.path: '/a/b' and '/a' are nested; use separate directories",
    )
  })
  it('directories that are one through a symbolic link, also when they do not exist; a client does not look', () => {
    mkdirSync(join(home, 'real'))
    symlinkSync(join(home, 'real'), join(home, 'link'))
    const paths = { 'goosefs.worker.tieredstore.level0.dirs.path': `${home}/real/a,${home}/link/a` }
    const read = (mode: 'local' | 'client') =>
      loadConfig({ mode, definitions: paths, environment: { SKEIN_HOME: home } })
    expect(failure(() => read('local'))).toMatchObject({
      reason: 'usage',
      message: expect.stringContaining('are the same directory'),
    })
    expect(() => read('client')).not.toThrow()
  })
  it('never shows a queue password or a secret', () => {
    expect(failure(() => load({ 'skein.queue.url': 'redis:/u:hunter2@h' })).message).not.toContain('hunter2')
    const config = load({ 'fs.cosn.userinfo.secretKey': 'hunter2' })
    expect(config.ufs.cosn.secretKey?.reveal()).toBe('hunter2')
    expect(inspect(config, { depth: 9 }) + JSON.stringify(config)).not.toContain('hunter2')
  })
})

describe('a real goosefs-site.properties', () => {
  it('is read as it is, with warnings for what has no effect', () => {
    const file = site(
      `goosefs.master.hostname=10.0.0.1
goosefs.worker.tieredstore.levels=2
goosefs.worker.tieredstore.level0.alias=MEM
goosefs.worker.tieredstore.level0.dirs.path=/mnt/a,/mnt/b
goosefs.worker.tieredstore.level0.dirs.mediumtype=MEM,SSD
goosefs.worker.tieredstore.level0.dirs.quota=1GB, 2GB
goosefs.worker.tieredstore.level1.alias=SSD
goosefs.worker.tieredstore.level1.dirs.path=/data1
goosefs.worker.tieredstore.level1.dirs.mediumtype=SSD
goosefs.worker.tieredstore.level1.dirs.quota=100GB
goosefs.worker.tieredstore.level2.alias=HDD
goosefs.security.authorization.permission.enabled=false
goosefs.worker.ramdisk.size=3GB
goosefs.master.ttl.checker.interval=10m
goosefs.worker.block.annotator.class=goosefs.worker.block.annotator.LRFUAnnotator
fs.cosn.client.socket.timeoutsec=7
fs.cosn.connection.timeout=500`,
      'goosefs-site.properties',
    )
    const config = load()
    expect(config.master.address).toBe('10.0.0.1:9200')
    expect(config.master.ttlCheckerIntervalMs).toBe(600_000)
    expect(config.worker.annotator).toBe('LRFU')
    expect(config.ufs.cosn).toMatchObject({ socketTimeoutMs: 7000, connectionTimeoutMs: 500 })
    expect(
      config.worker.tiers.map((tier) =>
        tier.directories.map((directory) => [directory.path, directory.mediumType, directory.quotaBytes / 1024 ** 3]),
      ),
    ).toEqual([
      [
        ['/mnt/a', 'MEM', 1],
        ['/mnt/b', 'SSD', 2],
      ],
      [['/data1', 'SSD', 100]],
    ])
    expect(config.warnings).toHaveLength(3)
    expect(config.warnings.join('\n')).toContain(
      `${file}:12: goosefs.security.authorization.permission.enabled has no effect`,
    )
  })
  it('gives watermarks to all tiers but the last, which has them where one is given', () => {
    const levels = { 'goosefs.worker.tieredstore.levels': '2', 'goosefs.worker.tieredstore.level1.dirs.path': '/b' }
    const watermarks = (more: Record<string, string>): unknown =>
      load({ ...levels, ...more }).worker.tiers.map((tier) => tier.watermarks)
    expect(watermarks({})).toEqual([{ highRatio: 0.95, lowRatio: 0.7 }, undefined])
    expect(watermarks({ 'goosefs.worker.tieredstore.level0.watermark.high.ratio': '0.8' })).toEqual([
      { highRatio: 0.8, lowRatio: 0.7 },
      undefined,
    ])
    expect(watermarks({ 'goosefs.worker.tieredstore.level1.watermark.low.ratio': '0.5' })).toEqual([
      { highRatio: 0.95, lowRatio: 0.7 },
      { highRatio: 0.95, lowRatio: 0.5 },
    ])
  })
  it('shares ramdisk.size between the directories of level 0', () => {
    const config = load({
      'goosefs.worker.ramdisk.size': '3GB',
      'goosefs.worker.tieredstore.level0.dirs.path': '/a,/b,/c',
    })
    expect(config.worker.tiers[0]?.directories.map((directory) => directory.quotaBytes)).toEqual([
      1024 ** 3,
      1024 ** 3,
      1024 ** 3,
    ])
  })
})

describe('how others reach a role', () => {
  it('is the loopback address it is bound to, or its host name', () => {
    const wide = {
      'skein.security.allowInsecureBind': 'true',
      'skein.worker.bind.host': '0.0.0.0',
      'goosefs.worker.hostname': 'w1',
    }
    expect(load({ 'goosefs.worker.hostname': 'w1' }).worker).toMatchObject({ reachHost: '127.0.0.1', hostname: 'w1' })
    expect(load(wide).worker).toMatchObject({ bindHost: '0.0.0.0', reachHost: 'w1' })
  })
})

describe('hostile site files', () => {
  it('are refused at once, in one short line, or read', () => {
    for (const [text, wanted] of [
      [`skein.log.level=${'x'.repeat(10_000_000)}`, /skein-site\.properties is longer than 1048576 bytes$/],
      ['\\'.repeat(2_000_000), /is longer than/],
      [`${'\\'.repeat(900_000)}x`, /unknown key/],
      ['\\\n'.repeat(400_000), /unknown key|./],
      [`${'k'.repeat(1_000_000)}=1`, /unknown key/],
    ] as const) {
      site(text)
      const begin = performance.now()
      try {
        load()
      } catch (thrown) {
        expect((thrown as SkeinError).message).toMatch(wanted)
        expect((thrown as SkeinError).message.length).toBeLessThan(1000)
      }
      // No threshold of speed: these took minutes.
      expect(performance.now() - begin).toBeLessThan(20_000)
    }
  })

  it('that are no files, or no UTF-8, are named', () => {
    const path = join(home, 'conf', 'skein-site.properties')
    execFileSync('mkfifo', [path])
    expect(failure(() => load()).message).toBe(`${path} is a FIFO, not a file`)
    expect(failure(() => load({}, { environment: { SKEIN_HOME: root, SKEIN_CONF: path } })).message).toContain('a FIFO')
    expect(failure(() => load({ 'skein.profile': path }, { environment: { SKEIN_HOME: root } })).message).toContain(
      'a FIFO',
    )
    rmSync(path)
    writeFileSync(path, Buffer.from('# ok\r\n# caf\xe9\r\n', 'latin1'))
    expect(failure(() => load()).message).toBe(`${path}:2: the line is not UTF-8: save the file as UTF-8`)
    site('\uFEFFskein.log.level=warn\r\n')
    expect(load().logLevel).toBe('warn')
  })
})
