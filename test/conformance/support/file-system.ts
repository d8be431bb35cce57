// Why: programs and doors rely on the contract of client/file-system.ts alone, so every
// implementation passes this. How: one behaviour a test, each in a directory of its own.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { ListOptions } from '../../../src/client/file-system.ts'
import type { WholeFileSystem } from '../../../src/client/upkeep/file-upkeep.ts'
import { metadataSuite } from './file-system-metadata.ts'
import { refusalSuite } from './file-system-refusals.ts'
import { upkeepSuite } from './file-system-upkeep.ts'
import { bytesOf, entries, names, read, write } from './file-system-steps.ts'

export interface FileSystemUnderTest {
  readonly fileSystem: WholeFileSystem
  /** The name of a namespace that can be written to; empty: the root mount. */
  readonly namespace: string
  close(): Promise<void>
}

export function fileSystemSuite(name: string, open: () => Promise<FileSystemUnderTest>): void {
  describe(`file system: ${name}`, () => {
    let tested: FileSystemUnderTest
    let fileSystem: WholeFileSystem
    let top = ''
    let count = 0

    beforeAll(async () => {
      tested = await open()
      fileSystem = tested.fileSystem
    })
    afterAll(() => tested.close())
    beforeEach(() => {
      count += 1
      top = `${base()}/test-${count}`
    })

    const base = (): string => (tested.namespace === '' ? '' : `/${tested.namespace}`)

    const code = async (promise: Promise<unknown>): Promise<string> =>
      promise.then(
        () => 'no error',
        (thrown: unknown) => (thrown instanceof SkeinError ? thrown.code : String(thrown)),
      )

    describe('writing', () => {
      it('shows a file when it is closed, whole', async () => {
        const output = await fileSystem.create(`${top}/a`)
        await output.write(bytesOf('one '))
        expect(await code(fileSystem.stat(`${top}/a`))).toBe('not_found')
        await output.write(bytesOf('two'))
        const closed = await output.close()
        expect(closed).toMatchObject({ path: `${top}/a`, name: 'a', kind: 'file', length: 7 })
        expect(await fileSystem.stat(`${top}/a`)).toEqual(closed)
        expect(await read(fileSystem, `${top}/a`)).toBe('one two')
      })

      it('takes chunks that the caller uses again, and files without bytes', async () => {
        const chunk = bytesOf('same')
        const output = await fileSystem.create(`${top}/a`)
        await output.write(chunk)
        chunk.set(bytesOf('time'))
        await output.write(chunk)
        await output.close()
        expect(await read(fileSystem, `${top}/a`)).toBe('sametime')
        await (await fileSystem.create(`${top}/empty`)).close()
        expect(await fileSystem.stat(`${top}/empty`)).toMatchObject({ kind: 'file', length: 0 })
        expect(await read(fileSystem, `${top}/empty`)).toBe('')
      })

      it('leaves no trace of an aborted file, also when that is said twice', async () => {
        const output = await fileSystem.create(`${top}/a`)
        await output.write(bytesOf('x'))
        await output.abort()
        await output.abort()
        expect(await code(fileSystem.stat(`${top}/a`))).toBe('not_found')
        const done = await fileSystem.create(`${top}/b`)
        await done.close()
        await done.abort()
        expect((await fileSystem.stat(`${top}/b`)).length).toBe(0)
      })

      it('an exclusive file must not exist, at the latest when it is closed', async () => {
        const late = await fileSystem.create(`${top}/a`)
        await write(fileSystem, `${top}/a`, 'first')
        expect(await code(fileSystem.create(`${top}/a`))).toBe('already_exists')
        expect(await code(late.close())).toBe('already_exists')
        expect(await read(fileSystem, `${top}/a`)).toBe('first')
      })

      it('an overwritten file is the old one until the new one is closed', async () => {
        const { fileId } = await write(fileSystem, `${top}/a`, 'old')
        const output = await fileSystem.create(`${top}/a`, { ifExists: 'overwrite' })
        await output.write(bytesOf('new one'))
        expect(await read(fileSystem, `${top}/a`)).toBe('old')
        expect((await output.close()).fileId).not.toBe(fileId)
        expect(await read(fileSystem, `${top}/a`)).toBe('new one')
      })

      it('overwrites the version that was named, and no other one', async () => {
        const { fileId } = await write(fileSystem, `${top}/a`, 'one')
        const overwrite = { ifExists: 'overwrite', ifFileId: fileId } as const
        const late = await fileSystem.create(`${top}/a`, overwrite)
        await write(fileSystem, `${top}/a`, 'two', overwrite)
        expect(await code(late.close())).toBe('aborted')
        expect(await code(write(fileSystem, `${top}/a`, 'three', overwrite))).toBe('aborted')
        await fileSystem.delete(`${top}/a`)
        expect(await code(write(fileSystem, `${top}/a`, 'four', overwrite))).toBe('aborted')
      })

      it('refuses a namespace that is not there, and names that cannot be', async () => {
        if (tested.namespace !== '') expect(await code(fileSystem.create('/no-such-namespace/a'))).toBe('not_found')
        expect(await code(fileSystem.create('/'))).toBe('invalid_argument')
        expect(await code(fileSystem.create(`${top}/../a`))).toBe('invalid_argument')
        expect(await code(fileSystem.create(`${top}/a/`))).toBe('invalid_argument')
      })

      it('stops when its signal aborts', async () => {
        const controller = new AbortController()
        controller.abort(new SkeinError('cancelled', 'stopped'))
        expect(await code(fileSystem.stat(top, { signal: controller.signal }))).toBe('cancelled')
        expect(await code(fileSystem.create(`${top}/a`, { signal: controller.signal }))).toBe('cancelled')
      })

      it('neither appends nor truncates', async () => {
        await write(fileSystem, `${top}/a`, 'a')
        expect(await code(fileSystem.append(`${top}/a`))).toBe('unimplemented')
        expect(await code(fileSystem.truncate(`${top}/a`, 0))).toBe('unimplemented')
      })
    })

    describe('reading', () => {
      it('reads any range', async () => {
        await write(fileSystem, `${top}/a`, '0123456789')
        const handle = await fileSystem.open(`${top}/a`)
        const part = async (offset: number, length?: number): Promise<string> => {
          const chunks: Uint8Array[] = []
          const range = length === undefined ? { offset } : { offset, length }
          for await (const chunk of handle.stream(range)) chunks.push(chunk)
          return Buffer.concat(chunks).toString()
        }
        expect(await Promise.all([part(0, 3), part(8), part(9, 100), part(10), part(0)])).toEqual([
          ...['012', '89', '9', '', '0123456789'],
        ])
        const whole = async (offset: number, length: number): Promise<string> =>
          Buffer.from(await handle.bytes({ offset, length })).toString()
        expect(await Promise.all([whole(0, 3), whole(9, 100), whole(10, 1), whole(0, 0)])).toEqual(['012', '9', '', ''])
        expect(await code(handle.bytes({ offset: -1, length: 1 }))).toBe('invalid_argument')
        const into = new Uint8Array(4)
        expect(await handle.read(into, 8)).toBe(2)
        expect(Buffer.from(into.subarray(0, 2)).toString()).toBe('89')
        await handle.close()
        await handle.close()
        expect(await code(handle.read(into, 0))).not.toBe('no error')
        expect(await code(handle.bytes({ offset: 0, length: 1 }))).not.toBe('no error')
      })

      it('an open file keeps its version', async () => {
        await write(fileSystem, `${top}/a`, 'old')
        const handle = await fileSystem.open(`${top}/a`)
        const now = await write(fileSystem, `${top}/a`, 'new', { ifExists: 'overwrite' })
        expect(handle.status.fileId).not.toBe(now.fileId)
        const into = new Uint8Array(3)
        await handle.read(into, 0)
        expect(Buffer.from(into).toString()).toBe('old')
        await handle.close()
      })

      it('opens files only', async () => {
        await write(fileSystem, `${top}/dir/a`, 'a')
        expect(await code(fileSystem.open(`${top}/dir`))).toBe('failed_precondition')
        expect(await code(fileSystem.open(`${top}/missing`))).toBe('not_found')
      })
    })

    describe('listing', () => {
      const keys = ['a-b', 'a/x', 'a/y/z', 'a0', 'b', '\u{ff5e}', '\u{10000}']
      const put = async (...some: readonly string[]): Promise<void> => {
        for (const key of some) await write(fileSystem, `${top}/${key}`, key)
      }

      it('is in the order of UTF-8 bytes, the names of directories with a slash', async () => {
        await put(...keys.toReversed())
        expect(await names(fileSystem, top)).toEqual(['a-b', 'a/', 'a0', 'b', '\u{ff5e}', '\u{10000}'])
        expect(await names(fileSystem, top, { recursive: true })).toEqual([
          ...['a-b', 'a/', 'a/x', 'a/y/', 'a/y/z', 'a0', 'b', '\u{ff5e}', '\u{10000}'],
        ])
        expect(await names(fileSystem, top, { recursive: true, pageSize: 2 })).toHaveLength(9)
      })

      it.each<[ListOptions, readonly string[]]>([
        [{ prefix: 'a' }, ['a-b', 'a/', 'a0']],
        [{ prefix: 'a/' }, ['a/']],
        [{ prefix: 'a', recursive: true }, ['a-b', 'a/', 'a/x', 'a/y/', 'a/y/z', 'a0']],
        [{ prefix: 'a/y', recursive: true }, ['a/y/', 'a/y/z']],
        [{ prefix: 'c' }, []],
        [{ startAfter: 'a-b' }, ['a/', 'a0', 'b', '\u{ff5e}', '\u{10000}']],
        [{ startAfter: 'a/' }, ['a0', 'b', '\u{ff5e}', '\u{10000}']],
        [{ startAfter: 'a/x', recursive: true, prefix: 'a' }, ['a/y/', 'a/y/z', 'a0']],
        [{ startAfter: 'a/y/', recursive: true, prefix: 'a' }, ['a/y/z', 'a0']],
        [{ startAfter: '\u{ff5e}' }, ['\u{10000}']],
        [{ startAfter: '\u{10000}' }, []],
      ])('%o', async (options, expected) => {
        await put(...keys)
        expect(await names(fileSystem, top, options)).toEqual(expected)
      })

      it('a file is its own entry; with a slash the directory beside it is meant', async () => {
        await put('a/x', 'b')
        expect(await names(fileSystem, `${top}/a/`)).toEqual(['x'])
        expect((await entries(fileSystem, `${top}/b`)).map(({ path }) => path)).toEqual([`${top}/b`])
        expect(await code(entries(fileSystem, `${top}/missing`))).toBe('not_found')
      })

      it('can be summed up', async () => {
        await put('a/x', 'a/y/z', 'b')
        const { cachedBytes, ...counted } = await fileSystem.summary(top)
        expect(counted).toEqual({ files: 3, directories: 3, bytes: 9 })
        expect(cachedBytes).toBeLessThanOrEqual(9)
        expect(await fileSystem.summary(`${top}/b`)).toMatchObject({ files: 1, directories: 0, bytes: 1 })
        expect(await code(fileSystem.summary(`${top}/missing`))).toBe('not_found')
        const { capacityBytes, usedBytes } = await fileSystem.usage()
        expect(usedBytes).toBeLessThanOrEqual(capacityBytes)
        expect(capacityBytes).toBeGreaterThan(0)
      })

      it('shows the namespaces below /', async () => {
        const { namespace } = tested
        const own = (await entries(fileSystem, '/')).find(({ name: one }) => one === namespace)
        if (namespace !== '')
          expect(own).toMatchObject({ path: `/${namespace}`, kind: 'directory', isMountPoint: true })
        const root = await fileSystem.stat('/')
        expect(root).toMatchObject({ path: '/', kind: 'directory', isMountPoint: namespace === '' })
      })

      it('does not show what doors keep for themselves, except to those who ask for it', async () => {
        const inner = `${base()}/.skein/test-${count}`
        await write(fileSystem, `${inner}/part`, 'x')
        await put('a')
        expect(await names(fileSystem, inner)).toEqual(['part'])
        expect((await fileSystem.stat(`${inner}/part`)).persistence).toBe('not_persisted')
        for (const recursive of [true, false]) {
          const all = await names(fileSystem, base() === '' ? '/' : base(), { recursive })
          expect(all.length).toBeGreaterThan(0)
          expect(all.filter((entry) => entry.startsWith('.skein'))).toEqual([])
        }
      })
    })

    metadataSuite(() => ({ fileSystem, top, code }))
    upkeepSuite(() => ({ fileSystem, base: base(), top, code }))
    refusalSuite(() => ({ fileSystem, base: base(), top, code }))
  })
}
