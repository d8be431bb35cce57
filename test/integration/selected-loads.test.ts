// Why: what to load, what it would cost, and how to go on with it, as users ask it: `skein local`,
// the project's own origin, whose counters say what was really read, and commands as processes.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LoadStatus, PlanReport } from '../../src/wire/generated/job.ts'
import { run } from '../support/cluster.ts'
import { type CountingProxy, startCountingProxy } from '../support/counting-proxy.ts'
import { LocalSkein, storeFlags } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'

const key = (number: number): string => `data/${String(number).padStart(7, '0')}`

describe('choosing what to load', () => {
  let origin: Origin
  let skein: LocalSkein
  let folder: string

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'skein-choose-'))
    origin = await startOrigin({ credentials: [testCredential], buckets: ['delta', 'plan', 'list', 'other'], seed: 7 })
    origin.bucket('delta').generateMany('data/', 5000, 300)
    const plan = origin.bucket('plan')
    plan.generateMany('small/', 150, 20_000)
    for (const number of [1, 2, 3]) plan.generate(`large/${number}`, 9_000_000 + number)
    plan.generate('empty', 0)
    const list = origin.bucket('list')
    for (let number = 0; number < 20; number += 1)
      list.generate(`shards/shard-${String(number).padStart(4, '0')}.tar`, 1000 + number)
    list.generateMany('dir/sub/', 30, 500)
    list.generate('dir/readme.txt', 10)
    skein = await LocalSkein.start({ quota: '200MB' })
    for (const name of ['delta', 'list', 'other'])
      expect(await skein.createNamespace(name, origin, name)).toMatchObject({ code: 0 })
    const attributes = {
      'fs.cosn.block.size': '4MB',
      'fs.cosn.read.ahead.block.size': '1MB',
      'skein.price.get.per10k': '0.5',
      'skein.price.egress.per.gb': '0.12',
      'skein.price.currency': 'CNY',
    }
    const flags = Object.entries(attributes).flatMap(([name, value]) => ['--attribute', `${name}=${value}`])
    expect(await skein.createNamespace('plan', origin, 'plan', flags)).toMatchObject({ code: 0, stderr: '' })
  })
  afterAll(async () => {
    await skein?.dispose()
    await origin?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  /** What the origin was read of while `work` ran. */
  async function reads<T>(
    work: () => Promise<T>,
  ): Promise<{ readonly result: T; readonly gets: number; readonly bytes: number; readonly lists: number }> {
    const { requests, objectBytes } = origin.counters
    const before = { get: requests.get, list: requests.list, objectBytes }
    const result = await work()
    const { counters } = origin
    return {
      result,
      gets: counters.requests.get - before.get,
      bytes: counters.objectBytes - before.objectBytes,
      lists: counters.requests.list - before.list,
    }
  }
  const load = (...args: readonly string[]): Promise<LoadStatus> =>
    skein.json<LoadStatus>('fs', 'distributedLoad', ...args)
  const listFile = (name: string, text: string): string => {
    const file = join(folder, name)
    writeFileSync(file, text)
    return file
  }

  it('a second load reads what changed, drops what is gone, adds what is new, and says so', async () => {
    const bucket = origin.bucket('delta')
    const first = await load('/delta')
    expect(first).toMatchObject({ state: 'COMPLETED', counts: { files: 5000, filesLoaded: 5000, filesAdded: 5000 } })
    for (let number = 0; number < 50; number += 1) bucket.overwrite(key(number * 97))
    for (let number = 0; number < 10; number += 1) bucket.delete(key(number * 97 + 1))
    for (let number = 0; number < 10; number += 1) bucket.generate(key(6000 + number), 301)
    const { result, gets, bytes } = await reads(() => skein.cli('fs', 'distributedLoad', '/delta'))
    expect(result).toMatchObject({ code: 0, stdout: 'Total completed file count is 5000, failed file count is 0\n' })
    expect(result.stderr).toContain(
      'cached 4940, loaded 60, failed 0, skipped 0; at the store 10 were added, 50 changed, 10 removed',
    )
    expect({ gets, bytes }).toEqual({ gets: 60, bytes: 50 * 300 + 10 * 301 })
    expect((await skein.cli('fs', 'stat', `/delta/${key(1)}`)).code).toBe(2)
    expect((await skein.cli('fs', 'cat', `/delta/${key(97)}`)).bytes).toEqual(bucket.bytesOf(key(97)))
    const third = await reads(() => load('/delta'))
    expect(third).toMatchObject({ gets: 0, result: { counts: { filesCached: 5000, filesLoaded: 0 } } })
    expect(third.result.counts?.filesChanged ?? 0).toBe(0)
  })

  it('a plan says what the load then reads, and the load reads it', async () => {
    expect(await load('/plan/large/2')).toMatchObject({ state: 'COMPLETED' })
    const planned = await reads(() => skein.json<PlanReport>('fs', 'distributedLoad', '/plan', '--plan'))
    const plan = planned.result
    expect(planned.bytes).toBe(0)
    expect(plan).toMatchObject({
      done: true,
      error: '',
      files: 154,
      bytes: 150 * 20_000 + 27_000_006,
      filesCached: 2,
      bytesCached: 9_000_002,
    })
    expect(plan).toMatchObject({ blocks: 156, evictBytes: 0, missingBytes: 0, currency: 'CNY' })
    const { result, gets, bytes } = await reads(() => load('/plan'))
    expect(result).toMatchObject({
      state: 'COMPLETED',
      counts: { filesLoaded: 152, filesCached: 2, tasks: plan.tasks },
    })
    expect({ gets, bytes }).toEqual({ gets: plan.getRequests, bytes: plan.bytesToLoad })
    expect(plan.getRequests).toBe(150 + 2 * 9)
    expect(plan.bytesToWrite).toBe(plan.bytesToLoad)
    expect(plan.placement.reduce((sum, row) => sum + row.bytes, 0)).toBe(plan.bytesToWrite)
    expect(plan.cost).toBeCloseTo((0.5 * plan.getRequests) / 10_000 + (0.12 * plan.bytesToLoad) / 1024 ** 3, 9)
    // What was loaded of it before, 9 MB, says nothing of a rate.
    expect(plan.rateBasis).toMatch(/^no comparable load was measured yet/)
    const again = await skein.cli('fs', 'distributedLoad', '/plan', '--plan')
    expect(again.stdout).toMatch(/^Cached already: 154, /m)
    expect(again.stdout).toMatch(/^Requests to the origin: 0 GET, /m)
    expect(again.stdout).toMatch(/^Cost: 0.00 CNY: /m)
  })

  it('a plan without a price says so, and one that cannot fit is refused with the numbers', async () => {
    const free = await skein.cli('fs', 'distributedLoad', '/list', '--plan')
    expect(free).toMatchObject({ code: 0 })
    expect(free.stdout).toMatch(/^Cost: not known: no price is given; set skein\.price\.get\.per10k/m)
    origin.bucket('other').generateMany('big/', 30, 10_000_000)
    const refused = await skein.cli('fs', 'distributedLoad', '/other/big', '--plan')
    expect(refused.code).toBe(1)
    expect(refused.stdout).toMatch(/^Missing capacity: \d+ bytes/m)
    expect(refused.stderr).toMatch(
      /^skein: the cache has no room for \/other\/big: \d+ bytes .* are missing; [^\n]*\n$/m,
    )
    expect((await skein.cli('job', 'ls')).stdout).not.toContain('/other/big')
  })

  it('lists, templates and several paths name what is loaded; what is missing is named', async () => {
    const shards = '/list/shards/shard-{0000..0003}.tar'
    expect(await load(shards)).toMatchObject({
      state: 'COMPLETED',
      path: '/list/shards',
      counts: { files: 4, filesLoaded: 4 },
    })
    const index = listFile(
      'index.txt',
      `# shards\n\n/list/shards/shard-0004.tar,1\r\n/list/dir/sub\n/list/nothing-here\n/list/dir/readme.txt`,
    )
    const partial = await skein.cli('fs', 'distributedLoad', '--index', index)
    expect(partial.code).toBe(3)
    expect(partial.stdout).toContain('Total completed file count is 32, failed file count is 1')
    expect(partial.stdout).toContain('/list/nothing-here: there is no such file or directory in the store')
    const below = listFile('below.txt', 'shard-0005.tar\nshard-0006.tar\n')
    expect(await load('--index', below, '/list/shards')).toMatchObject({
      state: 'COMPLETED',
      counts: { filesLoaded: 2 },
    })
    expect(await load('/list/shards/shard-0007.tar', '/list/dir/')).toMatchObject({
      counts: { files: 32, filesLoaded: 1, filesCached: 31 },
    })
    const plan = await skein.json<PlanReport>('fs', 'distributedLoad', '--plan', '/list/shards/shard-{0007..0009}.tar')
    expect(plan).toMatchObject({ files: 3, filesCached: 1, bytesToLoad: 1008 + 1009 })
    const missing = await skein.cli('fs', 'distributedLoad', '/list/a/{one,two}')
    expect(missing.code).toBe(2)
    expect(missing.stdout).toContain('/list/a/two: there is no such file or directory in the store')
    for (const [code, words, args] of [
      [64, /contains no path$/, ['--index', listFile('empty.txt', '\n# nothing\n')]],
      [64, /line\.txt:2: 'relative' is not a path/, ['--index', listFile('line.txt', '/list/a\nrelative\n')]],
      [64, /in one namespace/, ['/list/dir', '/delta/data']],
      [64, /give a path/, []],
      [2, /cannot be read/, ['--index', join(folder, 'not-there.txt')]],
    ] as const) {
      const result = await skein.cli('fs', 'distributedLoad', ...args)
      expect(result.stderr.trim()).toMatch(words)
      expect(result.code).toBe(code)
    }
  })

  it('globs and bounds select; when nothing fits the code is 2', async () => {
    const selected = await load(
      '/list',
      '--include',
      'shard-001*.tar',
      '--exclude',
      '**/shard-0015.tar',
      '--size-min',
      '1012',
    )
    expect(selected).toMatchObject({ state: 'COMPLETED', counts: { files: 7, filesLoaded: 7, filesExcluded: 44 } })
    const none = await skein.cli('fs', 'distributedLoad', '/list', '--include', '*.parquet')
    expect(none).toMatchObject({ code: 2, stdout: 'Total completed file count is 0, failed file count is 0\n' })
    expect(none.stderr).toMatch(/no file below \/list is selected: 51 files do not match/)
    const wrong = await skein.cli('fs', 'distributedLoad', '/list', '--include', '[a')
    expect(wrong).toMatchObject({
      code: 64,
      stderr: "skein: the glob '[a' has a '[' without its ']'; write \\[ for the character\n",
    })
    expect((await skein.cli('fs', 'distributedLoad', '/list', '--modified-before', '1h')).code).toBe(2)
    expect((await skein.cli('fs', 'distributedLoad', '/list', '--hosts', 'elsewhere')).stderr).toMatch(
      /0 are live on the chosen hosts/,
    )
    origin.bucket('list').generate('late/one', 10)
    const known = await reads(() => skein.cli('fs', 'distributedLoad', '/list/late', '--metadata-only'))
    expect(known).toMatchObject({
      gets: 0,
      result: { code: 0, stdout: 'Total completed file count is 1, failed file count is 0\n' },
    })
  })

  it('a manifest is loaded again version by version, elsewhere too', async () => {
    const file = join(folder, 'manifest.jsonl')
    expect(await skein.cli('fs', 'distributedLoad', '/list/dir', '--manifest', file)).toMatchObject({ code: 0 })
    const lines = readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    expect(lines[0]).toMatchObject({ skeinManifest: 1, namespace: 'list', uri: 's3://list/' })
    expect(lines).toHaveLength(32)
    const readme = origin.bucket('list').get('dir/readme.txt')
    expect(lines.find((line) => line['key'] === 'dir/readme.txt')).toMatchObject({
      etag: readme?.etag,
      size: 10,
      blocks: 1,
      state: 'CACHED',
    })
    expect(await skein.createNamespace('copy', origin, 'list')).toMatchObject({ code: 0 })
    origin.bucket('list').overwrite('dir/readme.txt')
    const again = await skein.cli('fs', 'distributedLoad', '--from-manifest', file, '/copy')
    expect(again.code).toBe(3)
    expect(again.stdout).toContain('Total completed file count is 30, failed file count is 1')
    expect(again.stdout).toContain(`/copy/dir/readme.txt: the store has another version: its ETag is `)
    const other = await skein.cli('fs', 'distributedLoad', '--from-manifest', file, '/delta')
    expect(other).toMatchObject({ code: 64, stdout: '' })
    expect(other.stderr).toMatch(
      /is a manifest of s3:\/\/list\/, and \/delta is s3:\/\/delta\/: add the namespace of that bucket/,
    )
    expect((await skein.cli('fs', 'distributedLoad', '--from-manifest', listFile('x.jsonl', '{}\n'))).code).toBe(64)
  })

  it('what is cached is held against the checksums of the store, and what differs is loaded anew', async () => {
    const cos = await startOrigin({ credentials: [testCredential], buckets: ['cos-1250000000'], seed: 3, cos: true })
    try {
      const bucket = cos.bucket('cos-1250000000')
      bucket.generateMany('x/', 20, 3000)
      bucket.generate('x/large', 2_500_000)
      const attributes = {
        'fs.cosn.bucket.endpoint_suffix': cos.endpointSuffix,
        'fs.cosn.useHttps': 'false',
        'fs.cosn.block.size': '1MB',
      }
      const secrets = {
        'fs.cosn.userinfo.secretId': testCredential.accessKeyId,
        'fs.cosn.userinfo.secretKey': testCredential.secretAccessKey,
      }
      const flags = [
        ...Object.entries(attributes).flatMap(([name, value]) => ['--attribute', `${name}=${value}`]),
        ...Object.entries(secrets).flatMap(([name, value]) => ['--secret', `${name}=${value}`]),
      ]
      expect(await skein.cli('ns', 'create', 'cos', 'cosn://cos-1250000000/', ...flags)).toMatchObject({
        code: 0,
        stderr: '',
      })
      expect(await load('/cos')).toMatchObject({ state: 'COMPLETED', counts: { filesLoaded: 21 } })
      const gets = cos.counters.requests.get
      const clean = await load('/cos', '--verify')
      expect(clean).toMatchObject({
        state: 'COMPLETED',
        counts: { filesCached: 21, filesLoaded: 0, filesVerified: 21, filesUnverifiable: 0 },
      })
      expect(cos.counters.requests.get).toBe(gets)
      // Other bytes under the same ETag: the listing shows no change, the checksum does.
      for (const [changed, length] of [
        ['x/0000003', 3000],
        ['x/large', 2_500_000],
      ] as const)
        bucket.put(changed, Buffer.alloc(length, 7), { etag: bucket.get(changed)?.etag ?? '' })
      expect(await load('/cos')).toMatchObject({ counts: { filesCached: 21, filesLoaded: 0 } })
      const healed = await skein.cli('fs', 'distributedLoad', '/cos', '--verify')
      expect(healed).toMatchObject({ code: 0, stdout: 'Total completed file count is 21, failed file count is 0\n' })
      expect(healed.stderr).toContain('cached 19, loaded 2, failed 0, skipped 0; verified 19, not verifiable 0')
      expect((await skein.cli('fs', 'cat', '/cos/x/large')).bytes).toEqual(Buffer.alloc(2_500_000, 7))
      expect((await skein.cli('fs', 'cat', '/cos/x/0000003')).bytes).toEqual(Buffer.alloc(3000, 7))
      expect(await load('/cos', '--verify')).toMatchObject({ counts: { filesCached: 21, filesVerified: 21 } })
    } finally {
      await cos.close()
    }
  })

  it('a load that was partial is resumed: only what is missing is read', async () => {
    const bucket = origin.bucket('other')
    bucket.generateMany('part/', 40, 2000)
    bucket.generate('part/zz-archived', 2000, { storageClass: 'GLACIER' })
    const partial = await load('/other/part')
    expect(partial).toMatchObject({ state: 'PARTIAL', counts: { filesLoaded: 40, filesFailed: 1 } })
    bucket.generate('part/zz-archived', 2000)
    const { result, gets } = await reads(() => skein.cli('--format', 'json', 'job', 'resume', partial.loadId))
    expect(result.code).toBe(0)
    const resumed = JSON.parse(result.stdout) as LoadStatus
    expect(resumed).toMatchObject({
      state: 'COMPLETED',
      options: { resumedFrom: partial.loadId },
      counts: { filesCached: 40, filesLoaded: 1 },
    })
    expect(gets).toBe(1)
    const whole = await skein.cli('job', 'resume', resumed.loadId)
    expect(whole).toMatchObject({ code: 1, stdout: '' })
    expect(whole.stderr).toMatch(/^skein: load L\d+ is COMPLETED: nothing is missing/)
    expect((await skein.cli('job', 'resume', 'L999')).code).toBe(2)
  })
})

