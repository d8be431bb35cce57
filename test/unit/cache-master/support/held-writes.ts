// Why: what goes on while a worker writes to the store is tested with the write held in the middle;
// and afterwards the store and the metadata must say the same.
import { expect } from 'vitest'
import type { FakeStore } from './fakes.ts'
import { call, type MasterFixture } from './master-fixture.ts'

/** Whatever can go on without anybody's help has done so. */
export async function turns(count = 300): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve))
}

export interface HeldWrites {
  /** A first one is held. */
  readonly reached: Promise<void>
  /** From now on none is. */
  release(): void
}

/**
 * Holds the writes of objects whose key matches: before they are made, or when they are and nobody
 * knows.
 */
export function holdWrites(fixture: MasterFixture, pattern: RegExp, at: 'before' | 'after' = 'after'): HeldWrites {
  const write = fixture.persist.bind(fixture)
  const reached = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  fixture.persist = async (on, request) => {
    const isHeld = pattern.test(request.key)
    const wait = async (): Promise<void> => {
      reached.resolve()
      await released.promise
    }
    if (isHeld && at === 'before') await wait()
    const answer = await write(on, request)
    if (isHeld && at === 'after') await wait()
    return answer
  }
  return { reached: reached.promise, release: released.resolve }
}

/** Each write takes some turns, others more, both before and after the object is there. */
export function slowWrites(fixture: MasterFixture): void {
  const write = fixture.persist.bind(fixture)
  let writes = 0
  fixture.persist = async (on, request) => {
    const pause = (writes += 1) % 7
    await turns(pause * 2)
    const answer = await write(on, request)
    await turns(pause * 3)
    return answer
  }
}

/** The store has exactly the files that are persisted, in the versions that are known. */
export async function expectSame(fixture: MasterFixture, store: FakeStore): Promise<void> {
  const persisted: string[] = []
  for (const key of await filesOf(fixture)) {
    const { persistenceState, etag } = await fixture.stat(`/ns/${key}`)
    if (persistenceState !== 'PERSISTED') continue
    persisted.push(key)
    expect([key, store.objects.get(key)?.etag]).toEqual([key, etag])
  }
  expect([...store.objects.keys()].sort()).toEqual(persisted.toSorted())
  const known = await filesOf(fixture)
  await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
  expect(await filesOf(fixture)).toEqual(known)
}

/** The keys of all files of /ns. */
export async function filesOf(fixture: MasterFixture): Promise<string[]> {
  return (await fixture.keys()).filter((key) => !key.endsWith('/'))
}
