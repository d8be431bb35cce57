// What programs see in a brief listing is what the whole record of each file says: every field, by
// both ways, through the encoding of the network.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FileStatus, ListOptions } from '../../../src/client/file-system.ts'
import { listDirectory } from '../../../src/client/status/list-directory.ts'
import { ListStatusRequest, ListStatusResponse } from '../../../src/wire/generated/master.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture

beforeEach(async () => {
  fixture = await MasterFixture.open()
})
afterEach(() => fixture.close())

/** Answers as they arrive over the network. */
const overNetwork = (change: (request: ListStatusRequest) => ListStatusRequest) => ({
  listStatus: async (request: ListStatusRequest): Promise<ListStatusResponse> => {
    const received = change(ListStatusRequest.decode(ListStatusRequest.encode(request).finish()))
    const answer = await fixture.service.listStatus(received, call)
    return ListStatusResponse.decode(ListStatusResponse.encode(answer).finish())
  },
})
const master = overNetwork((request) => request)
/** A master of a version that knows no brief listings. */
const olderMaster = overNetwork(({ brief: _unknown, ...request }) => request)

async function listed(from: typeof master, path: string, options: ListOptions): Promise<FileStatus[]> {
  const statuses: FileStatus[] = []
  for await (const page of listDirectory(from, path, { ...options, ...call }, undefined)) statuses.push(...page)
  return statuses
}

describe('a brief listing', () => {
  it('says the same as the whole record of each entry', async () => {
    const store = await fixture.create()
    const keys = ['a', 'a/b', 'a/b/c', 'a/b0', 'd//x', '/y', 'é/ü', '\u{1F600}', ' ', 'x/y/z', 'long/'.repeat(20) + 'f']
    for (const key of keys) store.put(key)
    store.put('marked/', { length: 0 })
    store.put('bytes/', { length: 3 })
    store.put('large', { length: 4 * 2 ** 33 })
    await fixture.keys()
    await fixture.lifecycle.makeDirectory({ path: '/ns/made' }, call)
    await fixture.write('/ns/written', 7)
    const owned = { owner: 'alice', group: 'staff', mode: 0o640 }
    await fixture.lifecycle.setPathOwnership({ path: '/ns/x', recursive: true, ...owned }, call)
    await fixture.lifecycle.setTtl({ path: '/ns/a/b0', ttlMs: 5000, action: 'DELETE' }, call)
    await fixture.lifecycle.setPinned({ path: '/ns/x/y', pinned: true }, call)
    await fixture.lifecycle.setPathReplication({ path: '/ns/a', min: 2, max: 3, recursive: true }, call)
    const { files } = await fixture.service.listStatus({ path: '/ns', recursive: true, pageToken: '', limit: 0 }, call)
    const a = files.find(({ path }) => path === '/ns/a')
    await fixture.service.reportMetadata(
      {
        files: [{ fileId: a?.fileId ?? 0, contentType: 'text/plain', userMetadata: { values: { p: 'q' } } }],
      },
      call,
    )
    const other = await fixture.create('other', 's3://bucket-2')
    other.put('z')
    await fixture.lifecycle.setTtl({ path: '/other', ttlMs: 9000, action: 'FREE' }, call)
    for (const path of ['/', '/ns', '/ns/', '/ns/a', '/ns/a/', '/ns/d', '/ns/d//', '/ns/bytes/', '/ns/x', '/other'])
      for (const recursive of [false, true])
        for (const pageSize of [1, 3, 1001]) {
          const whole = await listed(olderMaster, path, { recursive })
          expect(whole.length).toBeGreaterThan(0)
          expect(await listed(master, path, { recursive, pageSize }), `${path} ${recursive}`).toEqual(whole)
        }
  })

  it('leaves out directories that are only implied, and goes on behind very many of them', async () => {
    const store = await fixture.create()
    store.put('marked/', { length: 0 })
    store.put(`${'deep/'.repeat(150)}file`)
    for (let index = 0; index < 40; index += 1) store.put(`${'x/'.repeat(140)}${index}/${'y/'.repeat(140)}f`)
    await fixture.keys()
    await fixture.lifecycle.makeDirectory({ path: '/ns/made' }, call)
    const options = { recursive: true, withImplied: false, pageSize: 30 }
    const shown = (await listed(olderMaster, '/ns', { recursive: true })).filter(({ isExplicit }) => isExplicit)
    expect(shown.length).toBe(43)
    expect(await listed(master, '/ns', options)).toEqual(shown)
    expect(await listed(master, '/', options)).toEqual([expect.objectContaining({ isMountPoint: true }), ...shown])
  })

  it('has a page of a thousand entries and one more', async () => {
    const store = await fixture.create()
    for (let index = 0; index < 1001; index += 1) store.put(`f${String(index).padStart(4, '0')}`)
    let calls = 0
    const counting = { listStatus: (request: ListStatusRequest) => ((calls += 1), master.listStatus(request)) }
    const pages: number[] = []
    for await (const page of listDirectory(counting, '/ns', { pageSize: 1001, ...call }, undefined))
      pages.push(page.length)
    expect(pages).toEqual([1001])
    expect(calls).toBe(2)
  })
})
