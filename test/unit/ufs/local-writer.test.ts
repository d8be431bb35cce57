import { appendFile, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openUnderFileSystem } from '../../../src/ufs/open-store.ts'
import { cosnDefaults } from '../../../src/ufs/store-options.ts'
import type { UnderFileSystem } from '../../../src/ufs/under-file-system.ts'
import { testBytes } from '../../conformance/support/under-file-system-suite.ts'
import { chunksOf } from '../../conformance/support/under-file-system-writes.ts'
import { testDependencies } from '../../support/origin/stores.ts'

describe('writing into a directory', () => {
  const signal = new AbortController().signal
  const bytes = testBytes(1, 5000)
  let folder: string
  let root: string
  let store: UnderFileSystem

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skein-local-writer-'))
    root = join(folder, 'root')
    await mkdir(root)
    await mkdir(join(folder, 'outside'))
    store = await openUnderFileSystem(
      { uri: `file://${root}`, attributes: {}, secrets: {} },
      cosnDefaults,
      testDependencies(),
    )
  })
  afterEach(async () => {
    await store.close()
    await rm(folder, { recursive: true })
  })
  const write = (key: string, overwrite = true) =>
    store.write(key, bytes.length, chunksOf(bytes), { overwrite }, signal)

  it('follows no link out of the root, neither to write nor to delete', async () => {
    await writeFile(join(folder, 'outside', 'theirs'), 'theirs')
    await symlink(join(folder, 'outside'), join(root, 'away'))
    for (const operation of [
      () => write('away/x'),
      () => write('away/deeper/x'),
      () => store.delete('away/theirs', signal),
      () => store.rename('away/theirs', 'mine', 'any', signal),
    ])
      await expect(operation()).rejects.toMatchObject({ code: expect.stringMatching(/failed_precondition|not_found/) })
    expect(await readdir(join(folder, 'outside'))).toEqual(['theirs'])
    // A link in the place of the object is replaced, not followed.
    await symlink(join(folder, 'outside', 'theirs'), join(root, 'linked'))
    await write('linked')
    expect(await readFile(join(folder, 'outside', 'theirs'), 'utf8')).toBe('theirs')
    expect(bytes.equals(await readFile(join(root, 'linked')))).toBe(true)
  })

  it('does not take a link for a free place when it must not overwrite', async () => {
    await symlink(join(folder, 'nowhere'), join(root, 'dangling'))
    await expect(write('dangling', false)).rejects.toMatchObject({ code: 'already_exists' })
    expect((await readdir(root)).sort()).toEqual(['dangling'])
  })

  it('refuses keys that no file can have', async () => {
    for (const key of [
      '',
      '/a',
      'a/',
      'a//b',
      '../a',
      'a/./b',
      'nul\0',
      'x'.repeat(300),
      '.skein-write-0b0e7f0c-2f4e-4f0a-9d52-0123456789ab',
    ])
      await expect(write(key), JSON.stringify(key)).rejects.toMatchObject({ code: 'invalid_argument' })
    expect(await readdir(root)).toEqual([])
  })

  it('says so when a file and a directory have the same name', async () => {
    await write('a')
    await expect(write('a/b')).rejects.toMatchObject({ code: 'failed_precondition' })
    await write('d/e')
    await expect(write('d')).rejects.toMatchObject({ code: 'failed_precondition' })
    await expect(write('d', false)).rejects.toMatchObject({ code: 'already_exists' })
    expect((await readdir(root, { recursive: true })).sort()).toEqual(['a', 'd', 'd/e'])
  })

  it('does not list what is being written, or what a crash left', async () => {
    await writeFile(join(root, '.skein-write-0b0e7f0c-2f4e-4f0a-9d52-0123456789ab'), 'half')
    await writeFile(join(root, '.skein-write-mine'), 'an object like any other')
    const { objects } = await store.list({ prefix: '', delimiter: undefined, after: undefined, limit: 10 }, signal)
    expect(objects.map(({ key }) => key)).toEqual(['.skein-write-mine'])
  })

  it('takes directories away that nothing is in any more, never the root or one that has something', async () => {
    for (const key of ['a/b/c/one', 'a/b/two', 'x/y/three']) await write(key)
    await store.delete('a/b/c/one', signal)
    expect(await readdir(join(root, 'a/b'))).toEqual(['two'])
    const rename = async (from: string, to: string) =>
      store.rename(from, to, (await store.stat(from, signal)).etag, signal)
    await rename('a/b/two', 'x/two')
    expect(await readdir(root)).toEqual(['x'])
    await store.delete('x/two', signal)
    await store.delete('x/y/three', signal)
    expect(await readdir(root)).toEqual([])
    await Promise.all(Array.from({ length: 20 }, (_, n) => write(`same/${n}`)))
    await Promise.all(Array.from({ length: 20 }, (_, n) => rename(`same/${n}`, `other/${n}`)))
    expect(await readdir(root)).toEqual(['other'])
    expect(await readdir(join(root, 'other'))).toHaveLength(20)
  })

  it('takes a symbolic link at the target for taken, also one to the source, and moves one as it is', async () => {
    const { etag } = await write('from')
    await symlink('from', join(root, 'to'))
    await expect(store.rename('from', 'to', etag, signal)).rejects.toMatchObject({ code: 'already_exists' })
    expect((await readdir(root)).sort()).toEqual(['from', 'to'])
    await store.rename('to', 'other', etag, signal)
    expect(await readlink(join(root, 'other'))).toBe('from')
    expect((await readdir(root)).sort()).toEqual(['from', 'other'])
    await mkdir(join(root, 'directory'))
    await expect(store.rename('from', 'directory', etag, signal)).rejects.toMatchObject({ code: 'already_exists' })
    expect(bytes.equals(await readFile(join(root, 'from')))).toBe(true)
  })

  it('moves nothing of a file that is written to in its place meanwhile', async () => {
    const { etag } = await write('d/from')
    const stat = store.stat.bind(store)
    store.stat = async (key, looking) => {
      const before = await stat(key, looking)
      await appendFile(join(root, 'd/from'), 'more')
      return before
    }
    await expect(store.rename('d/from', 'to', etag, signal)).rejects.toMatchObject({
      code: 'aborted',
      reason: 'object_changed',
    })
    expect((await readdir(root, { recursive: true })).sort()).toEqual(['d', 'd/from'])
    expect(await readFile(join(root, 'd/from'), 'latin1')).toMatch(/more$/)
  })

  it('changes the version with each write', async () => {
    const first = await write('k')
    const second = await write('k')
    expect(second.etag).not.toBe(first.etag)
  })
})
