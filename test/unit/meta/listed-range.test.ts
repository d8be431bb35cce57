// Pages of a listing with a prefix and a start, against a plain filter over all keys.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { apply } from '../../../src/meta/apply/apply-meta.ts'
import { entriesOf, type ListedRange } from '../../../src/meta/listed-range.ts'
import type { Edge } from '../../../src/meta/meta-tables.ts'
import { directoryAt, namespaceByName } from '../../../src/meta/resolve-path.ts'
import type { WalkEntry, WalkPosition } from '../../../src/meta/walk.ts'
import { createNamespace, listing, object } from './support/commands.ts'
import { MemoryTables } from './support/memory-tables.ts'

type Place = Omit<WalkEntry, 'inodeId'>
type Range = Omit<ListedRange, 'hidden'> & { readonly hidden?: string | undefined }

/** Counts the edges that are read. */
class CountingTables extends MemoryTables {
  edgesRead = 0

  override edges(parentId: number, from: string): Edge[] {
    const all = super.edges(parentId, from)
    const count = (): number => (this.edgesRead += 1)
    return {
      *[Symbol.iterator]() {
        for (const edge of all) {
          count()
          yield edge
        }
      },
    } as Edge[]
  }
}

function tablesOf(keys: readonly string[], markers: readonly string[] = []) {
  const tables = new CountingTables()
  apply(tables, createNamespace())
  const rootId = namespaceByName(tables, 'ns')?.rootId ?? 0
  const directories = markers.map((key) => ({ key, marker: true }))
  apply(tables, listing({ upserts: keys.map((key) => object(key)), directories }))
  return { tables, rootId }
}

/** What is below `directory`, from all keys, as a filter and a sort. */
function expected(keys: readonly string[], markers: readonly string[], directory: string, range: Range): Place[] {
  const folders = new Set(markers)
  for (const key of [...keys, ...markers])
    for (let at = key.indexOf('/'); at >= 0; at = key.indexOf('/', at + 1)) folders.add(key.slice(0, at + 1))
  const all = [
    ...[...folders].map((key) => ({ key, folder: true })),
    ...[...new Set(keys)].map((key) => ({ key, folder: false })),
  ]
  return all
    .filter(({ key, folder }) => key.startsWith(directory) && !(folder && key === directory))
    .filter(({ key, folder }) => {
      const below = key.slice(directory.length)
      if (!range.isRecursive && (folder ? below.slice(0, -1) : below).includes('/')) return false
      const { hidden } = range
      if (range.before !== undefined && Buffer.compare(Buffer.from(key), Buffer.from(range.before)) >= 0) return false
      const isHidden = hidden?.endsWith('/') === true ? key.startsWith(hidden) : key === hidden
      if (hidden !== undefined && isHidden && !directory.startsWith(hidden)) return false
      if (!below.startsWith(range.prefix)) return false
      return range.startAfter === '' || Buffer.compare(Buffer.from(below), Buffer.from(range.startAfter)) > 0
    })
    .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)) || Number(b.folder) - Number(a.folder))
}

function pages(
  tables: MemoryTables,
  directory: { readonly id: number; readonly key: string },
  { hidden, ...rest }: Range,
  pageSize: number,
): Place[] {
  const isOwn = hidden !== undefined && directory.key.startsWith(hidden)
  const isAt = (key: string): boolean =>
    hidden !== undefined && (hidden.endsWith('/') ? key.startsWith(hidden) : key === hidden)
  const range = { ...rest, hidden: (at: string) => (!isOwn && isAt(at) ? hidden : undefined) }
  const all: Place[] = []
  for (let after: WalkPosition | undefined; ;) {
    const page: Place[] = []
    for (const { key, folder } of entriesOf(tables, directory, range, after)) {
      page.push({ key, folder })
      if (page.length === pageSize) break
    }
    all.push(...page)
    if (page.length < pageSize) return all
    after = page.at(-1)
  }
}

