import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FileStatus } from '../../../../src/client/file-system.ts'
import { EntryNames } from '../../../../src/gateway/webhdfs/operations/entry-names.ts'
import { WebHdfs } from './support/webhdfs.ts'

interface Listed {
  readonly pathSuffix: string
  readonly type: string
}

let door: WebHdfs
beforeEach(async () => {
  door = await WebHdfs.start()
})
afterEach(() => door.close())

/** A file that is there whole, without a request each. */
const plant = (path: string): void => door.memory.plant(path, { bytes: Buffer.from('x'), etag: 'e' })

async function listed(path: string): Promise<readonly Listed[]> {
  const answer = (await door.json('GET', `${path}?op=LISTSTATUS`)) as { FileStatuses: { FileStatus: Listed[] } }
  return answer.FileStatuses.FileStatus
}

const names = (entries: readonly Listed[]): string[] =>
  entries.map(({ pathSuffix, type }) => (type === 'FILE' ? pathSuffix : `${pathSuffix}/`))

/** All batches, as Hadoop's client asks for them, and how many there were. */
async function batched(path: string): Promise<{ readonly entries: readonly Listed[]; readonly batches: number }> {
  const entries: Listed[] = []
  for (let batches = 1; ; batches += 1) {
    const after = entries.at(-1)?.pathSuffix ?? ''
    const target = `${path}?op=LISTSTATUS_BATCH&startAfter=${encodeURIComponent(after)}`
    const { DirectoryListing: batch } = (await door.json('GET', target)) as {
      DirectoryListing: { partialListing: { FileStatuses: { FileStatus: Listed[] } }; remainingEntries: number }
    }
    const page = batch.partialListing.FileStatuses.FileStatus
    entries.push(...page)
    if (batch.remainingEntries === 0) return { entries, batches }
    // Hadoop's client fails at a batch that is empty when there was to be more.
    expect(page.length).toBeGreaterThan(0)
    if (batches > 20) throw new Error('the listing does not end')
  }
}

describe('a listing', () => {
  it('has each entry of a directory once, those of namespaces included', async () => {
    for (const name of ['b', 'a-b', 'a/x', 'a/y/z', 'ü', 'emoji \u{1f600}', 'a"b\\c']) plant(`/data/dir/${name}`)
    const expected = ['a"b\\c', 'a-b', 'a/', 'b', 'emoji \u{1f600}', 'ü']
    expect(names(await listed('/data/dir'))).toEqual(expected)
    expect(names(await listed('/data/dir/'))).toEqual(expected)
    expect(names((await batched('/data/dir')).entries)).toEqual(expected)
    expect(names(await listed('/'))).toEqual(['data/', 'other/', 'readonly/'])
    expect(names((await batched('/')).entries)).toEqual(['data/', 'other/', 'readonly/'])
    await door.json('PUT', '/data/empty?op=MKDIRS')
    expect(await listed('/data/empty')).toEqual([])
    expect(await batched('/data/empty')).toEqual({ entries: [], batches: 1 })
    expect(names((await batched('/data/dir/b')).entries)).toEqual([''])
  })

  it('shows neither what doors keep for themselves nor names that Hadoop cannot say', async () => {
    for (const name of ['a', 'a-b', 'a/x', 'c//d', '.skein/part']) plant(`/data/${name}`)
    expect(names(await listed('/data'))).toEqual(['a', 'a-b', 'c/'])
    expect(names((await batched('/data')).entries)).toEqual(['a', 'a-b', 'c/'])
    expect(names(await listed('/data/c'))).toEqual([])
    expect(names(await listed('/data/a/'))).toEqual(['x'])
  })

  it.each([998, 999, 1000, 1001, 1998, 1999, 2500])('of %i entries comes in batches', async (count) => {
    for (let index = 0; index < count; index += 1)
      plant(`/data/${index % 3 === 0 ? `d${String(index).padStart(5, '0')}/x` : `d${String(index).padStart(5, '0')}`}`)
    const whole = names(await listed('/data'))
    const { entries, batches } = await batched('/data')
    expect(whole).toHaveLength(count)
    expect(names(entries)).toEqual(whole)
    expect(batches).toBe(Math.ceil(count / 999))
  })

  it.each([997, 998, 999, 1000])(
    'ends where a file and a directory have one name, behind %i others',
    async (between) => {
      plant('/data/a')
      for (let index = 0; index < between; index += 1) plant(`/data/a-${String(index).padStart(5, '0')}`)
      plant('/data/a/x')
      plant('/data/z/x')
      const { entries } = await batched('/data')
      const shown = new Set(entries.map(({ pathSuffix }) => pathSuffix))
      expect(shown).toEqual(new Set((await listed('/data')).map(({ pathSuffix }) => pathSuffix)))
      expect(shown.size).toBe(between + 2)
    },
  )

  it('refuses a start that is no name', async () => {
    expect((await door.refusal('GET', '/data?op=LISTSTATUS_BATCH&startAfter=a/b'))[0]).toBe(400)
  })
})

describe('a listing of a million entries', () => {
  const entry = (name: string): FileStatus => ({
    ...{ path: `/data/${name}`, name, kind: 'file', length: 1, blockSizeBytes: 1, fileId: 1, etag: '' },
    ...{ createdMs: 0, modifiedMs: 0, persistence: 'persisted', cachedBytes: 0, pinned: false, replicationMin: 0 },
    ...{ replicationMax: undefined, ttl: undefined, isMountPoint: false, isExplicit: true },
    ...{ owner: 'o', group: 'g', mode: 0o644, contentType: '', userMetadata: {} },
  })

  it('asks for no page before the client took the last ones', async () => {
    let pages = 0
    door.memory.list = async function* () {
      for (; pages < 1000; pages += 1)
        yield Array.from({ length: 1000 }, (_, index) => entry(`f${pages * 1000 + index}`))
    }
    const { request } = await import('node:http')
    const [host, port] = door.address.split(':')
    const sent = request({ host, port, path: '/webhdfs/v1/data?op=LISTSTATUS' }).end()
    const response = await new Promise<AsyncIterable<Buffer>>((resolve) => sent.once('response', resolve))
    const iterator = response[Symbol.asyncIterator]()
    await iterator.next()
    await expect.poll(() => pages).toBeGreaterThan(1)
    let before = -1
    while (before !== pages) {
      before = pages
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    expect(pages).toBeLessThan(100)
    sent.destroy()
    await expect.poll(() => door.metrics.prometheusText()).toContain('skein_door_requests_in_flight{door="webhdfs"} 0')
    expect(pages).toBeLessThan(110)
  })

  it('is broken off when its rest cannot be had', async () => {
    door.memory.list = async function* () {
      yield [entry('first')]
      throw new Error('no more')
    }
    await expect(door.ask('GET', '/data?op=LISTSTATUS')).rejects.toThrow(/aborted|ECONNRESET|hang up/)
  })
})

describe('names', () => {
  it('of directories are hidden by files only', () => {
    const of = (...shown: readonly string[]): string[] => {
      const entries = new EntryNames()
      return shown.filter((name) =>
        entries.isShown({
          name: name.replace(/\/$/, ''),
          kind: name.endsWith('/') ? 'directory' : 'file',
        } as FileStatus),
      )
    }
    expect(of('a', 'a!', 'a!b', 'a-', 'a/', 'ab', 'ab/', 'b/')).toEqual(['a', 'a!', 'a!b', 'a-', 'ab', 'b/'])
    expect(of('a', 'b', 'a/')).toEqual(['a', 'b', 'a/'])
  })
})
