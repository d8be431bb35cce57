// Why: the command line stands on the contract of client/upkeep/file-upkeep.ts, and on options of
// changes that doors do not need. How: one behaviour a test; file-system.ts gives each its place.
import { describe, expect, it } from 'vitest'
import type { FileDetails, WholeFileSystem } from '../../../src/client/upkeep/file-upkeep.ts'
import { entries, names, read, write } from './file-system-steps.ts'

interface Place {
  readonly fileSystem: WholeFileSystem
  /** The path of the namespace, without a slash at its end. */
  readonly base: string
  readonly top: string
  readonly code: (promise: Promise<unknown>) => Promise<string>
}

export function upkeepSuite(place: () => Place): void {
  describe('upkeep', () => {
    it('details are the status and more, of files and directories', async () => {
      const { fileSystem, base, top, code } = place()
      await write(fileSystem, `${top}/d/a`, 'abc', { contentType: 'text/plain' })
      const file = await fileSystem.details(`${top}/d/a`)
      expect(file).toMatchObject(await fileSystem.stat(`${top}/d/a`))
      const directoryKey = `${top}/d/`.slice(base.length + 1)
      expect(file).toMatchObject({ key: `${directoryKey}a`, ttlAction: 'FREE', replicas: 1 })
      expect(file.storeUri.endsWith(file.key)).toBe(true)
      const directory = await fileSystem.details(`${top}/d`)
      expect(directory).toMatchObject({ kind: 'directory', key: directoryKey })
      expect(directory.namespaceId).toBe(file.namespaceId)
      expect(await code(fileSystem.details(`${top}/none`))).toBe('not_found')
    })

    it('listed details are those of each entry, without metadata, in pages', async () => {
      const { fileSystem, top } = place()
      for (const name of ['a', 'd/b', 'e']) await write(fileSystem, `${top}/${name}`, name, { contentType: 'x/y' })
      const pages: (readonly FileDetails[])[] = []
      for await (const page of fileSystem.listDetails(top, { recursive: true, pageSize: 3 })) pages.push(page)
      expect(pages.map((page) => page.length)).toEqual([3, 1])
      expect(pages.flat().map(({ path }) => path)).toEqual(['a', 'd', 'd/b', 'e'].map((name) => `${top}/${name}`))
      for (const entry of pages.flat()) {
        const { contentType: _type, userMetadata: _user, clientMetadata: _client, ...details } = entry
        expect(entry).toMatchObject({ contentType: '', userMetadata: {} })
        expect(await fileSystem.details(entry.path)).toMatchObject(details)
      }
      expect(await entries(fileSystem, top, { recursive: true, pageSize: 3, deadlineMs: 60_000 })).toHaveLength(4)
    })

    it('a placement names the workers of each block', async () => {
      const { fileSystem, top, code } = place()
      await write(fileSystem, `${top}/a`, 'x')
      const { file, blocks, workers } = await fileSystem.placement(`${top}/a`)
      expect(file).toMatchObject({ path: `${top}/a`, length: 1 })
      expect(blocks).toEqual([{ workerIds: [workers[0]?.workerId] }])
      expect(workers[0]?.rpcAddress).toMatch(/:\d+$/)
      expect(await code(fileSystem.placement(top))).toBe('failed_precondition')
    })

    it('a file is persisted once, then freed, and read from the store', async () => {
      const { fileSystem, top, code } = place()
      const { fileId } = await write(fileSystem, `${top}/d/a`, 'one')
      await write(fileSystem, `${top}/b`, 'four')
      expect(await code(fileSystem.free(`${top}/d`))).toBe('failed_precondition')
      expect(await fileSystem.persist(`${top}/d/a`)).toEqual({ persisted: 1, already: 0, failures: [] })
      expect(await fileSystem.persist(top)).toEqual({ persisted: 1, already: 1, failures: [] })
      expect(await fileSystem.stat(`${top}/d/a`)).toMatchObject({ persistence: 'persisted', cachedBytes: 3 })
      expect(await fileSystem.free(`${top}/d`)).toEqual({ paths: [`${top}/d/a`], bytes: 3 })
      const freed = await fileSystem.stat(`${top}/d/a`)
      expect(freed).toMatchObject({ length: 3, cachedBytes: 0 })
      expect(freed.fileId).not.toBe(fileId)
      expect((await fileSystem.placement(`${top}/d/a`)).blocks).toEqual([])
      expect(await read(fileSystem, `${top}/d/a`)).toBe('one')
      expect(await code(fileSystem.persist(`${top}/none`))).toBe('not_found')
      expect(await code(fileSystem.free(`${top}/none`))).toBe('not_found')
    })

    it('pinned files are freed only with force', async () => {
      const { fileSystem, top, code } = place()
      await write(fileSystem, `${top}/d/a`, 'one')
      await fileSystem.persist(top)
      expect(await fileSystem.setAttributes(`${top}/d`, { pinned: true })).toEqual({ files: 1 })
      expect(await fileSystem.stat(`${top}/d/a`)).toMatchObject({ pinned: true })
      expect(await code(fileSystem.free(top))).toBe('failed_precondition')
      expect(await fileSystem.free(top, { force: true })).toMatchObject({ bytes: 3 })
    })

    it('cache and store agree about what was persisted', async () => {
      const { fileSystem, top, code } = place()
      await write(fileSystem, `${top}/a`, 'one')
      await write(fileSystem, `${top}/d/b`, 'two')
      await fileSystem.persist(top)
      const loaded = await fileSystem.loadMetadata(top, { recursive: true })
      expect(loaded).toEqual({ added: 0, changed: 0, removed: 0, unchanged: 2 })
      const agreed = { inconsistent: [], total: 0, repaired: false }
      expect(await fileSystem.checkConsistency(top)).toEqual(agreed)
      expect(await fileSystem.checkConsistency(`${top}/a`, { repair: true })).toMatchObject({
        inconsistent: [],
        total: 0,
      })
      expect(await code(fileSystem.loadMetadata(`${top}/none`))).toBe('not_found')
    })

    it('refuses options of another type', async () => {
      const { fileSystem, top, code } = place()
      expect(await code(fileSystem.delete(top, { waitMs: -1 }))).toBe('invalid_argument')
      expect(await code(fileSystem.setAttributes(top, { modeMask: 0o10000 }))).toBe('invalid_argument')
      expect(await code(fileSystem.rename(top, `${top}x`, { intoDirectory: 1 as never }))).toBe('invalid_argument')
    })
  })

  describe('changes of the command line', () => {
    it('a deletion says how much went, and one from the cache alone leaves the object', async () => {
      const { fileSystem, top, code } = place()
      await write(fileSystem, `${top}/d/a`, 'one')
      await write(fileSystem, `${top}/d/e/b`, 'two')
      expect(await fileSystem.delete(`${top}/d`, { recursive: true })).toEqual({ files: 2, directories: 2 })
      await write(fileSystem, `${top}/c`, 'new')
      expect(await fileSystem.delete(`${top}/c`, { cacheOnly: true, waitMs: 1000 })).toEqual({
        files: 1,
        directories: 0,
      })
      expect(await code(fileSystem.stat(`${top}/c`))).toBe('not_found')
      await write(fileSystem, `${top}/p`, 'kept')
      await fileSystem.persist(`${top}/p`)
      await fileSystem.delete(`${top}/p`, { cacheOnly: true })
      await fileSystem.loadMetadata(top)
      expect(await read(fileSystem, `${top}/p`)).toBe('kept')
    })

    it('a rename goes into a directory only where that is asked for', async () => {
      const { fileSystem, top, code } = place()
      await write(fileSystem, `${top}/a`, 'one')
      await fileSystem.makeDirectory(`${top}/d`)
      expect(await code(fileSystem.rename(`${top}/a`, `${top}/d`))).toBe('already_exists')
      await fileSystem.rename(`${top}/a`, `${top}/d`, { intoDirectory: true, waitMs: 1000 })
      await fileSystem.rename(`${top}/d/a`, `${top}/b`, { intoDirectory: true })
      expect(await names(fileSystem, top, { recursive: true })).toEqual(['b', 'd/'])
    })

    it('a deletion that names what goes leaves another thing that has come to its path', async () => {
      const { fileSystem, top, code } = place()
      const { fileId } = await write(fileSystem, `${top}/a`, 'one')
      await write(fileSystem, `${top}/a`, 'two', { ifExists: 'overwrite' })
      expect(await code(fileSystem.delete(`${top}/a`, { ifFileId: fileId }))).toBe('aborted')
      expect(await code(fileSystem.delete(`${top}/a`, { kind: 'directory' }))).toBe('failed_precondition')
      expect(await read(fileSystem, `${top}/a`)).toBe('two')
      await fileSystem.makeDirectory(`${top}/d`)
      expect(await code(fileSystem.delete(`${top}/d`, { kind: 'file', recursive: true }))).toBe('failed_precondition')
      expect(await code(fileSystem.delete(`${top}/none`, { kind: 'file' }))).toBe('not_found')
      expect(await names(fileSystem, top)).toEqual(['a', 'd/'])
      await fileSystem.delete(`${top}/d`, { kind: 'directory' })
      const now = await fileSystem.stat(`${top}/a`)
      await fileSystem.delete(`${top}/a`, { kind: 'file', ifFileId: now.fileId })
      expect(await code(fileSystem.stat(`${top}/a`))).toBe('not_found')
    })

    it('a rename that names what it moves can be made again', async () => {
      const { fileSystem, top, code } = place()
      const { fileId } = await write(fileSystem, `${top}/a`, 'one')
      await write(fileSystem, `${top}/b`, 'two')
      for (const _again of [1, 2]) await fileSystem.rename(`${top}/a`, `${top}/b`, { fileId, ifExists: 'overwrite' })
      expect(await read(fileSystem, `${top}/b`)).toBe('one')
      expect(await code(fileSystem.rename(`${top}/a`, `${top}/b`, { ifExists: 'overwrite' }))).toBe('not_found')
    })

    it('only the bits of the mask change', async () => {
      const { fileSystem, top } = place()
      await write(fileSystem, `${top}/a`, 'x', { mode: 0o640 })
      expect(await fileSystem.setAttributes(`${top}/a`, { mode: 0o111, modeMask: 0o117 })).toEqual({ files: 1 })
      expect((await fileSystem.stat(`${top}/a`)).mode).toBe(0o751)
    })
  })
}
