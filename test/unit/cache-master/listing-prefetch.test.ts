import { expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { ListingPrefetch, type PageRequest } from '../../../src/cache-master/store/listing-prefetch.ts'
import { RecentChanges } from '../../../src/cache-master/state/recent-changes.ts'
import { apply } from '../../../src/meta/apply/apply-meta.ts'
import { namespaceByName } from '../../../src/meta/resolve-path.ts'
import { createNamespace } from '../meta/support/commands.ts'
import { MemoryTables } from '../meta/support/memory-tables.ts'

const signal = new AbortController().signal

function setUp() {
  const tables = new MemoryTables()
  apply(tables, createNamespace())
  const record = namespaceByName(tables, 'ns')
  if (record === undefined) throw new Error('no namespace')
  const changes = new RecentChanges(tables)
  const due = new Set<() => void>()
  const clock = {
    ...systemClock,
    schedule: (_ms: number, task: () => void): (() => void) => {
      due.add(task)
      return () => due.delete(task)
    },
  }
  let asked = 0
  const prefetch = new ListingPrefetch(clock, (of, { prefix, after }) => {
    asked += 1
    const page = { objects: [], prefixes: [], next: undefined }
    return Promise.resolve({ page, inquiry: changes.begin(of, prefix, false, after?.key) })
  })
  const request = (key: string): PageRequest => ({ prefix: '', after: { key, token: undefined }, limit: 1000 })
  return { prefetch, changes, record, due, request, asked: () => asked }
}

it('ends the inquiry of a page for which nobody comes', async () => {
  const { prefetch, changes, record, due, request } = setUp()
  for (const key of ['a', 'b', 'c']) prefetch.start(record, request(key))
  expect(changes.inquiries).toBe(3)
  for (const task of due) task()
  await expect.poll(() => changes.inquiries).toBe(0)
  expect(due.size).toBe(0)
})

it('gives a page that was asked for ahead to who comes for it, and waits no longer', async () => {
  const { prefetch, changes, record, due, request, asked } = setUp()
  prefetch.start(record, request('a'))
  const { inquiry } = await prefetch.take(record, request('a'), signal)
  expect(asked()).toBe(1)
  expect(due.size).toBe(0)
  inquiry.close()
  expect(changes.inquiries).toBe(0)
})

it('gives a listing no page that was asked for before it began', async () => {
  const { prefetch, changes, record, request, asked } = setUp()
  prefetch.start(record, request('a'))
  prefetch.start(record, { ...request('a'), prefix: 'other/' })
  const first = await prefetch.take(record, { ...request(''), after: undefined }, signal)
  const second = await prefetch.take(record, request('a'), signal)
  expect(asked()).toBe(4)
  const other = await prefetch.take(record, { ...request('a'), prefix: 'other/' }, signal)
  expect(asked()).toBe(4)
  for (const { inquiry } of [first, second, other]) inquiry.close()
  await expect.poll(() => changes.inquiries).toBe(0)
})
