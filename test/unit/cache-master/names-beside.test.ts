// A file and a directory of one name, as keys of an object store.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { filesOf } from './support/held-writes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture

beforeEach(async () => {
  fixture = await MasterFixture.open()
})
afterEach(() => fixture.close())

async function write(path: string, asObject = true): Promise<void> {
  const request = { path, blockSizeBytes: 0, requestKey: '', overwrite: true, asObject }
  const { fileId } = await fixture.lifecycle.createFile(request, call)
  await fixture.lifecycle.completeFile({ fileId, length: 0 }, call)
}
const makeDirectory = (path: string, asObject = true) => fixture.lifecycle.makeDirectory({ path, asObject }, call)

describe('a file and a directory of one name', () => {
  it('are both written as objects, also when the other one came meanwhile, and are at the store', async () => {
    const store = await fixture.create()
    store.put('at-store/x')
    await write('/ns/a')
    await write('/ns/a/b')
    await write('/ns/at-store')
    const request = { path: '/ns/later', blockSizeBytes: 0, requestKey: '', asObject: true }
    const { fileId } = await fixture.lifecycle.createFile(request, call)
    await fixture.restart()
    await fixture.worker('w')
    await makeDirectory('/ns/later', false)
    await fixture.lifecycle.completeFile({ fileId, length: 0 }, call)
    await makeDirectory('/ns/a/b')
    const files = ['a', 'a/b', 'at-store', 'at-store/x', 'later']
    expect(await filesOf(fixture)).toEqual(files)
    await fixture.lifecycle.persist({ path: '/ns/' }, call)
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    expect(await filesOf(fixture)).toEqual(files)
    expect([...store.objects.keys()].toSorted()).toEqual(files)
  })

  it('are not made by others', async () => {
    await fixture.create()
    await write('/ns/a')
    await write('/ns/d/x')
    await expect(write('/ns/d', false)).rejects.toMatchObject({ code: 'already_exists' })
    await expect(write('/ns/a/b', false)).rejects.toMatchObject({
      code: 'failed_precondition',
      message: '/ns/a/b cannot be written: /ns/a is a file',
    })
    await expect(makeDirectory('/ns/a/b/c', false)).rejects.toMatchObject({ code: 'failed_precondition' })
    await expect(makeDirectory('/ns/a', false)).rejects.toMatchObject({ code: 'already_exists' })
    for (const from of ['/ns/d/x', '/ns/d', '/ns/a'])
      for (const overwrite of [false, true])
        await expect(fixture.lifecycle.rename({ from, to: '/ns/a/b', overwrite }, call)).rejects.toMatchObject({
          code: 'failed_precondition',
          message: '/ns/a/b cannot be written: /ns/a is a file',
        })
    await write('/ns/a/as-object')
    await write('/ns/a/b', false)
    expect(await filesOf(fixture)).toEqual(['a', 'a/as-object', 'a/b', 'd/x'])
  })

  it('at the store count, also where only the file was looked at', async () => {
    const store = await fixture.create()
    for (const key of ['a', 'a/x', 'b']) store.put(key)
    for (const key of ['a', 'b']) await fixture.stat(`/ns/${key}`)
    await write('/ns/a/y', false)
    await expect(write('/ns/b/y', false)).rejects.toMatchObject({ code: 'failed_precondition' })
    expect(await filesOf(fixture)).toEqual(['a', 'a/x', 'a/y', 'b'])
  })

  it('are refused at once where a store of files would have to take them', async () => {
    await fixture.create('cached', 'file:///cached')
    await fixture.create('through', 'file:///through', { writePolicy: 'ASYNC_THROUGH' })
    for (const namespace of ['cached', 'through']) {
      await write(`/${namespace}/a`)
      await write(`/${namespace}/d/x`)
    }
    await write('/cached/a/b')
    await write('/cached/d')
    await expect(write('/through/a/b')).rejects.toMatchObject({ code: 'failed_precondition' })
    await expect(write('/through/d')).rejects.toMatchObject({ code: 'already_exists' })
    await expect(makeDirectory('/through/a')).rejects.toMatchObject({ code: 'already_exists' })
  })
})
