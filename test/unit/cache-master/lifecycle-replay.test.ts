import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { FileInfo } from '../../../src/wire/generated/master.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let other: MasterFixture

beforeEach(async () => {
  fixture = await MasterFixture.open()
  other = await MasterFixture.open()
})
afterEach(async () => {
  await fixture.close()
  await other.close()
})

async function shown(master: MasterFixture): Promise<FileInfo[]> {
  const { files } = await master.service.listStatus(
    { path: '/ns', recursive: true, pageToken: '', limit: 0, withMetadata: true },
    call,
  )
  return files.map((file) => ({ ...file, cachedBytes: 0, inMemoryBytes: 0, replicas: 0 }))
}

it('comes to the same state from the journal alone', async () => {
  const store = await fixture.create()
  const { lifecycle } = fixture
  for (const key of ['d/x', 'd/e/y', 'f', 'g', 'gone']) store.put(key, { length: 4 })
  await fixture.keys()
  await lifecycle.makeDirectory({ path: '/ns/made/deep' }, call)
  await fixture.write('/ns/made/a', 6)
  await fixture.write('/ns/made/b', 2)
  const given = { owner: 'alice', contentType: 'text/plain', userMetadata: { values: { a: '1' } } }
  await lifecycle.createFile({ path: '/ns/unfinished', blockSizeBytes: 0, requestKey: 'k', ...given }, call)
  await lifecycle.setTtl({ path: '/ns', ttlMs: 100_000, action: 'FREE' }, call)
  await lifecycle.setTtl({ path: '/ns/gone', ttlMs: 10, action: 'DELETE' }, call)
  await lifecycle.setTtl({ path: '/ns/d/x', ttlMs: 10, action: 'FREE' }, call)
  await lifecycle.setPinned({ path: '/ns/d/e', pinned: true }, call)
  await lifecycle.setPathReplication({ path: '/ns/d', recursive: true, min: 1, max: 4 }, call)
  await lifecycle.persist({ path: '/ns/made/a' }, call)
  await lifecycle.setPathOwnership({ path: '/ns/made', recursive: true, group: 'staff', mode: 0, modeMask: 7 }, call)
  await lifecycle.rename({ from: '/ns/made', to: '/ns/moved' }, call)
  await lifecycle.delete({ path: '/ns/g', recursive: false, cacheOnly: false }, call)
  await lifecycle.delete({ path: '/ns/d/e', recursive: true, cacheOnly: true }, call)
  fixture.clock.now += 10
  await fixture.until(
    async () => !(await fixture.keys()).includes('gone') && (await fixture.stat('/ns/d/x')).ttlMs === 100_000,
  )
  const expected = await shown(fixture)
  expect(expected.map(({ key }) => key)).toEqual(['d/', 'd/x', 'f', 'moved/', 'moved/a', 'moved/b', 'moved/deep/'])

  await other.master.close()
  await rm(join(other.home, 'master', 'state'), { recursive: true })
  const term = await other.journal.campaign()
  for (const { seq, bytes } of fixture.journal.entries) await other.journal.append(term, seq, bytes)
  await other.start()
  expect(await shown(other)).toEqual(expected)
  const again = await other.lifecycle.createFile({ path: '/ns/unfinished', blockSizeBytes: 0, requestKey: 'k' }, call)
  expect(again).toEqual(
    await lifecycle.createFile({ path: '/ns/unfinished', blockSizeBytes: 0, requestKey: 'k' }, call),
  )
})
