// Why: the ground that everything stands on: sizes, durations, budgets, retries, ids, paths,
// checksums, secrets.
import { inspect } from 'node:util'
import { crc32 } from 'node:zlib'
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  blockCount,
  blockIdOf,
  blockIndexOf,
  blockLength,
  blocksPerFileMax,
  containersMax,
  fileIdOf,
  fileIdOfBlock,
} from '../../../src/base/block-id.ts'
import { Budget } from '../../../src/base/flow/budget.ts'
import { formatBytes, parseBytes } from '../../../src/base/bytes.ts'
import { seededRandom, systemClock } from '../../../src/base/clock.ts'
import { formatDuration, parseDuration } from '../../../src/base/durations.ts'
import { SkeinError, toSkeinError } from '../../../src/base/errors.ts'
import { pageBytes, pageChecksums, PageChecksummer } from '../../../src/base/page-checksum.ts'
import {
  directoryNames,
  fileNames,
  firstNameOf,
  formatPath,
  keyProblem,
  namespaceNeeded,
  placeOfPath,
  placeWithin,
} from '../../../src/base/paths.ts'
import { backoffMs, retry } from '../../../src/base/flow/retry.ts'
import { Secret } from '../../../src/base/secret.ts'
import { SingleFlight } from '../../../src/base/flow/single-flight.ts'

const forever = new AbortController().signal

describe('bytes', () => {
  it('reads GooseFS sizes', () => {
    expect(['128MB', '4096', '1.5 gb', '10K', '1TB', '2MiB'].map(parseBytes)).toEqual([
      128 * 1024 ** 2,
      4096,
      1.5 * 1024 ** 3,
      10240,
      1024 ** 4,
      2 * 1024 ** 2,
    ])
  })
  it.each(['', 'MB', '-1MB', '1XB', '1 M B', '99999999999PB', '0x10'])('refuses %j', (text) => {
    expect(() => parseBytes(text)).toThrow(/is not a size/)
  })
  it('prints as GooseFS does', () => {
    expect([0, 14, 5120, 12 * 1024 ** 2, 1610612736000].map(formatBytes)).toEqual([
      '0B',
      '14B',
      '5120B',
      '12.00MB',
      '1500.00GB',
    ])
  })
})

describe('durations', () => {
  it('reads bare milliseconds and units', () => {
    expect(['500', '100s', '10m', '10min', '24 hours', '1d', '-1'].map(parseDuration)).toEqual([
      500, 100_000, 600_000, 600_000, 86_400_000, 86_400_000, -1,
    ])
  })
  it.each(['', 'soon', '5 fortnights', '1.2.3s'])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow(/is not a duration/)
  })
  it('prints for people', () => {
    expect([850, 12_000, 185_000, 7_800_000, 356_400_000].map(formatDuration)).toEqual([
      '850ms',
      '12s',
      '3m05s',
      '2h10m',
      '4d03h',
    ])
  })
})

describe('block ids', () => {
  it('round-trip within safe integers', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: containersMax - 1 }),
        fc.integer({ min: 0, max: blocksPerFileMax - 1 }),
        (container, index) => {
          const block = blockIdOf(fileIdOf(container), index)
          expect(Number.isSafeInteger(fileIdOf(container))).toBe(true)
          expect(fileIdOfBlock(block)).toBe(fileIdOf(container))
          expect(blockIndexOf(block)).toBe(index)
        },
      ),
    )
  })
  it('block lengths add up to the file', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: 1, max: 999 }), (length, size) => {
        let sum = 0
        for (let i = 0; i < blockCount(length, size); i += 1) sum += blockLength(length, size, i)
        expect(sum).toBe(length)
      }),
    )
  })
})

describe('paths', () => {
  const isNs = (name: string): boolean => name === 'ns'

  it('keeps keys as the store spells them', () => {
    for (const text of ['/ns', '/ns/a b+%25&é/.x', '/ns/a//b', '/ns/dir/', '/ns/日本'])
      expect(formatPath(placeOfPath(text, isNs))).toBe(text)
    expect(placeOfPath('gfs://127.0.0.1:9200/ns/a', isNs)).toEqual({ namespace: 'ns', key: 'a' })
    expect(placeOfPath('/', isNs)).toEqual({ namespace: '', key: '' })
    expect(placeOfPath('/ns/', isNs)).toEqual({ namespace: 'ns', key: '' })
  })
  it('are in the namespace of their first name, else in the root mount', () => {
    const inRoot = [
      '/ns2/a',
      '/ns2',
      '/ns2/',
      '/nsx/a',
      '/n',
      '/NS/a',
      '/.x',
      '/a b+%25/x',
      '//ns/a',
      '/-ns',
      '/日本/ns',
    ]
    for (const text of inRoot) {
      expect(placeOfPath(text, isNs)).toEqual({ namespace: '', key: text.slice(1) })
      expect(formatPath(placeOfPath(text, isNs))).toBe(text)
      expect(placeWithin('', text)).toEqual({ namespace: '', key: text.slice(1) })
    }
    expect(placeWithin('ns', '/ns/a/b')).toEqual({ namespace: 'ns', key: 'a/b' })
    expect(placeWithin('', '/ns/a/b')).toEqual({ namespace: '', key: 'ns/a/b' })
    expect(['/', '/a', '/a/b', '//b', 'gfs://h:1/a/b'].map(firstNameOf)).toEqual(['', 'a', 'a', '', 'a'])
  })
  it.each([
    'ns/a',
    '/ns/../x',
    '/ns/./x',
    '/ns/a\0',
    `/ns/${'k'.repeat(1025)}`,
    '/..',
    '/./ns',
    '/a/../ns',
    '/\uD800',
    '/a\0',
  ])('refuses %j', (text) => {
    expect(() => placeOfPath(text, isNs)).toThrow(SkeinError)
  })
  it('of the root mount may be as long as a key, its first name included', () => {
    expect(placeOfPath(`/ns2/${'k'.repeat(1020)}`, isNs).key).toHaveLength(1024)
    expect(() => placeOfPath(`/ns2/${'k'.repeat(1021)}`, isNs)).toThrow('longer than 1024 bytes')
  })
  it('need a namespace of a name that can be one, where there is no root mount', () => {
    expect(namespaceNeeded('/ns/a')).toBe('ns')
    for (const text of ['//a', '/-ns/a', '/a b/c', '/']) expect(() => namespaceNeeded(text)).toThrow(SkeinError)
  })
  it('inode names joined are the key, and files differ from directories', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', '/', 'b', '.x', '%'), { maxLength: 12 }), (pieces) => {
        const key = pieces.join('')
        expect(fileNames(key).join('')).toBe(key)
        expect(directoryNames(key).join('')).toBe(key === '' || key.endsWith('/') ? key : `${key}/`)
        if (key !== '') expect(fileNames(key).at(-1)?.endsWith('/')).toBe(false)
      }),
    )
    expect(keyProblem('a/..b/c')).toBeUndefined()
  })
})

