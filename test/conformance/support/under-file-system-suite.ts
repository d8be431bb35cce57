// Why: one suite for everything that calls itself an UnderFileSystem, real servers included. How:
// the maker gives a store over an empty place, and a way to write there; a kind of store that
// cannot hold some keys says so.
import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { ListPosition, ListRequest, UnderFileSystem } from '../../../src/ufs/under-file-system.ts'

export interface StoreUnderTest {
  readonly store: UnderFileSystem
  put(key: string, bytes: Uint8Array): Promise<void>
  remove(key: string): Promise<void>
  /** Whether the store can hold this key; a directory cannot hold `a//b`. */
  holds?(key: string): boolean
  /** A token that the store never gave is taken for a key there, not refused or passed over. */
  readonly tokensAreKeys?: boolean
  close(): Promise<void>
}

export const strangeKeys: readonly string[] = [
  'strange/with blanks and + plus',
  'strange/percent%20%zz%',
  'strange/a&b=c?d#e;f:g@h',
  'strange/quotes\'"<>!*()',
  'strange/ünïcödé/日本語/🧶',
  'strange/\uffee-behind-surrogates',
  '.leading-dot/.hidden',
  'strange//double//slash',
  'strange/tilde~-_.',
  `strange/${'long/'.repeat(120)}${'x'.repeat(242)}`,
]

/** The bytes of these tests: told by a seed. */
export function testBytes(seed: number, length: number): Buffer {
  const random = seededRandom(seed)
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE(Math.floor(random() * 2 ** 32), at)
  return bytes
}

