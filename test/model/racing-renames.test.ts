// Why: renames onto each other's names, beside other changes here and other clients of the store,
// must never give one version the name or the bytes of another. How: random changes run at the same
// time on a real master over a store in memory; each version has a length that no other one has.
// Afterwards each file has the length of its version, the same after a restart, and once the store
// is looked at, what it has is known and nothing else. The same sequences must catch a planted bug.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isSkeinError } from '../../src/base/errors.ts'
import { ordinaryOrLong } from '../support/run-length.ts'
import type { FakeStore } from '../unit/cache-master/support/fakes.ts'
import { filesOf, turns } from '../unit/cache-master/support/held-writes.ts'
import { call, MasterFixture } from '../unit/cache-master/support/master-fixture.ts'

const keys = ['d/a', 'd/b', 'e/c', 'f'] as const
const key = fc.constantFrom(...keys)

const change = fc.oneof(
  fc.record({ type: fc.constantFrom('over', 'over', 'move'), from: key, to: key }),
  fc.record({ type: fc.constantFrom('look', 'free', 'remove', 'persist', 'write', 'foreign'), from: key, to: key }),
)

const race = fc.record({
  /** What each key has at first. */
  start: fc.tuple(...keys.map(() => fc.constantFrom('store', 'store', 'cache', 'nothing'))),
  changes: fc.array(change, { minLength: 2, maxLength: 8 }),
  /** Whether another client writes the old name right after the store has moved an object. */
  foreign: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
})

type Race = typeof race extends fc.Arbitrary<infer Value> ? Value : never
type Plant = (world: World) => void

class World {
  readonly fixture: MasterFixture
  readonly store: FakeStore
  readonly #lengths = new Map<string, number>()
  #versions = 0

  private constructor(fixture: MasterFixture, store: FakeStore) {
    this.fixture = fixture
    this.store = store
  }

  static async open(): Promise<World> {
    const fixture = await MasterFixture.open()
    return new World(fixture, await fixture.create())
  }

  async run({ start, changes, foreign }: Race, plant: Plant): Promise<void> {
    for (const [index, at] of keys.entries()) {
      if (start[index] === 'cache') await this.#write(at)
      if (start[index] !== 'store') continue
      this.#foreign(at)
      await this.fixture.stat(`/ns/${at}`)
    }
    this.#slow([...foreign])
    plant(this)
    const ended = await Promise.allSettled(changes.map((one) => this.#do(one)))
    for (const one of ended) if (one.status === 'rejected' && isSkeinError(one.reason, 'internal')) throw one.reason
    await this.#check()
  }

  async #do({ type, from, to }: Race['changes'][number]): Promise<unknown> {
    const { lifecycle, service } = this.fixture
    const [path, target] = [`/ns/${from}`, `/ns/${to}`]
    switch (type) {
      case 'over':
      case 'move':
        return lifecycle.rename({ from: path, to: target, overwrite: type === 'over' }, call)
      case 'look':
        return service.getStatus({ path, syncIntervalMs: 0 }, call)
      case 'free':
        return service.free({ path, force: false }, call)
      case 'remove':
        return lifecycle.delete({ path, recursive: false, cacheOnly: false }, call)
      case 'persist':
        return lifecycle.persist({ path }, call)
      case 'write':
        return this.#write(from)
      case 'foreign':
        await turns(this.#versions % 5)
        return this.#foreign(from)
    }
  }

  async #write(at: string): Promise<void> {
    this.#versions += 1
    await this.fixture.write(`/ns/${at}`, this.#versions, true)
  }

  /** Another client writes. */
  #foreign(at: string): void {
    this.#versions += 1
    const [etag, length] = [`x-${this.#versions}`, 1000 + this.#versions]
    this.#lengths.set(etag, length)
    this.store.put(at, { etag, length })
  }

  /** The store takes some turns, and others go on meanwhile. */
  #slow(foreign: boolean[]): void {
    const { store, fixture } = this
    const [rename, renameOver] = [store.rename.bind(store), store.renameOver.bind(store)]
    const moved = async <T>(from: string, move: () => Promise<T>): Promise<T> => {
      await turns(1 + (this.#versions % 3))
      const answer = await move()
      if (foreign.shift() === true) {
        this.#foreign(from)
        await fixture.service.getStatus({ path: `/ns/${from}`, syncIntervalMs: 0 }, call).catch(() => undefined)
      }
      return answer
    }
    // A rename over nothing is one to a free name.
    store.rename = (from, to, etag) => moved(from, () => rename(from, to, etag))
    store.renameOver = (from, to, versions) =>
      store.objects.has(to) ? moved(from, () => renameOver(from, to, versions)) : store.rename(from, to, versions.etag)
  }

  /** What is said of each key without a look at the store. */
  async #known(): Promise<{ readonly at: string; readonly etag: string; readonly length: number }[]> {
    const known = []
    for (const at of keys) {
      const request = { path: `/ns/${at}`, syncIntervalMs: -1 }
      const file = await this.fixture.service.getStatus(request, call).catch((thrown: unknown) => {
        if (!isSkeinError(thrown, 'not_found')) throw thrown
      })
      if (file !== undefined) known.push({ at, etag: file.etag, length: file.length })
    }
    return known
  }

  async #check(): Promise<void> {
    const { fixture, store } = this
    const known = await this.#known()
    for (const { at, etag, length } of known)
      expect([at, etag, length]).toEqual([at, etag, this.#lengths.get(etag) ?? length])
    await fixture.restart()
    expect(await this.#known()).toEqual(known)
    await fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
    const now = await filesOf(fixture)
    for (const at of now) {
      const { etag, persistenceState } = await fixture.stat(`/ns/${at}`)
      if (persistenceState === 'PERSISTED') expect([at, store.objects.get(at)?.etag]).toEqual([at, etag])
    }
    for (const at of store.objects.keys()) expect(now).toContain(at)
  }
}

const property = (plant: Plant = () => undefined): fc.IAsyncProperty<[Race]> =>
  fc.asyncProperty(race, async (given) => {
    const world = await World.open()
    try {
      await world.run(given, plant)
    } finally {
      await world.fixture.close()
    }
  })

test('renames beside other changes give no version the name of another', async () => {
  await fc.assert(property(), { numRuns: ordinaryOrLong(60, 3000) })
}, 600_000)

test('and a store that says another version than the one that it has moved is caught', async () => {
  const plant: Plant = ({ store }) => {
    const renameOver = store.renameOver.bind(store)
    store.renameOver = async (from, to, versions) => ({
      ...(await renameOver(from, to, versions)),
      etag: versions.replaces,
    })
  }
  const start: Race['start'] = ['store', 'store', 'nothing', 'nothing']
  const changes: Race['changes'] = [{ type: 'over', from: 'd/a', to: 'd/b' }]
  const examples: [Race][] = [[{ start, changes, foreign: [false] }]]
  await fc.assert(property(), { numRuns: 1, examples })
  expect(await fc.check(property(plant), { numRuns: 1, examples, endOnFailure: true })).toMatchObject({ failed: true })
})