describe('budget', () => {
  it('never gives out more than it has, in order, and survives aborts', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ amount: fc.integer({ min: 1, max: 7 }), abort: fc.boolean() }), { maxLength: 30 }),
        async (requests) => {
          const budget = new Budget('test', 5)
          const granted: number[] = []
          const controllers = requests.map(() => new AbortController())
          const all = requests.map(async ({ amount }, index) => {
            const share = await budget.acquire(amount, controllers[index]?.signal ?? forever)
            expect(budget.used).toBeLessThanOrEqual(5)
            granted.push(index)
            await Promise.resolve()
            share.release()
            share.release()
          })
          requests.forEach(({ abort }, index) => {
            if (abort) controllers[index]?.abort()
          })
          await Promise.allSettled(all)
          expect(budget.used).toBe(0)
          expect(budget.waiting).toBe(0)
          expect(granted).toEqual([...granted].sort((a, b) => a - b))
          requests.forEach(({ abort }, index) => {
            if (!abort) expect(granted).toContain(index)
          })
        },
      ),
    )
  })
})

describe('retry', () => {
  const options = {
    policy: { attemptsMax: 3, initialMs: 1, maxMs: 2 },
    clock: systemClock,
    random: seededRandom(1),
    signal: forever,
  }
  it('retries what is retryable and nothing else', async () => {
    let calls = 0
    await expect(
      retry(() => Promise.reject(new SkeinError('unavailable', `down ${++calls}`)), options),
    ).rejects.toThrow('down 3')
    await expect(retry(() => Promise.reject(new SkeinError('not_found', `gone ${++calls}`)), options)).rejects.toThrow(
      'gone 4',
    )
  })
  it('backs off within its bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 99 }), fc.integer(), (attempt, seed) => {
        expect(
          backoffMs({ attemptsMax: 9, initialMs: 100, maxMs: 5000 }, attempt, seededRandom(seed)),
        ).toBeLessThanOrEqual(Math.min(5000, 100 * 2 ** (attempt - 1)))
      }),
    )
  })
})

describe('page checksums', () => {
  it('do not depend on how the bytes were cut', () => {
    const bytes = Buffer.alloc(2 * pageBytes + 77, 'skein')
    const checksummer = new PageChecksummer()
    for (let from = 0; from < bytes.length; from += 300_007) checksummer.update(bytes.subarray(from, from + 300_007))
    expect(checksummer.finish()).toEqual(pageChecksums(bytes))
    expect(pageChecksums(bytes)).toEqual([
      crc32(bytes.subarray(0, pageBytes)),
      crc32(bytes.subarray(pageBytes, 2 * pageBytes)),
      crc32(bytes.subarray(2 * pageBytes)),
    ])
    expect(pageChecksums(Buffer.alloc(0))).toEqual([])
  })
})

describe('secrets and errors', () => {
  it('a secret prints as redacted everywhere', () => {
    const secret = new Secret('hunter2')
    expect([String(secret), JSON.stringify({ secret }), inspect({ secret })].join()).not.toContain('hunter2')
    expect(secret.reveal()).toBe('hunter2')
  })
  it('any thrown value becomes one line', () => {
    expect(toSkeinError(new Error('a\nb')).message).toBe('a')
    expect(toSkeinError('text').code).toBe('internal')
    expect(toSkeinError(new DOMException('x', 'AbortError')).code).toBe('cancelled')
  })
  it('single flight shares one run', async () => {
    const flights = new SingleFlight<string, number>()
    let runs = 0
    const run = (): Promise<number> => flights.run('a', () => Promise.resolve(++runs))
    expect(await Promise.all([run(), run()])).toEqual([1, 1])
    expect(await run()).toBe(2)
  })
})
