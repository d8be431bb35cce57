// Why: callers without types give anything, and every implementation must refuse it alike, before
// anything happens. How: values of wrong types and sizes for each method; signals whose reason is
// the caller's own.
import { describe, expect, it } from 'vitest'
import type { FileSystem } from '../../../src/client/file-system.ts'
import { bytesOf, entries, names, read, write } from './file-system-steps.ts'

interface Place {
  readonly fileSystem: FileSystem
  /** The path of the namespace, without a slash at its end. */
  readonly base: string
  readonly top: string
  readonly code: (promise: Promise<unknown>) => Promise<string>
}

/** As a caller without types sees it. */
type Untyped = Record<string, (...given: readonly unknown[]) => Promise<unknown>>

const wrongOptions: readonly (readonly [string, unknown])[] = [
  ...['nope', 7, true, null, []].map((options) => ['stat', options] as const),
  ...[-1, Number.NaN, 0.5, '1', Number.NEGATIVE_INFINITY].map((maxAgeMs) => ['open', { maxAgeMs }] as const),
  ...[{ signal: 'x' }, { signal: {} }].map((options) => ['makeDirectory', options] as const),
  ...[{ ifExists: 'nope' }, { ifExists: true }, { ifExists: null }].map((options) => ['create', options] as const),
  ...[-1, Number.NaN, 1.5, '3', 2 ** 60].map((length) => ['create', { length }] as const),
  ...[0, -5, Number.NaN].map((blockSizeBytes) => ['create', { blockSizeBytes }] as const),
  ...[-1, 0o10000, '644'].map((mode) => ['create', { mode }] as const),
  ...[{ owner: 5 }, { group: '\ud800' }, { contentType: ['a'] }, { acl: 'x' }].map(
    (options) => ['create', options] as const,
  ),
  ...[{ a: 1 }, { a: '\udfff' }, 'a', [1]].map((userMetadata) => ['create', { userMetadata }] as const),
  ...[{ ms: 1 }, { ms: -1, action: 'FREE' }, { ms: 5, action: 'free' }, 5].map((ttl) => ['create', { ttl }] as const),
  ...[{ recursive: 'yes' }, { keepEntries: 1 }].map((options) => ['delete', options] as const),
  ...[{ pinned: 'no' }, { replicationMax: -1 }, { replicationMin: Number.NaN }, { ttl: 'never' }, { acl: 'x' }].map(
    (options) => ['setAttributes', options] as const,
  ),
]

const wrongListings: readonly unknown[] = [
  ...['', 0, 'false', null].map((recursive) => ({ recursive })),
  ...[0, 1002, -1, Number.NaN, 1.5, '10'].map((pageSize) => ({ pageSize })),
  ...['\ud800', 'a\udc00', 7, null].map((prefix) => ({ prefix })),
  ...['\ud83d', {}].map((startAfter) => ({ startAfter })),
  ...[1, null].map((withImplied) => ({ withImplied })),
  { onUnusable: 'x' },
]

