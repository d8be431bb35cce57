// Why: owner, group, mode and metadata of the master's answers are what users set, also after a
// restart. How: the master's services, over a store in memory.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FileInfo } from '../../../src/wire/generated/master.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture

beforeEach(async () => {
  fixture = await MasterFixture.open()
})
afterEach(() => fixture.close())

const owned = { owner: 'alice', group: 'staff', mode: 0o640 }
const stored = { contentType: 'text/plain', userMetadata: { values: { project: 'x' } } }
const commands = (): number => fixture.journal.entries.length
const list = async (withMetadata?: boolean): Promise<FileInfo[]> => {
  const request = { path: '/ns', recursive: true, pageToken: '', limit: 0 }
  const { files } = await fixture.service.listStatus(
    withMetadata === undefined ? request : { ...request, withMetadata },
    call,
  )
  return files
}

describe('setPathOwnership', () => {
  it('changes one file, and says what it changed', async () => {
    ;(await fixture.create()).put('d/f')
    const { lifecycle } = fixture
    const path = '/ns/d/f'
    expect(await lifecycle.setPathOwnership({ path, recursive: false, ...owned }, call)).toEqual({
      files: 1,
      paths: [path],
    })
    expect(await fixture.stat(path)).toMatchObject(owned)
    expect(await fixture.stat('/ns/d')).toMatchObject({ owner: 'skein', group: 'skein', mode: 0o777 })
    await fixture.restart()
    expect(await fixture.stat(path)).toMatchObject(owned)
    const before = commands()
    const change = { path, recursive: false, mode: 0o200, modeMask: 0o222 }
    expect(await fixture.lifecycle.setPathOwnership({ ...change, mode: 0o600, modeMask: 0o600 }, call)).toEqual({
      files: 0,
      paths: [],
    })
    expect(commands()).toBe(before)
    await fixture.lifecycle.setPathOwnership(change, call)
    expect(await fixture.stat(path)).toMatchObject({ ...owned, mode: 0o640 })
  })

  it('changes a directory alone, or everything below it, a page a command', async () => {
    const store = await fixture.create()
    for (let i = 0; i < 1500; i += 1) store.put(`d/${String(i).padStart(4, '0')}`)
    store.put('d/e/f')
    store.put('z')
    await fixture.keys()
    const { lifecycle } = fixture
    const alone = { path: '/ns/d', recursive: false, owner: 'bob' }
    expect(await lifecycle.setPathOwnership(alone, call)).toEqual({ files: 0, paths: [] })
    expect(await fixture.stat('/ns/d')).toMatchObject({ owner: 'bob' })
    expect(await fixture.stat('/ns/d/0000')).toMatchObject({ owner: 'skein' })
    const before = commands()
    const { files, paths } = await lifecycle.setPathOwnership({ path: '/ns/d', recursive: true, ...owned }, call)
    expect([files, paths.length, commands() - before]).toEqual([1501, 1000, 3])
    for (const path of ['/ns/d', '/ns/d/1499', '/ns/d/e', '/ns/d/e/f'])
      expect(await fixture.stat(path)).toMatchObject(owned)
    expect(await fixture.stat('/ns/z')).toMatchObject({ owner: 'skein' })
  })

  it('refuses what cannot be', async () => {
    await fixture.create()
    const { lifecycle } = fixture
    const refusal = (request: object) =>
      lifecycle.setPathOwnership({ path: '/ns', recursive: false, ...request }, call).then(
        () => 'none',
        (error: Error) => error.message,
      )
    expect(await refusal({})).toBe('give an owner, a group or a mode')
    expect(await refusal({ modeMask: 1 })).toBe('give an owner, a group or a mode')
    expect(await refusal({ path: '/', owner: 'a' })).toMatch(/^\/ itself has no owner/)
    expect(await refusal({ path: '/ns/none', owner: 'a' })).toBe('/ns/none does not exist')
  })
})

describe('a file that is created', () => {
  const create = async (more: object) => {
    const { fileId } = await fixture.lifecycle.createFile(
      { path: '/ns/f', blockSizeBytes: 0, requestKey: '', ...more },
      call,
    )
    await fixture.lifecycle.completeFile({ fileId, length: 0 }, call)
  }

  it('has what was given, which a listing shows when it is asked', async () => {
    await fixture.create()
    await create({ ...owned, ...stored })
    await fixture.restart()
    expect(await fixture.stat('/ns/f')).toMatchObject({ ...owned, ...stored })
    expect((await fixture.service.openFile({ path: '/ns/f' }, call)).file).toMatchObject({ ...owned, ...stored })
    const [listed] = await list()
    expect(listed).toMatchObject(owned)
    expect(listed).not.toHaveProperty('contentType')
    expect(listed).not.toHaveProperty('userMetadata')
    expect((await list(true))[0]).toMatchObject({ ...owned, ...stored })
  })

  it('has the defaults otherwise', async () => {
    await fixture.create()
    await create({})
    const info = await fixture.stat('/ns/f')
    expect(info).toMatchObject({ owner: 'skein', group: 'skein', mode: 0o666 })
    expect(info).not.toHaveProperty('contentType')
  })
})
