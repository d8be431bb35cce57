// Why: a written file whose object is at the store when it is complete is like one that a listing
// brought, in one command.
import { beforeEach, expect, it } from 'vitest'
import { apply } from '../../../src/meta/apply/apply-meta.ts'
import { isToBePersisted } from '../../../src/meta/apply/written-files.ts'
import { storeWrites } from '../../../src/meta/apply/store-writes.ts'
import type { Applied, Command } from '../../../src/meta/commands/commands.ts'
import { commandProblem } from '../../../src/meta/commands/meta-command-checks.ts'
import { fileAt } from '../../../src/meta/resolve-path.ts'
import { MemoryTables } from './support/memory-tables.ts'

let tables: MemoryTables
let rootId: number
const at = { atMs: 10, namespaceId: 'n' }
const run = (command: Command): Applied => apply(tables, command)

beforeEach(() => {
  tables = new MemoryTables()
  const definition = { name: 'ns', uri: 's3://b', attributes: { writePolicy: 'ASYNC_THROUGH' }, sealedSecrets: {} }
  run({ type: 'create_namespace', ...at, ...definition })
  rootId = [...tables.namespaces()][0]!.rootId
})

function begin(key: string, more: object = {}): number {
  const { outcome } = run({
    ...{ type: 'create_file', ...at, key, blockSizeBytes: 4, requestKey: '', expiresMs: 999 },
    ...more,
  })
  return outcome.refused === undefined ? (outcome.fileIds[0] ?? 0) : 0
}
const stored = { etag: 'e', modifiedMs: 7 }

it('is persisted in this version, waits for nothing, and its write is over', () => {
  const fileId = begin('d/f')
  run({ type: 'begin_write', ...at, key: 'd/f', fileId })
  const { effects } = run({ type: 'complete_file', atMs: 11, fileId, length: 9, stored })
  const file = fileAt(tables, rootId, 'd/f')
  expect(file).toMatchObject({ id: fileId, length: 9, persisted: true, etag: 'e', modifiedMs: 7 })
  expect(file).not.toHaveProperty('writtenKey')
  expect(file).not.toHaveProperty('replacesEtag')
  expect(isToBePersisted(tables, fileId)).toBe(false)
  expect([...storeWrites(tables)]).toEqual([])
  expect(effects).toContainEqual({ type: 'persisted', fileId })
  expect(run({ type: 'complete_file', atMs: 12, fileId, length: 9, stored }).outcome).toMatchObject({ changed: 0 })
})

it('takes the place of a file that it overwrites, and of what that had to replace', () => {
  const old = begin('f')
  run({ type: 'complete_file', atMs: 11, fileId: old, length: 4 })
  expect(isToBePersisted(tables, old)).toBe(true)
  const fileId = begin('f', { overwrites: true, replacesEtag: 'theirs' })
  run({ type: 'complete_file', atMs: 11, fileId, length: 5, stored })
  expect(fileAt(tables, rootId, 'f')).toMatchObject({ id: fileId, persisted: true, etag: 'e' })
  expect(fileAt(tables, rootId, 'f')).not.toHaveProperty('replacesEtag')
  expect(isToBePersisted(tables, old)).toBe(false)
})

it('has a version', () => {
  const command = { type: 'complete_file', atMs: 1, fileId: 1_048_576, length: 1 } as const
  expect(commandProblem(command)).toBeUndefined()
  expect(commandProblem({ ...command, stored })).toBeUndefined()
  for (const wrong of [{}, { etag: '', modifiedMs: 1 }, { etag: 'e' }, { etag: 'e', modifiedMs: 'x' }, 'e'])
    expect(commandProblem({ ...command, stored: wrong } as unknown as Command)).toMatch(/stored/)
})
