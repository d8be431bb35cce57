// Why: what is persisted without anybody asking must not end up where it is not looked for any
// more, nor where nothing may be written. How: the master's background work over a fake store, with
// writes of all lengths.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FakeStore } from './support/fakes.ts'
import { expectSame, slowWrites, turns } from './support/held-writes.ts'
import { call, MasterFixture } from './support/master-fixture.ts'

let fixture: MasterFixture
let store: FakeStore

beforeEach(async () => {
  fixture = await MasterFixture.open()
  store = await fixture.create('ns', 's3://bucket', { writePolicy: 'ASYNC_THROUGH' })
})
afterEach(() => fixture.close())

const persist = (path: string) => fixture.lifecycle.persist({ path }, call)
const objects = (): string[] => [...store.objects.keys()].sort()
const stateOf = async (path: string): Promise<string> => (await fixture.stat(path)).persistenceState

describe('what goes on behind', () => {
  const names = Array.from({ length: 120 }, (_, index) => `f${index}`)

  it.each([1, 4, 9])(
    'a directory is persisted and moved at the same time, and every file is where it is said to be (%d)',
    async (after) => {
      slowWrites(fixture)
      for (const name of names) await fixture.write(`/ns/job/_temporary/${name}`, 4)
      let moving: Promise<unknown> | undefined
      await fixture.until(async () => {
        if (fixture.persists.length >= after)
          moving ??= fixture.lifecycle.rename({ from: '/ns/job/_temporary', to: '/ns/job/final' }, call)
        if (store.objects.size < names.length) return false
        const { files: all } = await fixture.service.listStatus(
          { path: '/ns', recursive: true, pageToken: '', limit: 0 },
          call,
        )
        return all.every(({ folder, persistenceState }) => folder || persistenceState === 'PERSISTED')
      })
      await moving
      expect(objects()).toEqual(names.map((name) => `job/final/${name}`).toSorted())
      await expectSame(fixture, store)
    },
  )

  it.each([1, 4, 9])(
    'a directory is persisted and removed at the same time, and nothing comes back (%d)',
    async (after) => {
      slowWrites(fixture)
      for (const name of names) await fixture.write(`/ns/job/${name}`, 4)
      let removed = false
      await fixture.until(async () => {
        if (fixture.persists.length >= after && !removed) {
          removed = true
          await fixture.lifecycle.delete({ path: '/ns/job', recursive: true, cacheOnly: false }, call)
        }
        return removed
      })
      await turns()
      expect(await fixture.keys()).toEqual([])
      expect(objects()).toEqual([])
      await expectSame(fixture, store)
    },
  )
})

describe('a namespace that becomes read-only', () => {
  it('is not written to any more, which is logged once, until it is writable again', async () => {
    const update = (readOnly: string) =>
      fixture.service.updateNamespace(
        {
          name: 'ns',
          secrets: {},
          attributes: { readOnly, writePolicy: 'MUST_CACHE' },
          removedAttributes: [],
          ttlAction: '',
        },
        call,
      )
    fixture.persistFailure = new SkeinError('permission_denied', 'denied')
    for (const name of ['a', 'b']) await fixture.write(`/ns/${name}`, 4)
    await fixture.until(() => fixture.persists.length >= 2)
    await turns()
    fixture.persistFailure = undefined
    expect(await update('true')).toMatchObject({ waitingFiles: 2 })
    const asked = fixture.persists.length
    const told = (): number => fixture.logs.filter((line) => line.includes('their namespace is read-only')).length
    await fixture.until(() => told() > 0)
    let looks = 0
    await fixture.until(() => (looks += 1) > 500)
    expect([told(), fixture.persists.length, objects()]).toEqual([1, asked, []])
    expect(await stateOf('/ns/a')).toBe('TO_BE_PERSISTED')
    await expect(persist('/ns/a')).rejects.toMatchObject({ code: 'failed_precondition' })
    expect((await update('false')).waitingFiles).toBeUndefined()
    await fixture.until(() => store.objects.size === 2)
    await expectSame(fixture, store)
    await turns()
    fixture.clock.scheduled.get(10_000)?.()
    const summary = fixture.logs.find((line) => line.includes('files were written to the store in the background'))
    expect(summary).toMatch(/"files":2,"bytes":8/)
  })

  it('is not written to by a call that waited until then', async () => {
    await fixture.write('/ns/a', 4)
    fixture.persistFailure = new SkeinError('permission_denied', 'denied')
    const write = fixture.persist.bind(fixture)
    const held = Promise.withResolvers<void>()
    fixture.persist = async (on, request) => {
      await held.promise
      return write(on, request)
    }
    const [first, second] = [persist('/ns/a'), persist('/ns/a')]
    await turns()
    await fixture.service.updateNamespace(
      { name: 'ns', secrets: {}, attributes: { readOnly: 'true' }, removedAttributes: ['writePolicy'], ttlAction: '' },
      call,
    )
    held.resolve()
    expect((await first).failures).toEqual(['/ns/a: denied'])
    fixture.persistFailure = undefined
    expect((await second).failures).toEqual(['/ns/a: /ns is read-only: nothing is persisted there'])
    expect(objects()).toEqual([])
  })
})