export function refusalSuite(place: () => Place): void {
  describe('what callers give', () => {
    it.each(wrongOptions)('%s with %o is refused, in one line', async (method, options) => {
      const { fileSystem, top, code } = place()
      const untyped = fileSystem as unknown as Untyped
      const thrown: unknown = await Promise.resolve(untyped[method]?.(`${top}/a`, options)).catch((e: unknown) => e)
      expect(thrown).toMatchObject({ name: 'SkeinError', code: 'invalid_argument' })
      expect((thrown as Error).message).not.toContain('\n')
      expect(await code(fileSystem.stat(`${top}/a`))).toBe('not_found')
    })

    it.each(wrongListings)('a listing with %o is refused', async (options) => {
      const { fileSystem, base, code } = place()
      expect(await code((async () => entries(fileSystem, base === '' ? '/' : base, options as object))())).toBe(
        'invalid_argument',
      )
    })

    it('paths are well-formed strings', async () => {
      const { fileSystem, top, code } = place()
      await write(fileSystem, `${top}/\ufffd`, 'x')
      const untyped = fileSystem as unknown as Untyped
      for (const path of [`${top}/\ud800`, undefined, 7, null, {}, ['/a']])
        for (const method of ['stat', 'open', 'create', 'makeDirectory', 'delete', 'blockLocations', 'setAttributes'])
          expect(
            await code(Promise.resolve(untyped[method]?.(path, undefined))),
            `${method} ${JSON.stringify(path)}`,
          ).toBe('invalid_argument')
      expect(await code(fileSystem.rename(`${top}/\ufffd`, `${top}/\udc00`))).toBe('invalid_argument')
      expect(await read(fileSystem, `${top}/\ufffd`)).toBe('x')
    })

    it('ranges and memory', async () => {
      const { fileSystem, top, code } = place()
      await write(fileSystem, `${top}/a`, '0123456789')
      const handle = await fileSystem.open(`${top}/a`)
      const untyped = handle as unknown as Untyped
      for (const position of [-1, Number.NaN, 0.5, '1', undefined, null, Number.POSITIVE_INFINITY])
        expect(await code(Promise.resolve(untyped['read']?.(new Uint8Array(2), position)))).toBe('invalid_argument')
      for (const into of [undefined, null, [1, 2], 'ab', new ArrayBuffer(2), new Uint16Array(2)])
        expect(await code(Promise.resolve(untyped['read']?.(into, 0)))).toBe('invalid_argument')
      const streamed = async (range: unknown): Promise<number> => {
        let bytes = 0
        for await (const chunk of handle.stream(range as { offset: number })) bytes += chunk.length
        return bytes
      }
      const bad = [{ offset: -1 }, { offset: 0, length: -1 }, { offset: Number.NaN }, { length: 1 }, {}, 5, null]
      for (const range of bad) expect(await code(streamed(range))).toBe('invalid_argument')
      expect(await streamed({ offset: 3, length: 4 })).toBe(4)
      await handle.close()
    })

    it('what is written is bytes', async () => {
      const { fileSystem, top, code } = place()
      for (const chunk of ['text', 7, undefined, null, [1], new Uint16Array(1), new ArrayBuffer(1)]) {
        const output = await fileSystem.create(`${top}/a`)
        expect(await code(output.write(chunk as unknown as Uint8Array))).toBe('invalid_argument')
        expect(await code(output.write(bytesOf('x')))).not.toBe('no error')
        expect(await code(output.close())).not.toBe('no error')
      }
      expect(await code(fileSystem.stat(`${top}/a`))).toBe('not_found')
    })
  })

  describe('an aborted signal', () => {
    class OwnReason extends Error {}

    it('is thrown with the reason that the caller gave', async () => {
      const { fileSystem, top } = place()
      await write(fileSystem, `${top}/a`, 'x')
      const handle = await fileSystem.open(`${top}/a`)
      for (const reason of [new OwnReason('own'), 'a word', { own: true }]) {
        const options = { signal: AbortSignal.abort(reason) }
        const calls = [
          fileSystem.stat(`${top}/a`, options),
          fileSystem.open(`${top}/a`, options),
          fileSystem.create(`${top}/b`, options),
          fileSystem.makeDirectory(`${top}/b`, options),
          fileSystem.rename(`${top}/a`, `${top}/b`, options),
          fileSystem.delete(`${top}/a`, options),
          fileSystem.setAttributes(`${top}/a`, { pinned: true, ...options }),
          entries(fileSystem, top, options),
          handle.read(new Uint8Array(1), 0, options),
          handle.stream({ offset: 0 }, options)[Symbol.asyncIterator]().next(),
        ]
        for (const result of await Promise.allSettled(calls))
          expect(result).toEqual({ status: 'rejected', reason: expect.toSatisfy((thrown) => thrown === reason) })
      }
      await handle.close()
      expect(await names(fileSystem, top)).toEqual(['a'])
    })

    it('ends an output with its reason, and nothing stays', async () => {
      const { fileSystem, top, code } = place()
      const controller = new AbortController()
      const reason = new OwnReason('own')
      const output = await fileSystem.create(`${top}/a`, { signal: controller.signal })
      await output.write(bytesOf('x'))
      controller.abort(reason)
      await expect(output.write(bytesOf('y'))).rejects.toBe(reason)
      await expect(output.close()).rejects.toBe(reason)
      expect(await code(fileSystem.stat(`${top}/a`))).toBe('not_found')
    })

    it('ends a listing between two pages', async () => {
      const { fileSystem, top } = place()
      for (const name of ['a', 'b', 'c']) await write(fileSystem, `${top}/${name}`, name)
      const controller = new AbortController()
      const reason = new OwnReason('own')
      const pages = fileSystem.list(top, { pageSize: 1, signal: controller.signal })[Symbol.asyncIterator]()
      await pages.next()
      controller.abort(reason)
      await expect(pages.next()).rejects.toBe(reason)
    })
  })

  describe('below .skein/', () => {
    it('a file leaves it without its TTL; directories stay, and nothing enters', async () => {
      const { fileSystem, base, top, code } = place()
      const inner = `${base}/.skein/${top.split('/').at(-1)}`
      const ttl = { ms: 3_600_000, action: 'DELETE' } as const
      await write(fileSystem, `${inner}/part`, 'x', { ttl })
      await write(fileSystem, `${inner}/dir/a`, 'y')
      await write(fileSystem, `${top}/b`, 'z')
      expect(await code(fileSystem.rename(`${inner}/dir`, `${top}/dir`))).toBe('failed_precondition')
      expect(await code(fileSystem.rename(`${top}/b`, `${inner}/b`))).toBe('failed_precondition')
      expect(await code(fileSystem.rename(top, `${inner}/top`))).toBe('failed_precondition')
      await fileSystem.rename(`${inner}/dir`, `${inner}/other`)
      await fileSystem.rename(`${inner}/part`, `${inner}/moved`)
      expect((await fileSystem.stat(`${inner}/moved`)).ttl).toEqual(ttl)
      await fileSystem.rename(`${inner}/moved`, `${top}/whole`)
      expect((await fileSystem.stat(`${top}/whole`)).ttl).toBeUndefined()
      expect(await read(fileSystem, `${top}/whole`)).toBe('x')
      expect(await names(fileSystem, inner, { recursive: true })).toEqual(['other/', 'other/a'])
    })
  })
}
