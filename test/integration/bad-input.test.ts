// Why: whatever a user writes, mistypes or has in his bucket, he gets one clear line, the right
// exit code, and his data. How: `skein local` and the project's own origin, commands as processes;
// the words of each line are looked at.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { run } from '../support/cluster.ts'
import { freePorts, LocalSkein, oneLine, storeFlags, withoutLog } from '../support/local-skein.ts'
import { type Origin, startOrigin } from '../support/origin/server.ts'
import { testCredential } from '../support/origin/stores.ts'

const directoryKeys = 'goosefs.worker.tieredstore.level0.dirs'

describe('commands and data that are wrong', () => {
  let origin: Origin
  let skein: LocalSkein
  const dataset = new Map<string, Buffer>()

  beforeAll(async () => {
    origin = await startOrigin({
      credentials: [testCredential],
      buckets: ['good', 'archive', 'large', 'empties', 'nothing'],
    })
    origin.bucket('good').generateMany('dir/', 5, 20_000)
    origin.bucket('archive').generateMany('x/', 3, 1000)
    origin.bucket('archive').generate('x/old', 5000, { storageClass: 'DEEP_ARCHIVE' })
    origin.bucket('large').generateMany('x/', 30, 10_000_000)
    // With a root mount nothing at / is an unknown namespace.
    const properties = { 'goosefs.master.mount.table.root.ufs': 'none' }
    skein = await LocalSkein.start({ quota: '100MB', properties })
    for (const name of ['good', 'archive', 'large', 'nothing'])
      expect(await skein.createNamespace(name, origin, name)).toMatchObject({ code: 0 })
  })
  afterAll(async () => {
    await skein?.dispose()
    await origin?.close()
  })

  const expectLine = async (code: number, words: RegExp, ...args: readonly string[]): Promise<void> => {
    const result = await skein.cli(...args)
    expect(oneLine(result)).toMatch(words)
    expect(result).toMatchObject({ code, stdout: '' })
  }

  it.each([['distributedLoad'], ['ls'], ['stat'], ['cat'], ['count'], ['du'], ['free'], ['location']])(
    'fs %s of an unknown namespace or path: exit 2',
    async (command) => {
      await expectLine(2, /^namespace '\/nowhere' does not exist.*ns ls/, 'fs', command, '/nowhere')
      await expectLine(2, /^\/good\/nothere does not exist/, 'fs', command, '/good/nothere')
      await expectLine(2, /^\/good\/dir\/nothere does not exist/, 'fs', command, '/good/dir/nothere')
    },
  )

  it('an unknown namespace or load elsewhere: exit 2', async () => {
    await expectLine(2, /^namespace '\/nowhere' does not exist/, 'ns', 'stat', 'nowhere')
    await expectLine(2, /^namespace '\/nowhere' does not exist/, 'ns', 'delete', 'nowhere')
    for (const words of [
      ['stat', 'L999'],
      ['cancel', 'L999'],
      ['progress', 'L999'],
      ['progress', 'L999', '--watch'],
      ['stat', '../etc'],
    ])
      await expectLine(2, /^there is no load .*job ls/, 'job', ...words)
  })

  it('a block directory of another worker: exit 1', async () => {
    const directory = [
      `-D${directoryKeys}.path=${join(skein.home, 'worker', 'blocks')}`,
      `-D${directoryKeys}.quota=1MB`,
    ]
    const home = mkdtempSync(join(tmpdir(), 'skein-other-'))
    try {
      const result = await run(['local', '--home', home, ...freePorts, ...directory], { timeoutMs: 30_000 })
      expect(oneLine({ ...result, stderr: withoutLog(result.stderr) })).toMatch(/belongs to worker/)
      expect(result.code).toBe(1)
      expect(readdirSync(home)).toEqual([])
    } finally {
      rmSync(home, { recursive: true, force: true })
    }
  })

  it('what cannot be set, moved, removed or persisted: one line, nothing half done', async () => {
    origin.bucket('still').generateMany('dir/', 2, 100)
    for (const name of ['still', 'sealed'])
      expect(await skein.createNamespace(name, origin, 'still')).toMatchObject({ code: 0 })
    const file = '/still/dir/0000001'
    expect(await skein.cli('fs', 'copyFromLocal', import.meta.filename, '/sealed/new')).toMatchObject({ code: 0 })
    expect(await skein.cli('ns', 'update', 'sealed', '--attribute', 'readOnly=true')).toMatchObject({ code: 0 })
    await expectLine(
      1,
      /^\/sealed is read-only: nothing is written there/,
      'fs',
      'copyFromLocal',
      import.meta.filename,
      '/sealed/more',
    )
    await expectLine(1, /^\/sealed is read-only: nothing is created there/, 'fs', 'mkdir', '/sealed/more')
    const before = await skein.cli('fs', 'ls', '-R', '/still')
    await expectLine(64, /--min 3 is above --max 2/, 'fs', 'setReplication', '--min', '3', '--max', '2', file)
    await expectLine(64, /the TTL must be longer than 0, not '-5s'/, 'fs', 'setTtl', '/still/dir', '--', '-5s')
    await expectLine(64, /--ttl must be longer than 0, not '-5s'/, 'ns', 'update', 'still', '--ttl', '-5s')
    await expectLine(64, /^\/ itself can have no TTL/, 'fs', 'setTtl', '/', '5s')
    await expectLine(1, /^\/sealed is read-only/, 'fs', 'setTtl', '/sealed', '5s', '--action', 'delete')
    await expectLine(1, /^\/sealed is read-only: nothing is persisted there/, 'fs', 'persist', '/sealed/new')
    await expectLine(1, /^\/sealed is read-only/, 'fs', 'rm', '/sealed/dir', '-R')
    await expectLine(64, /^mv across namespaces is not supported/, 'fs', 'mv', file, '/sealed/other')
    await expectLine(1, /^\/still\/dir is not empty: use -R/, 'fs', 'rm', '/still/dir')
    await expectLine(1, /^\/sealed\/new is not persisted: the cache has the only copy/, 'fs', 'free', '/sealed/new')
    await expectLine(1, /^\/sealed holds 1 file that the store has not/, 'ns', 'delete', 'sealed')
    await expectLine(1, /^\/sealed holds 1 file that the store has not/, 'fs', 'unmount', '/sealed')
    await expectLine(64, /no change given/, 'ns', 'update', 'still')
    await expectLine(64, /has no attribute 'nope'/, 'ns', 'update', 'still', '--remove-attribute', 'nope')
    expect((await skein.cli('fs', 'ls', '-R', '/still')).stdout).toBe(before.stdout)
    expect(await skein.cli('ns', 'delete', 'sealed', '--force')).toMatchObject({ code: 0 })
    expect(await skein.cli('fs', 'unmount', '/still')).toMatchObject({ code: 0, stdout: 'Unmounted /still\n' })
    expect(origin.bucket('still').sortedKeys).toHaveLength(2)
  })

  it('words that are no command: exit 64', async () => {
    await expectLine(64, /'nopath' is not a path/, 'fs', 'ls', 'nopath')
    await expectLine(64, /unknown option '--bogus'/, 'fs', 'ls', '--bogus', '/good')
    await expectLine(64, /--replication must be a whole number/, 'fs', 'distributedLoad', '/good', '--replication', '0')
    await expectLine(64, /--secret number 1 is not key=value/, 'ns', 'create', 'x', 's3://good/', '--secret', 'canary')
    await expectLine(64, /'\.' or '\.\.' segment/, 'fs', 'cat', '/good/../x')
  })

  it('a store that does not let us in is named, with what is wrong, and no namespace is made', async () => {
    const create = (uri: string, ...flags: readonly string[]): string[] => ['ns', 'create', 'refused', uri, ...flags]
    await expectLine(
      1,
      /bucket good: .*SignatureDoesNotMatch: the secret is wrong/,
      ...create('s3://good/', ...storeFlags(origin.url, 'canary-wrong')),
    )
    await expectLine(2, /bucket not-there: .*no such bucket/, ...create('s3://not-there/', ...storeFlags(origin.url)))
    await expectLine(
      1,
      /127\.0\.0\.1:1 bucket good: .*no server listens at this address/,
      ...create('s3://good/', ...storeFlags('http://127.0.0.1:1')),
    )
    await expectLine(1, /host name is unknown/, ...create('s3://good/', ...storeFlags('http://no-such-host.invalid')))
    await expectLine(64, /s3\.endpoint is not an endpoint/, ...create('s3://good/', ...storeFlags('ftp://x')))
    await expectLine(
      64,
      /"s3\.endpiont" is not a known attribute.*s3\.endpoint/,
      ...create('s3://good/', '--attribute', 's3.endpiont=x'),
    )
    await expectLine(
      64,
      /s3\.accessKeyId is missing/,
      ...create('s3://good/', '--attribute', `s3.endpoint=${origin.url}`),
    )
    await expectLine(64, /'gopher:\/\/good\/' is not a namespace URI/, ...create('gopher://good/'))
    await expectLine(2, /\/no\/such\/dir does not exist/, ...create('file:///no/such/dir'))
    expect((await skein.cli('ns', 'ls')).stdout).not.toContain('refused')
    expect(skein.log()).not.toContain('canary-wrong')
  })

  it('ns create twice: the same again is no error, another one is refused', async () => {
    expect(await skein.createNamespace('good', origin, 'good')).toMatchObject({ code: 0, stderr: '' })
    const other = await skein.createNamespace('good', origin, 'archive')
    expect(oneLine(other)).toMatch(/'good' exists already/)
    expect(other.code).toBe(1)
    expect((await skein.cli('ns', 'stat', 'good')).stdout).toContain('s3://good/')
  })

  it('cat and location of a directory: exit 1', async () => {
    await expectLine(1, /^\/good\/dir is a directory/, 'fs', 'cat', '/good/dir')
    await expectLine(1, /^\/good is a directory/, 'fs', 'cat', '/good')
    await expectLine(1, /^\/good\/dir is a directory/, 'fs', 'location', '/good/dir')
  })

  it('replication above the live workers is refused before there is a load', async () => {
    await expectLine(
      1,
      /replication 2 needs 2 live workers, 1 is live/,
      'fs',
      'distributedLoad',
      '/good',
      '--replication',
      '2',
    )
    expect((await skein.cli('job', 'ls')).stdout).not.toContain('/good')
  })

  it('an object in an archive class: exit 3, named, and the others are there', async () => {
    const load = await skein.cli('fs', 'distributedLoad', '/archive')
    expect(load.code).toBe(3)
    expect(load.stdout).toContain('Total completed file count is 3, failed file count is 1')
    expect(load.stdout).toMatch(/\/archive\/x\/old: .*InvalidObjectState.*restore/)
    const cat = await skein.cli('fs', 'cat', '/archive/x/old')
    expect(oneLine(cat)).toMatch(/\/archive\/x\/old .*restore/)
    expect(cat.code).toBe(1)
    expect(
      (await skein.cli('fs', 'cat', '/archive/x/0000001')).bytes.equals(origin.bucket('archive').bytesOf('x/0000001')),
    ).toBe(true)
    origin.bucket('archive').restore('x/old')
    expect((await skein.cli('fs', 'distributedLoad', '/archive')).code).toBe(0)
  })

  it('a dataset larger than the free capacity: the missing bytes are named and nothing is loaded', async () => {
    const room = async (key: string): Promise<number> =>
      (await skein.json<Record<string, number>>('fs', `get${key}`))[`${key[0]?.toLowerCase()}${key.slice(1)}`] ?? 0
    const [capacity, used] = [await room('CapacityBytes'), await room('UsedBytes')]
    const read = origin.counters.objectBytes
    const load = await skein.cli('fs', 'distributedLoad', '/large')
    expect(load.stderr).toContain(`no room for /large: ${300_000_000 - (capacity - used)} bytes`)
    expect(load.stdout).toContain('Total completed file count is 0')
    expect(load.code).toBe(1)
    expect(origin.counters.objectBytes).toBe(read)
    expect(await room('UsedBytes')).toBe(used)
  })

  it('an empty bucket and an empty directory load to nothing', async () => {
    expect(await skein.cli('fs', 'distributedLoad', '/nothing')).toMatchObject({
      code: 0,
      stdout: 'Total completed file count is 0, failed file count is 0\n',
    })
    origin.bucket('nothing').put('marker/', Buffer.alloc(0))
    expect(await skein.cli('fs', 'distributedLoad', '/nothing/marker')).toMatchObject({
      code: 0,
      stdout: 'Total completed file count is 0, failed file count is 0\n',
    })
  })

  it('empty objects are 100 % cached and have no bytes', async () => {
    for (const key of ['empty', 'dir/empty']) origin.bucket('empties').put(key, Buffer.alloc(0))
    expect(await skein.createNamespace('empties', origin, 'empties')).toMatchObject({ code: 0 })
    expect(await skein.cli('fs', 'distributedLoad', '/empties')).toMatchObject({ code: 0 })
    const ls = await skein.cli('fs', 'ls', '-R', '/empties')
    expect(ls.stdout.match(/ 100% /g)).toHaveLength(2)
    expect(await skein.cli('fs', 'cat', '/empties/dir/empty')).toMatchObject({ code: 0, stdout: '', stderr: '' })
  })

  it('object names of every kind are loaded, listed and read by their own names', async () => {
    const bucket = origin.bucket('names')
    for (const key of strangeKeys)
      dataset.set(key, bucket.put(key, Buffer.from(`the content of ${key}`)).body ?? Buffer.alloc(0))
    expect(await skein.createNamespace('names', origin, 'names')).toMatchObject({ code: 0 })
    const load = await skein.cli('fs', 'distributedLoad', '/names')
    expect(load).toMatchObject({
      code: 0,
      stdout: `Total completed file count is ${strangeKeys.length}, failed file count is 0\n`,
    })
    const { entries: files } = await skein.json<{
      entries: { path: string; folder: boolean; cachedBytes: number; length: number }[]
    }>('fs', 'ls', '-R', '/names')
    const listed = files.filter((file) => !file.folder)
    expect(listed.map((file) => file.path).sort()).toEqual(strangeKeys.map((key) => `/names/${key}`).sort())
    expect(listed.filter((file) => file.cachedBytes !== file.length)).toEqual([])
    // One line a file, whatever is in its name.
    const lines = (await skein.cli('fs', 'ls', '-R', '/names')).stdout
      .split('\n')
      .filter((line) => line.includes(' 100% '))
    expect(lines).toHaveLength(strangeKeys.length)
    // oxlint-disable-next-line no-control-regex
    expect(lines.join('')).not.toMatch(/[\u0000-\u001F]/)
    origin.faults.add({ kind: 'denied', on: 'get', times: 1e9 })
    try {
      const wrong: string[] = []
      const left = [...strangeKeys]
      const reader = async (): Promise<void> => {
        for (let key = left.pop(); key !== undefined; key = left.pop()) {
          const cat = await skein.cli('fs', 'cat', `/names/${key}`)
          if (cat.code !== 0 || !cat.bytes.equals(dataset.get(key) ?? Buffer.alloc(0)))
            wrong.push(`${key}: ${cat.code} ${cat.stderr}`)
        }
      }
      await Promise.all([reader(), reader()])
      expect(wrong).toEqual([])
    } finally {
      origin.faults.clear()
    }
  })

  it('names that cannot be paths are refused by name: exit 3', async () => {
    const bucket = origin.bucket('problems')
    for (const key of ['good', 'dot/./x', 'dot/../x', 'nul\0x']) bucket.put(key, Buffer.from(key))
    expect(await skein.createNamespace('problems', origin, 'problems')).toMatchObject({ code: 0 })
    const load = await skein.cli('fs', 'distributedLoad', '/problems')
    expect(load.code).toBe(3)
    expect(load.stdout).toContain('Total completed file count is 1, failed file count is 3')
    for (const line of ['/problems/dot/./x: ', '/problems/dot/../x: ', '/problems/nul\\x00x: '])
      expect(load.stdout).toContain(line)
    expect((await skein.cli('fs', 'cat', '/problems/good')).stdout).toBe('good')
  })
})

const strangeKeys: readonly string[] = [
  ...[
    'with blanks',
    ' leading',
    'trailing ',
    'plus+sign',
    'per%cent',
    'per%2Fcent',
    '%41',
    'a&b=c',
    'hash#tag',
    'quest?ion=1',
    'semi;colon,comma',
  ],
  ...[
    'ünïcödé/日本語/😀',
    'e\u0301',
    '\u{10FFFF}x',
    '\uFFFDx',
    '.hidden',
    '.dir/.x',
    '...',
    '..a',
    'a..',
    '-dash',
    '~tilde',
    'c:d',
    'star*',
  ],
  ...[
    'two//slashes',
    '//leading',
    '/absolute',
    'a///c',
    'a',
    'a/b',
    'a/b/c',
    'bytes/',
    'both/',
    'both/x',
    `${'x'.repeat(849)}!`,
    `${'y/'.repeat(424)}zz`,
  ],
  ...[
    'quote\'"`$(x)',
    'back\\slash',
    'tab\there',
    'new\nline',
    'return\rx',
    '<xml>&amp;',
    '\u001B[31mred',
    '\u0001control',
  ],
]