export function underFileSystemConformance(name: string, makeStore: () => Promise<StoreUnderTest>): void {
  describe(`UnderFileSystem: ${name}`, () => {
    const signal = new AbortController().signal
    let made: StoreUnderTest
    const contents = new Map<string, Buffer>()
    const holds = (key: string): boolean => made.holds?.(key) ?? true
    const put = async (key: string, bytes: Buffer): Promise<void> => {
      await made.put(key, bytes)
      contents.set(key, bytes)
    }
    const listAll = async (request: Partial<ListRequest>, dropTokens = false) => {
      const objects: string[] = []
      const prefixes: string[] = []
      let pages = 0
      let after: ListPosition | undefined = request.after
      do {
        const page = await made.store.list({ prefix: '', delimiter: undefined, limit: 1000, ...request, after }, signal)
        objects.push(...page.objects.map((object) => object.key))
        prefixes.push(...page.prefixes)
        after = page.next === undefined ? undefined : dropTokens ? { key: page.next.key, token: undefined } : page.next
        pages += 1
        expect(pages).toBeLessThan(200)
      } while (after !== undefined)
      return { objects, prefixes, pages }
    }
    const sorted = (keys: Iterable<string>): string[] =>
      [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const readAll = async (key: string, etag: string, offset: number, length: number): Promise<Buffer> => {
      const chunks: Uint8Array[] = []
      for await (const chunk of made.store.read({ key, etag, offset, length }, signal)) chunks.push(chunk)
      return Buffer.concat(chunks)
    }

    beforeAll(async () => {
      made = await makeStore()
      await put('big', testBytes(1, 3_000_000))
      await put('empty', Buffer.alloc(0))
      for (let index = 0; index < 25; index += 1)
        await put(`many/d${index % 3}/f${String(index).padStart(3, '0')}`, testBytes(index + 10, 100 + index))
      await put('many/a.txt', testBytes(90, 5))
      await put('many/a/b', testBytes(91, 6))
      await put('many/a0', testBytes(92, 7))
      for (const [index, key] of strangeKeys.entries())
        if (holds(key)) await put(key, testBytes(index + 100, 1000 + index))
    })
    afterAll(async () => {
      await made?.close()
    })

    it('answers a check', async () => {
      await made.store.check(signal)
    })

    it('tells length and version of an object', async () => {
      const about = await made.store.stat('big', signal)
      expect(about).toMatchObject({ key: 'big', length: 3_000_000, storageClass: 'STANDARD' })
      expect(about.etag).toMatch(/^[^"]+$/)
      expect(Math.abs(about.modifiedMs - Date.now())).toBeLessThan(3_600_000)
      expect((await made.store.stat('empty', signal)).length).toBe(0)
    })

    it('says not_found for what is not there', async () => {
      await expect(made.store.stat('nothing/here', signal)).rejects.toMatchObject({ code: 'not_found' })
      await expect(
        made.store.readWhole({ key: 'nothing', etag: 'x', offset: 0, length: 4 }, signal),
      ).rejects.toMatchObject({
        code: 'not_found',
      })
      await expect(readAll('nothing', 'x', 0, 4)).rejects.toMatchObject({ code: 'not_found' })
    })

    it('reads wholes and ranges', async () => {
      const { etag } = await made.store.stat('big', signal)
      const bytes = contents.get('big')!
      for (const [offset, length] of [
        [0, 3_000_000],
        [0, 1],
        [2_999_999, 1],
        [1_234_567, 1_500_001],
        [7, 0],
      ] as const) {
        const wanted = bytes.subarray(offset, offset + length)
        expect(wanted.equals(await readAll('big', etag, offset, length))).toBe(true)
        expect(wanted.equals(await made.store.readWhole({ key: 'big', etag, offset, length }, signal))).toBe(true)
      }
    })

    it('reads an empty object', async () => {
      const { etag } = await made.store.stat('empty', signal)
      expect((await readAll('empty', etag, 0, 0)).length).toBe(0)
      expect((await made.store.readWhole({ key: 'empty', etag, offset: 0, length: 0 }, signal)).length).toBe(0)
    })

    it('reads many at once without mixing them up', async () => {
      const keys = [...contents.keys()].filter((key) => key.startsWith('many/'))
      await Promise.all(
        keys.map(async (key) => {
          const { etag, length } = await made.store.stat(key, signal)
          expect(contents.get(key)!.equals(await made.store.readWhole({ key, etag, offset: 0, length }, signal))).toBe(
            true,
          )
        }),
      )
    })

    it('holds strange keys', async () => {
      for (const key of strangeKeys.filter(holds)) {
        const about = await made.store.stat(key, signal)
        expect(about.key).toBe(key)
        const got = await made.store.readWhole({ key, etag: about.etag, offset: 0, length: about.length }, signal)
        expect(createHash('sha256').update(got).digest('hex')).toBe(
          createHash('sha256').update(contents.get(key)!).digest('hex'),
        )
      }
    })

    it('lists every key once, in the order of its bytes, with the versions that stat tells', async () => {
      const { objects } = await listAll({})
      expect(objects).toEqual(sorted(contents.keys()))
      const page = await made.store.list(
        { prefix: 'many/', delimiter: undefined, after: undefined, limit: 1000 },
        signal,
      )
      for (const object of page.objects.slice(0, 5)) {
        const { crc64: _crc64, ...about } = await made.store.stat(object.key, signal)
        expect(object).toMatchObject({ key: about.key, length: about.length, etag: about.etag })
      }
    })

    it('lists in pages, with and without the token', async () => {
      for (const dropTokens of [false, true]) {
        const { objects, pages } = await listAll({ limit: 4 }, dropTokens)
        expect(objects).toEqual(sorted(contents.keys()))
        expect(pages).toBeGreaterThanOrEqual(Math.ceil(contents.size / 4))
      }
    })

    it('goes on after a key, even with a token that means nothing', async () => {
      const keys = sorted(contents.keys())
      const middle = keys[10]!
      expect((await listAll({ after: { key: middle, token: undefined } })).objects).toEqual(keys.slice(11))
      if (made.tokensAreKeys !== true)
        expect((await listAll({ after: { key: middle, token: 'not-a-token' } })).objects).toEqual(keys.slice(11))
      expect((await listAll({ after: { key: `${middle}\u0001`, token: undefined } })).objects).toEqual(keys.slice(11))
    })

    it('lists a prefix', async () => {
      const keys = sorted(contents.keys())
      for (const prefix of ['many/', 'many/a', 'many/d1/f0', 'big', 'none', 'strange/with blanks']) {
        expect((await listAll({ prefix })).objects).toEqual(keys.filter((key) => key.startsWith(prefix)))
      }
    })

    it('folds at the delimiter', async () => {
      for (const limit of [1000, 1]) {
        const many = await listAll({ prefix: 'many/', delimiter: '/', limit })
        expect(many.objects).toEqual(['many/a.txt', 'many/a0'])
        expect(many.prefixes).toEqual(['many/a/', 'many/d0/', 'many/d1/', 'many/d2/'])
      }
      const behind = await listAll({ prefix: 'many/', delimiter: '/', after: { key: 'many/d0/', token: undefined } })
      expect(behind.prefixes.filter((prefix) => prefix > 'many/d0/')).toEqual(['many/d1/', 'many/d2/'])
      const root = await listAll({ delimiter: '/' })
      expect(root.objects).toEqual(['big', 'empty'])
      expect(root.prefixes).toEqual(['.leading-dot/', 'many/', 'strange/'])
    })

    it('refuses to read another version than the wanted one', async () => {
      await made.put('changing', testBytes(7, 2000))
      const { etag, length } = await made.store.stat('changing', signal)
      await made.put('changing', testBytes(8, 2000))
      const changed = { code: 'aborted', reason: 'object_changed', retryable: false }
      await expect(made.store.readWhole({ key: 'changing', etag, offset: 0, length }, signal)).rejects.toMatchObject(
        changed,
      )
      await expect(readAll('changing', etag, 10, 20)).rejects.toMatchObject(changed)
      const now = await made.store.stat('changing', signal)
      expect(now.etag).not.toBe(etag)
      expect(testBytes(8, 2000).equals(await readAll('changing', now.etag, 0, 2000))).toBe(true)
      await made.remove('changing')
      await expect(
        made.store.readWhole({ key: 'changing', etag: now.etag, offset: 0, length }, signal),
      ).rejects.toMatchObject({
        code: 'not_found',
      })
    })

    it('lets a reader leave early, again and again', async () => {
      const { etag } = await made.store.stat('big', signal)
      for (let round = 0; round < 20; round += 1) {
        for await (const chunk of made.store.read({ key: 'big', etag, offset: round, length: 2_000_000 }, signal)) {
          expect(chunk.length).toBeGreaterThan(0)
          break
        }
      }
      expect((await readAll('big', etag, 0, 10)).length).toBe(10)
    })

    it('stops when it is told to', async () => {
      const { etag } = await made.store.stat('big', signal)
      const stopped = AbortSignal.abort(new SkeinError('cancelled', 'stop'))
      const request = { key: 'big', etag, offset: 0, length: 1_000_000 }
      await expect(made.store.stat('big', stopped)).rejects.toMatchObject({ code: 'cancelled' })
      await expect(made.store.readWhole(request, stopped)).rejects.toMatchObject({ code: 'cancelled' })
      const control = new AbortController()
      const reading = (async () => {
        for await (const _chunk of made.store.read({ ...request, length: 3_000_000 }, control.signal))
          control.abort(new SkeinError('cancelled', 'stop'))
      })()
      await expect(reading).rejects.toMatchObject({ code: 'cancelled' })
    })

    it('counts what it reads', async () => {
      const { etag } = await made.store.stat('big', signal)
      const before = made.store.counters
      await readAll('big', etag, 5, 1_000_000)
      expect(made.store.counters.readBytes - before.readBytes).toBe(1_000_000)
      expect(made.store.counters.readRequests - before.readRequests).toBe(1)
    })
  })
}
