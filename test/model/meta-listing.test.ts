// Why: whatever a store holds and however it changes, after a whole listing the metadata is exactly
// what the store shows. How: random stores, listed page by page, against a reference of a plain
// Map; then the commands again on fresh tables.
import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { apply } from '../../src/meta/apply/apply-meta.ts'
import type { Command } from '../../src/meta/commands/commands.ts'
import type { ListedObject } from '../../src/meta/commands/listed-object.ts'
import { compareKeys } from '../../src/meta/edge-order.ts'
import { diffPage, isMarker } from '../../src/meta/apply/listing-diff.ts'
import { directoryAt, fileAt, namespaceByName } from '../../src/meta/resolve-path.ts'
import { isSameVersion } from '../../src/meta/apply/tree.ts'
import { walk } from '../../src/meta/walk.ts'
import { createNamespace, listing, object } from '../unit/meta/support/commands.ts'
import { MemoryTables } from '../unit/meta/support/memory-tables.ts'

const key = fc
  .array(fc.constantFrom('a', 'b', 'a-', 'a0', '/', '/', '//', 'é', '\uFFFD', '\u{1F600}'), {
    minLength: 1,
    maxLength: 6,
  })
  .map((pieces) => pieces.join(''))
const storeContent = fc.dictionary(key, fc.record({ length: fc.nat(3), etag: fc.constantFrom('v1', 'v2') }), {
  maxKeys: 14,
})

/**
 * Lists the whole store in pages of `limit` and applies what is new, as the cache master does.
 * @returns the commands
 */
function sync(
  tables: MemoryTables,
  rootId: number,
  store: ReadonlyMap<string, ListedObject>,
  prefix: string,
  limit: number,
): Command[] {
  const all = [...store.values()]
    .filter((listed) => listed.key.startsWith(prefix))
    .sort((a, b) => compareKeys(a.key, b.key))
  const commands: Command[] = []
  let afterKey: string | undefined
  for (let from = 0; ; from += limit) {
    const objects = all.slice(from, from + limit)
    const upToKey = from + limit < all.length ? objects.at(-1)?.key : undefined
    const range = {
      directory: directoryAt(tables, rootId, prefix),
      prefix,
      afterKey,
      upToKey,
      isYounger: () => false,
    }
    const diff = diffPage(tables, rootId, objects, range, 4)
    const upserts = diff.files
      .filter(({ known, object: listed }) => known === undefined || !isSameVersion(known, listed))
      .map((file) => file.object)
    const directories = diff.markers.map((marker) => ({ key: marker, marker: true }))
    const command = listing({ upserts, directories, removals: diff.removals, unmarked: diff.unmarked })
    if (upserts.length + directories.length + diff.removals.length + diff.unmarked.length > 0) {
      commands.push(command)
      apply(tables, command)
    }
    if (upToKey === undefined) return commands
    afterKey = upToKey
  }
}

function contentOf(record: Record<string, { length: number; etag: string }>): Map<string, ListedObject> {
  return new Map(Object.entries(record).map(([name, fields]) => [name, object(name, fields)]))
}

function expectShows(tables: MemoryTables, rootId: number, store: ReadonlyMap<string, ListedObject>): void {
  const files = [...store.values()].filter((listed) => !isMarker(listed)).sort((a, b) => compareKeys(a.key, b.key))
  const entries = [...walk(tables, rootId, '', undefined)]
  expect(entries.filter((entry) => !entry.folder).map((entry) => entry.key)).toEqual(files.map((listed) => listed.key))
  for (const listed of files)
    expect(fileAt(tables, rootId, listed.key)).toMatchObject({ length: listed.length, etag: listed.etag })
  const folders = new Set<string>()
  for (const name of store.keys())
    for (let at = name.indexOf('/'); at >= 0; at = name.indexOf('/', at + 1)) folders.add(name.slice(0, at + 1))
  expect(entries.filter((entry) => entry.folder).map((entry) => entry.key)).toEqual([...folders].sort(compareKeys))
  expect(tables.counter('files')).toBe(files.length)
  expect(tables.counter('directories')).toBe(folders.size)
  // The namespace's root is an inode too; nothing else may be left over.
  expect(tables.inodes.size).toBe(files.length + folders.size + 1)
}

function fresh(): { tables: MemoryTables; rootId: number } {
  const tables = new MemoryTables()
  apply(tables, createNamespace())
  return { tables, rootId: namespaceByName(tables, 'ns')?.rootId ?? 0 }
}

describe('listings against a reference', () => {
  it('shows what the store shows after every listing, and the replayed commands give the same state', () => {
    fc.assert(
      fc.property(
        fc.array(storeContent, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 5 }),
        (contents, limit) => {
          const { tables, rootId } = fresh()
          const commands: Command[] = []
          for (const content of contents) {
            const store = contentOf(content)
            commands.push(...sync(tables, rootId, store, '', limit))
            expectShows(tables, rootId, store)
            expect(sync(tables, rootId, store, '', limit)).toEqual([])
          }
          const replayed = fresh().tables
          for (const command of commands) apply(replayed, structuredClone(command))
          expect(replayed.snapshot()).toEqual(tables.snapshot())
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('touches nothing outside of the directory that is listed', () => {
    fc.assert(
      fc.property(storeContent, storeContent, fc.integer({ min: 1, max: 3 }), (before, after, limit) => {
        const { tables, rootId } = fresh()
        sync(tables, rootId, contentOf(before), '', 100)
        sync(tables, rootId, contentOf(after), 'a/', limit)
        const names = (content: Record<string, { length: number }>, inside: boolean): string[] =>
          Object.entries(content)
            .filter(([name, { length }]) => name.startsWith('a/') === inside && !isMarker({ key: name, length }))
            .map(([name]) => name)
        const wanted = [...names(before, false), ...names(after, true)].sort(compareKeys)
        expect(
          [...walk(tables, rootId, '', undefined)].filter((entry) => !entry.folder).map((entry) => entry.key),
        ).toEqual(wanted)
      }),
    )
  })

  it('goes on behind any entry of a walk', () => {
    fc.assert(
      fc.property(storeContent, (content) => {
        const { tables, rootId } = fresh()
        sync(tables, rootId, contentOf(content), '', 100)
        const all = [...walk(tables, rootId, '', undefined)]
        for (const [i, entry] of all.entries()) expect([...walk(tables, rootId, '', entry)]).toEqual(all.slice(i + 1))
      }),
    )
  })
})
