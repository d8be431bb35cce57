// Why: programs use the cache as if it were HDFS, by Hadoop's own client and by Spark. How: `skein
// local` with a store in a folder; plain requests, a program on Hadoop's client, and one session of
// Spark over both doors. The last two are skipped where scripts/clients.sh did not put them.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { contentOf, sha256 } from '../support/dataset.ts'
import { hasDistCp, hasHadoop, hasSpark, runDistCp, runHadoop, runSpark } from '../support/hadoop-clients.ts'
import { LocalSkein, oneLine } from '../support/local-skein.ts'

const mebibyte = 1024 * 1024
const license = join(import.meta.dirname, '../../LICENSE')
const oddNames = process.env['SKEIN_TEST_LONG'] === undefined ? 200 : 1000

let skein: LocalSkein
let store: string
let door: string

beforeAll(async () => {
  // The clients expect that nothing can be made at /.
  const properties = { 'goosefs.master.mount.table.root.ufs': 'none' }
  skein = await LocalSkein.start({ quota: '2GB', properties })
  store = join(skein.folder, 'store')
  mkdirSync(store)
  copyFileSync(license, join(store, 'LICENSE'))
  expect(await skein.cli('ns', 'create', 'spark-cosntest', `file://${store}`)).toMatchObject({ code: 0 })
  door = `http://${skein.addresses()['webhdfs'] ?? ''}/webhdfs/v1`
})
afterAll(() => skein?.dispose())

const json = async (path: string, method = 'GET'): Promise<unknown> =>
  (await fetch(`${door}${path}`, { method })).json()

describe('the WebHDFS door', () => {
  it('moves bytes of several blocks, and tells where they are', async () => {
    const content = contentOf('large', 9 * mebibyte + 1)
    const path = '/spark-cosntest/written/large'
    const place = await fetch(`${door}${path}?op=CREATE&user.name=ann&blocksize=${4 * mebibyte}`, {
      ...{ method: 'PUT', redirect: 'manual' },
    })
    expect(place.status).toBe(307)
    const target = place.headers.get('location') ?? ''
    expect((await fetch(target, { method: 'PUT', body: content })).status).toBe(201)
    const read = await fetch(`${door}${path}?op=OPEN`)
    expect(sha256(Buffer.from(await read.arrayBuffer()))).toBe(sha256(content))
    const part = await fetch(`${door}${path}?op=OPEN&offset=${4 * mebibyte - 5}&length=10`)
    expect(Buffer.from(await part.arrayBuffer())).toEqual(content.subarray(4 * mebibyte - 5, 4 * mebibyte + 5))
    expect(await json(`${path}?op=GETFILESTATUS`)).toMatchObject({
      FileStatus: { length: content.length, owner: 'ann', blockSize: 4 * mebibyte, type: 'FILE', permission: '644' },
    })
    const { BlockLocations: located } = (await json(`${path}?op=GETFILEBLOCKLOCATIONS`)) as {
      BlockLocations: { BlockLocation: { length: number; hosts: string[] }[] }
    }
    expect(located.BlockLocation.map(({ length, hosts }) => [length, hosts.length])).toEqual([
      ...[
        [4 * mebibyte, 1],
        [4 * mebibyte, 1],
        [mebibyte + 1, 1],
      ],
    ])
    expect((await skein.cli('fs', 'ls', '/spark-cosntest/written')).stdout).toContain('large')
  })

  it('reads what only the store has', async () => {
    const read = await fetch(`${door}/spark-cosntest/LICENSE?op=OPEN`)
    expect(await read.text()).toBe(readFileSync(license, 'utf8'))
    expect(await json('/?op=LISTSTATUS')).toMatchObject({
      FileStatuses: { FileStatus: [{ pathSuffix: 'spark-cosntest' }] },
    })
  })

  it('is not opened where others reach it', async () => {
    const credentials = join(skein.folder, 'keys.json')
    writeFileSync(credentials, '[]', { mode: 0o600 })
    const open = ['-Dskein.gateway.bind.host=0.0.0.0', `-Dskein.gateway.credentials.file=${credentials}`]
    const refused = await skein.cli('gateway', ...open, '-Dskein.gateway.webhdfs.port=0')
    expect(refused.code).not.toBe(0)
    expect(oneLine(refused)).toContain('clients of WebHDFS are not authenticated')
  })

  it('shows a load with -A wholly old or wholly new', async () => {
    const [count, bytes] = [12, 300_000]
    const put = (letter: string, length: number): void => {
      mkdirSync(join(store, 'set'), { recursive: true })
      for (let index = 0; index < count; index += 1)
        writeFileSync(join(store, 'set', `f${index}`), Buffer.alloc(length, letter))
    }
    put('a', bytes)
    expect(await skein.cli('fs', 'distributedLoad', '-A', '/spark-cosntest/set')).toMatchObject({ code: 0 })
    const seen = new Set<string>()
    const look = async (round: number): Promise<void> => {
      const listing = (await json('/spark-cosntest/set?op=LISTSTATUS')) as {
        FileStatuses: { FileStatus: { length: number }[] }
      }
      const lengths = new Set(listing.FileStatuses.FileStatus.map(({ length }) => length))
      seen.add([...lengths].map((length) => (length === bytes ? 'old' : 'new')).join(' and '))
      const text = await (await fetch(`${door}/spark-cosntest/set/f${round % count}?op=OPEN`)).text()
      expect(text === 'a'.repeat(bytes) || text === 'b'.repeat(bytes + 1)).toBe(true)
    }
    // Until the load, the tree stays as it was, whatever the store has.
    await look(0)
    put('b', bytes + 1)
    await look(1)
    expect([...seen]).toEqual(['old'])
    let isLoading = true
    const watch = (async () => {
      for (let round = 0; isLoading; round += 1) await look(round)
    })()
    const loaded = await skein.cli('fs', 'distributedLoad', '-A', '/spark-cosntest/set')
    isLoading = false
    await watch
    await look(0)
    expect(loaded).toMatchObject({ code: 0 })
    expect([...seen].toSorted()).toEqual(['new', 'old'])
    expect(await json('/spark-cosntest/set?op=GETCONTENTSUMMARY')).toMatchObject({
      ContentSummary: { fileCount: count, length: count * (bytes + 1) },
    })
  })
})

