// Why: what files carry beside their bytes, and what directories are, is a part of the contract of
// client/file-system.ts. How: one behaviour a test; file-system.ts gives each its directory.
import { describe, expect, it } from 'vitest'
import type { FileSystem } from '../../../src/client/file-system.ts'
import { names, read, write } from './file-system-steps.ts'

interface Place {
  readonly fileSystem: FileSystem
  readonly top: string
  readonly code: (promise: Promise<unknown>) => Promise<string>
}

export function metadataSuite(place: () => Place): void {
  describe('metadata', () => {
    it('is kept with the version, and given when the file is created or closed', async () => {
      const { fileSystem, top } = place()
      const given = { contentType: 'text/plain', userMetadata: { color: 'red' } }
      const output = await fileSystem.create(`${top}/a`, { ...given, clientMetadata: { etag: 'early' } })
      await output.close({ clientMetadata: { etag: 'late' } })
      const expected = { ...given, clientMetadata: { etag: 'late' } }
      expect(await fileSystem.stat(`${top}/a`)).toMatchObject(expected)
      expect((await fileSystem.open(`${top}/a`)).status).toMatchObject(expected)
      for await (const [entry] of fileSystem.list(top)) expect(entry).toMatchObject(expected)
      const plain = await write(fileSystem, `${top}/a`, 'x', { ifExists: 'overwrite' })
      expect(plain).toMatchObject({ contentType: '', userMetadata: {} })
      expect(plain.clientMetadata ?? {}).toEqual({})
    })

    it('of a client can be replaced, and the version stays', async () => {
      const { fileSystem, top, code } = place()
      const { fileId } = await write(fileSystem, `${top}/a`, 'x', { clientMetadata: { one: '1', two: '2' } })
      await fileSystem.setAttributes(`${top}/a`, { clientMetadata: { three: '3' } })
      const now = await fileSystem.stat(`${top}/a`)
      expect(now).toMatchObject({ fileId })
      expect(now.clientMetadata).toEqual({ three: '3' })
      await fileSystem.makeDirectory(`${top}/dir`)
      const onDirectory = fileSystem.setAttributes(`${top}/dir`, { clientMetadata: {} })
      expect(await code(onDirectory)).toBe('failed_precondition')
    })

    it('has a limit', async () => {
      const { fileSystem, top, code } = place()
      const long = { userMetadata: { a: 'x'.repeat(2048) } }
      expect(await code(fileSystem.create(`${top}/a`, long))).toBe('invalid_argument')
      await write(fileSystem, `${top}/b`, 'x', { clientMetadata: { a: 'x'.repeat(8191) } })
      const longer = { clientMetadata: { a: 'x'.repeat(8192) } }
      expect(await code(fileSystem.create(`${top}/c`, longer))).toBe('invalid_argument')
    })

    it('times are shown to the nanosecond as they were set, each by itself, for one version', async () => {
      const { fileSystem, top, code } = place()
      const { modifiedMs, times: none } = await write(fileSystem, `${top}/a`, 'x')
      expect(none).toBeUndefined()
      const [modified, accessed] = [
        { ms: -1, ns: 999_999 },
        { ms: 1_234_567_890_123, ns: 4 },
      ]
      await fileSystem.setAttributes(`${top}/a`, { times: { modified } })
      expect(await fileSystem.stat(`${top}/a`)).toMatchObject({ modifiedMs, times: { modified } })
      await fileSystem.setAttributes(`${top}/a`, { times: { accessed } })
      await fileSystem.rename(`${top}/a`, `${top}/b`)
      for await (const [entry] of fileSystem.list(top)) expect(entry?.times).toEqual({ modified, accessed })
      expect((await fileSystem.open(`${top}/b`)).status.times).toEqual({ modified, accessed })
      const again = await write(fileSystem, `${top}/b`, 'y', { ifExists: 'overwrite' })
      expect(again.times).toBeUndefined()
      await fileSystem.makeDirectory(`${top}/d`)
      await fileSystem.setAttributes(`${top}/d`, { times: { modified } })
      expect((await fileSystem.stat(`${top}/d`)).times).toEqual({ modified })
      expect((await fileSystem.stat(`${top}/d`)).isExplicit).toBe(true)
      const missing = fileSystem.setAttributes(`${top}/none`, { times: { modified } })
      expect(await code(missing)).toBe('not_found')
      for (const wrong of [{ ms: 1.5, ns: 0 }, { ms: 0, ns: 1_000_000 }, { ms: 9e15, ns: 0 }, { ms: 1 }])
        expect(await code(fileSystem.setAttributes(`${top}/b`, { times: { modified: wrong as never } }))).toBe(
          'invalid_argument',
        )
    })

    it('a file that is created with a TTL has it from the start', async () => {
      const { fileSystem, top } = place()
      const ttl = { ms: 3_600_000, action: 'DELETE' } as const
      expect((await write(fileSystem, `${top}/a`, 'x', { ttl })).ttl).toEqual(ttl)
    })
  })

  describe('directories', () => {
    it('are made with their parents; only what was made is explicit', async () => {
      const { fileSystem, top } = place()
      await fileSystem.makeDirectory(`${top}/a/b`)
      await fileSystem.makeDirectory(`${top}/a/b`)
      await write(fileSystem, `${top}/c/d`, 'x')
      expect(await fileSystem.stat(`${top}/a/b`)).toMatchObject({ kind: 'directory', isExplicit: true, name: 'b' })
      expect(await fileSystem.stat(`${top}/a/b/`)).toMatchObject({ path: `${top}/a/b`, kind: 'directory' })
      expect(await fileSystem.stat(`${top}/c`)).toMatchObject({ kind: 'directory', isExplicit: false, length: 0 })
      await fileSystem.makeDirectory(`${top}/c`)
      expect(await fileSystem.stat(`${top}/c`)).toMatchObject({ isExplicit: true })
    })

    it('that nobody made are gone with their last entry, the others stay', async () => {
      const { fileSystem, top, code } = place()
      await fileSystem.makeDirectory(`${top}/made`)
      await write(fileSystem, `${top}/made/a`, 'x')
      await write(fileSystem, `${top}/seen/a`, 'x')
      await fileSystem.delete(`${top}/made/a`)
      await fileSystem.delete(`${top}/seen/a`)
      expect(await names(fileSystem, top)).toEqual(['made/'])
      expect(await code(fileSystem.stat(`${top}/seen`))).toBe('not_found')
    })

    it('that are not empty are deleted only as a tree, or without their entries', async () => {
      const { fileSystem, top, code } = place()
      await fileSystem.makeDirectory(`${top}/a`)
      await write(fileSystem, `${top}/a/b`, 'x')
      expect(await code(fileSystem.delete(`${top}/a`))).toBe('failed_precondition')
      await fileSystem.delete(`${top}/a`, { keepEntries: true })
      expect(await fileSystem.stat(`${top}/a`)).toMatchObject({ isExplicit: false })
      await fileSystem.delete(`${top}/a`, { recursive: true })
      expect(await code(fileSystem.stat(`${top}/a`))).toBe('not_found')
      expect(await code(fileSystem.delete(`${top}/a`))).toBe('not_found')
      await fileSystem.makeDirectory(`${top}/empty`)
      await fileSystem.delete(`${top}/empty`)
      expect(await code(fileSystem.stat(`${top}/empty`))).toBe('not_found')
    })

    it('are not written as files, nor files made directories', async () => {
      const { fileSystem, top, code } = place()
      await write(fileSystem, `${top}/dir/a`, 'x')
      const refusals = ['failed_precondition', 'already_exists']
      expect(refusals).toContain(await code(fileSystem.create(`${top}/dir`)))
      expect(refusals).toContain(await code(fileSystem.create(`${top}/dir`, { ifExists: 'overwrite' })))
    })

    it('are no place below a file', async () => {
      const { fileSystem, top, code } = place()
      await write(fileSystem, `${top}/a`, 'x')
      expect(await code(fileSystem.create(`${top}/a/b`))).toBe('failed_precondition')
      expect(await code(fileSystem.create(`${top}/a/b/c`, { ifExists: 'overwrite' }))).toBe('failed_precondition')
      expect(await code(fileSystem.makeDirectory(`${top}/a/b`))).toBe('failed_precondition')
      expect(await code(fileSystem.makeDirectory(`${top}/a`))).toBe('already_exists')
      expect(await names(fileSystem, top)).toEqual(['a'])
    })

    it('stand beside files of their names where paths are keys of objects', async () => {
      const { fileSystem, top, code } = place()
      const asObject = { asObject: true } as const
      await write(fileSystem, `${top}/a`, 'a')
      await write(fileSystem, `${top}/a/b`, 'b', asObject)
      await write(fileSystem, `${top}/c/d`, 'd')
      await write(fileSystem, `${top}/c`, 'c', asObject)
      expect(await code(fileSystem.create(`${top}/c`, asObject))).toBe('already_exists')
      await write(fileSystem, `${top}/c`, 'again', { ...asObject, ifExists: 'overwrite' })
      await write(fileSystem, `${top}/e`, 'e')
      await fileSystem.makeDirectory(`${top}/e`, asObject)
      expect(await names(fileSystem, top)).toEqual(['a', 'a/', 'c', 'c/', 'e', 'e/'])
      expect(await read(fileSystem, `${top}/c`)).toBe('again')
      expect(await read(fileSystem, `${top}/a/b`)).toBe('b')
      expect(await fileSystem.stat(`${top}/c`)).toMatchObject({ kind: 'file' })
      expect(await fileSystem.stat(`${top}/c/`)).toMatchObject({ kind: 'directory' })
      await write(fileSystem, `${top}/a/more`, 'beside it is a directory, so this is below that')
      await fileSystem.delete(`${top}/a`)
      expect(await names(fileSystem, `${top}/a`)).toEqual(['b', 'more'])
    })

    it('are renamed with what is in them; a target that exists is refused', async () => {
      const { fileSystem, top, code } = place()
      await write(fileSystem, `${top}/a/b`, 'x', { contentType: 'text/plain' })
      await write(fileSystem, `${top}/c`, 'y')
      await fileSystem.rename(`${top}/a`, `${top}/d`)
      expect(await read(fileSystem, `${top}/d/b`)).toBe('x')
      expect(await fileSystem.stat(`${top}/d/b`)).toMatchObject({ contentType: 'text/plain' })
      await fileSystem.rename(`${top}/c`, `${top}/e`)
      expect(await names(fileSystem, top)).toEqual(['d/', 'e'])
      expect(await code(fileSystem.rename(`${top}/e`, `${top}/d/b`))).toBe('already_exists')
      expect(await code(fileSystem.rename(`${top}/missing`, `${top}/f`))).toBe('not_found')
    })

    it('a file takes the place of a file when it may, and of nothing else', async () => {
      const { fileSystem, top, code } = place()
      const overwrite = { ifExists: 'overwrite' } as const
      await write(fileSystem, `${top}/a`, 'newer', { contentType: 'text/plain' })
      await write(fileSystem, `${top}/b`, 'old')
      await write(fileSystem, `${top}/d/x`, 'x')
      const reader = await fileSystem.open(`${top}/b`)
      await fileSystem.rename(`${top}/a`, `${top}/b`, overwrite)
      expect(await names(fileSystem, top)).toEqual(['b', 'd/'])
      expect(await read(fileSystem, `${top}/b`)).toBe('newer')
      expect(await fileSystem.stat(`${top}/b`)).toMatchObject({ contentType: 'text/plain' })
      const bytes = Buffer.alloc(10)
      expect(bytes.toString('utf8', 0, await reader.read(bytes, 0))).toBe('old')
      await reader.close()
      await fileSystem.rename(`${top}/b`, `${top}/free`, overwrite)
      await fileSystem.rename(`${top}/free`, `${top}/free`, overwrite)
      const refusals = ['failed_precondition', 'already_exists']
      expect(refusals).toContain(await code(fileSystem.rename(`${top}/d`, `${top}/free`, overwrite)))
      expect(refusals).toContain(await code(fileSystem.rename(`${top}/free`, `${top}/d`, overwrite)))
      expect(await code(fileSystem.rename(`${top}/missing`, `${top}/free`, overwrite))).toBe('not_found')
      expect(await read(fileSystem, `${top}/free`)).toBe('newer')
      expect(await names(fileSystem, top)).toEqual(['d/', 'free'])
    })

    it('a new name is exactly the one that is given', async () => {
      const { fileSystem, top, code } = place()
      await write(fileSystem, `${top}/a`, 'x')
      await write(fileSystem, `${top}/d/x`, 'x')
      await write(fileSystem, `${top}/e/y`, 'y')
      const refusals = ['failed_precondition', 'already_exists']
      for (const from of ['a', 'e'])
        expect(refusals).toContain(await code(fileSystem.rename(`${top}/${from}`, `${top}/d`)))
      expect(await code(fileSystem.rename(`${top}/a`, `${top}/new/`))).toBe('invalid_argument')
      expect(await names(fileSystem, top)).toEqual(['a', 'd/', 'e/'])
      expect(await names(fileSystem, `${top}/d`)).toEqual(['x'])
    })
  })
}