const piece = fc.constantFrom(
  'a',
  'b',
  'ab',
  'a-',
  '.',
  ' ',
  '/',
  '/',
  '//',
  'é',
  '\uFFFD',
  '\u{1F600}',
  '%2F',
  '\u0001',
)
const key = fc.array(piece, { minLength: 1, maxLength: 5 }).map((pieces) => pieces.join(''))
const marker = key.map((text) => `${text}/`)
const part = fc.oneof(fc.constant(''), key, fc.constantFrom('a/', 'a', 'b/a', '\u0000', 'zz', '/'))

describe('entriesOf', () => {
  test('lists what a filter over all keys leaves, in pages of any size', () => {
    fc.assert(
      fc.property(
        fc.array(key, { maxLength: 12 }),
        fc.array(marker, { maxLength: 4 }),
        fc.record({
          ...{ isRecursive: fc.boolean(), prefix: part, startAfter: part },
          hidden: fc.constantFrom(undefined, undefined, 'a/', 'b/a/', 'a', 'b/a'),
          before: fc.constantFrom(undefined, undefined, 'a/', 'b', 'a-', '\u0000'),
        }),
        fc.constantFrom('', 'a/', 'a//', 'b/'),
        fc.integer({ min: 1, max: 4 }),
        (keys, markers, range, wantedDirectory, pageSize) => {
          const { tables, rootId } = tablesOf(keys, markers)
          const directory = directoryAt(tables, rootId, wantedDirectory)
          fc.pre(directory !== undefined)
          expect(pages(tables, { id: directory.id, key: wantedDirectory }, range, pageSize)).toEqual(
            expected(keys, markers, wantedDirectory, range),
          )
        },
      ),
      { numRuns: 1500 },
    )
  })

  test('starts at keys that are in the listing, and beside them', () => {
    const keys = ['a', 'a/', 'a/b', 'a/b/c', 'a/b0', 'a0', 'b']
    const { tables, rootId } = tablesOf(keys)
    const below = (range: Partial<Range>): string[] =>
      pages(tables, { id: rootId, key: '' }, { isRecursive: true, prefix: '', startAfter: '', ...range }, 2).map(
        ({ key: text, folder }) => (folder ? `${text} (dir)` : text),
      )
    expect(below({})).toEqual(['a', 'a/ (dir)', 'a/', 'a/b', 'a/b/ (dir)', 'a/b/c', 'a/b0', 'a0', 'b'])
    expect(below({ startAfter: 'a' })).toEqual(['a/ (dir)', 'a/', 'a/b', 'a/b/ (dir)', 'a/b/c', 'a/b0', 'a0', 'b'])
    expect(below({ startAfter: 'a/' })).toEqual(['a/b', 'a/b/ (dir)', 'a/b/c', 'a/b0', 'a0', 'b'])
    expect(below({ prefix: 'a/' })).toEqual(['a/ (dir)', 'a/', 'a/b', 'a/b/ (dir)', 'a/b/c', 'a/b0'])
    expect(below({ prefix: 'a/b', startAfter: 'a/b/' })).toEqual(['a/b/c', 'a/b0'])
    expect(below({ isRecursive: false, prefix: 'a' })).toEqual(['a', 'a/ (dir)', 'a0'])
    expect(below({ isRecursive: false, startAfter: 'a/b' })).toEqual(['a0', 'b'])
    expect(below({ prefix: 'c' })).toEqual([])
  })

  test('reads as many names as it lists, and a few more', () => {
    const keys = Array.from({ length: 5000 }, (_, index) => `d${index % 50}/f${index}`)
    const { tables, rootId } = tablesOf(keys)
    const read = (range: Range): number => {
      tables.edgesRead = 0
      const found = pages(tables, { id: rootId, key: '' }, range, 1000)
      expect(found.length).toBeGreaterThan(0)
      return tables.edgesRead - found.length
    }
    expect(read({ isRecursive: true, prefix: 'd7/f31', startAfter: '' })).toBeLessThan(10)
    expect(read({ isRecursive: true, prefix: '', startAfter: 'd9/f95' })).toBeLessThan(10)
    expect(read({ isRecursive: false, prefix: 'd4', startAfter: 'd45/' })).toBeLessThan(10)
  })
})