describe('clients of Hadoop', () => {
  if (!hasHadoop) console.warn("Hadoop's client is not there: bash scripts/clients.sh --hadoop")
  if (!hasDistCp) console.warn('distcp is not there: bash scripts/clients.sh --hadoop')
  if (!hasSpark) console.warn('Spark is not there: bash scripts/clients.sh --spark')

  it.skipIf(!hasHadoop)('do what they do with HDFS', { timeout: 600_000 }, async () => {
    const { webhdfs = '' } = skein.addresses()
    const result = await runHadoop(webhdfs, '/spark-cosntest/java', oddNames)
    expect(result.names).toBe(oddNames)
    expect(result.checks).toBeGreaterThan(80)
  })

  it.skipIf(!hasDistCp)(
    'copy trees to the cache and back by distcp, and what has changed',
    { timeout: 600_000 },
    async () => {
      const { webhdfs = '' } = skein.addresses()
      const [tree, back] = [join(skein.folder, 'tree'), join(skein.folder, 'back')]
      mkdirSync(join(tree, 'a/b c'), { recursive: true })
      for (let index = 0; index < 100; index += 1)
        writeFileSync(join(tree, `a/f${index}`), contentOf(`f${index}`, index * 100))
      writeFileSync(join(tree, 'a/b c/ü'), 'one')
      const place = `webhdfs://${webhdfs}/spark-cosntest/distcp`
      await runDistCp(skein.folder, '-skipcrccheck', `file://${tree}`, place)
      writeFileSync(join(tree, 'a/b c/ü'), 'two, longer')
      utimesSync(join(tree, 'a/b c/ü'), 2_000_000_000, 2_000_000_000)
      await runDistCp(skein.folder, '-update', '-delete', '-skipcrccheck', `file://${tree}`, place)
      await runDistCp(skein.folder, '-pt', '-update', '-skipcrccheck', place, `file://${back}`)
      const contents = (root: string): Record<string, string> =>
        Object.fromEntries(
          readdirSync(root, { recursive: true, encoding: 'utf8' })
            .filter((name) => statSync(join(root, name)).isFile() && !name.endsWith('.crc'))
            .map((name) => [name, sha256(readFileSync(join(root, name)))]),
        )
      expect(contents(back)).toEqual(contents(tree))
      expect(Object.keys(contents(back))).toHaveLength(101)
    },
  )

  it.skipIf(!hasSpark)('count words and read tables by both doors in Spark', { timeout: 600_000 }, async () => {
    const { webhdfs = '', s3 = '' } = skein.addresses()
    const result = await runSpark({ webhdfs, s3 }, 'spark-cosntest', store)
    const counts = new Map<string, number>()
    for (const line of readFileSync(license, 'utf8').replace(/\n$/, '').split('\n'))
      for (const word of line.split(' ')) counts.set(word, (counts.get(word) ?? 0) + 1)
    expect(result.equal).toBe(true)
    expect(result.words).toEqual(Object.fromEntries(counts))
    expect(result.written).toEqual({ 'webhdfs by s3a': true, 's3a by webhdfs': true, 'webhdfs by webhdfs': true })
    const sum = Array.from({ length: 2000 }, (_, index) => index * 10 + 3).reduce((one, other) => one + other)
    const table = { files: 200, rows: 20_000, pruned: { rows: 2000, sum, files: 20 }, isPruned: true }
    expect(result.table).toEqual({ webhdfs: table, s3a: table })
  })
})