describe('a full cache and loads that may evict', () => {
  let origin: Origin | undefined
  let skein: LocalSkein | undefined
  afterAll(async () => {
    await skein?.dispose()
    await origin?.close()
  })

  it('gives the room of a load that has just ended to the next one, which ends with all of its files in', async () => {
    const store = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
    origin = store
    const bucket = store.bucket('data')
    const megabyte = 1024 ** 2
    for (let number = 0; number < 40; number += 1) bucket.generate(`mine/old-${number}`, megabyte)
    for (let number = 0; number < 20; number += 1) bucket.generate(`others/${number}`, megabyte)
    const running = await LocalSkein.start({ quota: '64MB' })
    skein = running
    expect(await running.createNamespace('ns', store, 'data')).toMatchObject({ code: 0 })
    const load = (...args: readonly string[]): Promise<LoadStatus> =>
      running.json<LoadStatus>('fs', 'distributedLoad', ...args)
    for (const path of ['/ns/mine', '/ns/others']) expect(await load(path)).toMatchObject({ state: 'COMPLETED' })
    for (let number = 0; number < 20; number += 1) bucket.generate(`mine/new-${number}`, megabyte)
    // What it finds cached is colder than the rest: workers may push that out first.
    const evicting = await load('/ns/mine', '--evict')
    const files = (await running.cli('job', 'stat', '-v', evicting.loadId)).stdout
    expect(evicting, files).toMatchObject({ state: 'COMPLETED', counts: { files: 60, filesFailed: 0 } })
    expect(await load('/ns/mine')).toMatchObject({ state: 'COMPLETED', counts: { filesCached: 60, filesLoaded: 0 } })
    expect(await load('/ns/others', '--evict')).toMatchObject({
      state: 'COMPLETED',
      counts: { files: 20, filesFailed: 0 },
    })
  }, 120_000)
})

describe('everything is killed in the middle', () => {
  let origin: Origin
  let proxy: CountingProxy
  let skein: LocalSkein
  const files = 1200
  const fileBytes = 64 * 1024

  beforeAll(async () => {
    origin = await startOrigin({ credentials: [testCredential], buckets: ['half'], seed: 9 })
    origin.bucket('half').generateMany('data/', files, fileBytes)
    proxy = await startCountingProxy(origin.port, { bytesPerSecond: 16 * 1024 ** 2 })
    skein = await LocalSkein.start({ quota: '500MB', properties: { 'fs.cosn.upload_thread_pool': 2 } })
    const flags = storeFlags(`http://127.0.0.1:${proxy.port}`)
    expect(await skein.cli('ns', 'create', 'half', 's3://half/', ...flags)).toMatchObject({ code: 0 })
  })
  afterAll(async () => {
    await skein?.dispose()
    await proxy?.close()
    await origin?.close()
  })

  it('after the restart at most what is missing is read, and 5 %', async () => {
    const total = files * fileBytes
    proxy.reset()
    expect((await skein.cli('fs', 'distributedLoad', '/half', '--async')).code).toBe(0)
    await expect.poll(() => proxy.bytes(), { timeout: 60_000, interval: 5 }).toBeGreaterThan(total / 2)
    await skein.stop('SIGKILL')
    const read = proxy.bytes()
    proxy.reset()
    await skein.start()
    const loadId = (await skein.json<{ loads: LoadStatus[] }>('job', 'ls')).loads[0]?.loadId ?? ''
    const watched = await run(['job', 'progress', loadId, '--watch'], {
      env: { SKEIN_HOME: skein.home, SKEIN_MASTER: undefined },
    })
    expect(watched).toMatchObject({
      code: 0,
      stdout: `Total completed file count is ${files}, failed file count is 0\n`,
    })
    expect(read).toBeLessThan(total * 0.8)
    // Answers' headers and listings beside the objects.
    const overhead = files * 700
    expect(proxy.bytes()).toBeLessThan(total - read + total * 0.05 + overhead)
    for (const number of [0, 599, 1199])
      expect((await skein.cli('fs', 'cat', `/half/${key(number)}`)).bytes).toEqual(
        origin.bucket('half').bytesOf(key(number)),
      )
  })
})
