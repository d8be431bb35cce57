// Why: files that are written here against their model (written-files-model.ts), over random
// sequences; and with planted bugs, each of which the same sequences must catch. How: a real master
// with its state on disk; a store and a worker that persists, in memory.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { blockCount, blockIdOf } from '../../src/base/block-id.ts'
import { isSkeinError, SkeinError } from '../../src/base/errors.ts'
import type { PersistFileRequest } from '../../src/wire/generated/lifecycle.ts'
import { ordinaryOrLong } from '../support/run-length.ts'
import type { FakeStore } from '../unit/cache-master/support/fakes.ts'
import { turns } from '../unit/cache-master/support/held-writes.ts'
import { call, MasterFixture } from '../unit/cache-master/support/master-fixture.ts'
import {
  type Change,
  change,
  copyOf,
  emptyModel,
  etagOf,
  keys,
  type Model,
  type Pending,
  replacedNow,
  type Step,
  writtenFileSteps,
} from './support/written-files-model.ts'

type Plant = (world: World) => void
type Lost = 'before' | 'after' | undefined

class World {
  readonly fixture: MasterFixture
  readonly store: FakeStore
  /** How a worker changes the request before it writes: nothing, but for planted bugs. */
  asked: (request: PersistFileRequest) => PersistFileRequest = (request) => request
  lost: Lost
  readonly #blocks: number[] = []
  readonly #pendings: Pending[] = []
  #model = emptyModel()
  #versions = 0
  #session = ''

  private constructor(fixture: MasterFixture, store: FakeStore) {
    this.fixture = fixture
    this.store = store
    fixture.persist = (_on, request) => this.#persist(this.asked(request))
  }

  static async open(): Promise<World> {
    const fixture = await MasterFixture.open()
    const world = new World(fixture, await fixture.create())
    await fixture.lifecycle.makeDirectory({ path: '/ns/d' }, call)
    world.#session = await fixture.worker('w')
    return world
  }

  async do(step: Step): Promise<void> {
    const { fixture } = this
    if (step.type === 'begin') await this.#begin(step.key, step.overwrite)
    else if (step.type === 'write') {
      if (await this.#begin(step.key, step.overwrite)) await this.#end(this.#pendings.pop())
    } else if (step.type === 'abandon') await this.#abandon(this.#take(step.which))
    else if (step.type === 'end') await this.#end(this.#take(step.which))
    else if (step.type === 'race') await this.#race(step)
    else if (step.type === 'restart') {
      await fixture.restart()
      this.#model.refused.clear()
      this.#session = await fixture.worker('w', this.#blocks)
    } else if (step.type === 'look') {
      await this.#look()
      await fixture.service.syncPage({ path: '/ns', cursor: '', limit: 0 }, call)
    } else if (step.type === 'put' || step.type === 'take') {
      // Others meddle with what the cache does not have from the store.
      if (this.#model.files.get(step.key)?.etag !== undefined || !this.#model.files.has(step.key)) return
      this.#versions += 1
      const { key } = step
      const length = 1000 + this.#versions
      await this.#both(step.type === 'put' ? { type: 'put', key, length } : { type: 'take', key })
    } else if (step.type === 'persist' || step.type === 'move' || step.type === 'remove') await this.#both(step)
    expect(await this.known()).toEqual(shown(this.#model))
  }

  /** Every file as users see it, and every object. */
  async known(): Promise<unknown> {
    const files: unknown[] = []
    for (const key of keys) {
      const file = await this.fixture.stat(`/ns/${key}`).catch((thrown: unknown) => {
        if (!isSkeinError(thrown, 'not_found')) throw thrown
        return undefined
      })
      if (file !== undefined) files.push([key, file.length, file.persistenceState === 'PERSISTED' ? file.etag : ''])
    }
    const objects = [...this.store.objects].map(([key, { etag, length }]) => [key, etag, length])
    return { files, objects: objects.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)) }
  }

  close(): Promise<void> {
    return this.fixture.close()
  }

  /** @returns whether it was begun */
  async #begin(key: string, overwrite: boolean): Promise<boolean> {
    this.#versions += 1
    const length = this.#versions
    const request = { path: `/ns/${key}`, blockSizeBytes: 0, requestKey: '', overwrite }
    const replaces = overwrite ? replacedNow(this.#model, key) : undefined
    const begun = await outcomeOf(this.fixture.lifecycle.createFile(request, call))
    expect(begun !== undefined).toBe(overwrite || !this.#model.files.has(key))
    if (begun === undefined) return false
    const { fileId, blockSizeBytes } = begun
    const blocks = Array.from({ length: blockCount(length, blockSizeBytes) }, (_, index) => blockIdOf(fileId, index))
    this.#blocks.push(...blocks)
    await this.fixture.report('w', this.#session, blocks)
    this.#pendings.push({ fileId, key, length, overwrite, replaces })
    return true
  }

  async #end(pending: Pending | undefined): Promise<void> {
    if (pending === undefined) return
    const ended = await this.#both({ type: 'end', pending })
    if (!ended) await this.#abandon(pending)
  }

  async #abandon(pending: Pending | undefined): Promise<void> {
    if (pending !== undefined) await this.fixture.lifecycle.abandonFile({ fileId: pending.fileId }, call)
  }

  /** Two changes at the same time end as one of their orders does. */
  async #race(step: Extract<Step, { readonly type: 'race' }>): Promise<void> {
    const pending = this.#take(step.which)
    const other = step.with === 'end' ? this.#take(0) : undefined
    if (pending === undefined || (step.with === 'end' && other === undefined)) return
    const first: Change = { type: 'end', pending }
    const second: Change =
      other === undefined ? ({ type: step.with, key: step.key } as Change) : { type: 'end', pending: other }
    const orders = [
      [first, second],
      [second, first],
    ].map((changes) => {
      const model = copyOf(this.#model)
      for (const one of changes) change(model, one)
      return model
    })
    await Promise.all([outcomeOf(this.#real(first)), outcomeOf(this.#real(second))])
    const known = await this.known()
    const reached = orders.find((model) => JSON.stringify(shown(model)) === JSON.stringify(known))
    if (reached === undefined) expect(known).toEqual(shown(orders[0] ?? emptyModel()))
    else this.#model = reached
    for (const one of [pending, other]) await this.#abandon(one)
  }

  /** @returns whether it succeeded, as the model says */
  async #both(asked: Change): Promise<boolean> {
    const expected = change(this.#model, asked)
    const happened = (await outcomeOf(this.#real(asked))) ?? false
    expect([asked, happened]).toEqual([asked, expected])
    return expected
  }

  async #real(asked: Change): Promise<boolean> {
    const { lifecycle } = this.fixture
    switch (asked.type) {
      case 'end':
        await lifecycle.completeFile({ fileId: asked.pending.fileId, length: asked.pending.length }, call)
        return true
      case 'persist': {
        this.lost = asked.lost
        const persisting = lifecycle.persist({ path: `/ns/${asked.key}` }, call)
        return (await persisting.finally(() => (this.lost = undefined))).failures.length === 0
      }
      case 'move':
        await lifecycle.rename({ from: `/ns/${asked.from}`, to: `/ns/${asked.to}`, overwrite: asked.overwrite }, call)
        await this.#look()
        return true
      case 'remove':
        await lifecycle.delete({ path: `/ns/${asked.key}`, recursive: false, cacheOnly: false }, call)
        await this.#look()
        return true
      case 'put':
        this.store.put(asked.key, { etag: `x-${asked.length}`, length: asked.length })
        return true
      case 'take':
        return this.store.objects.delete(asked.key)
    }
  }

  async #look(): Promise<void> {
    await this.fixture.lifecycle.loadMetadata({ path: '/ns', recursive: true }, call)
  }

  /** As a worker does (object-persister.ts). */
  async #persist({ key, fileId, length, overwrite, replacedEtag }: PersistFileRequest) {
    await turns(3)
    const { lost, store } = this
    const etag = etagOf(fileId)
    const there = store.objects.get(key)?.etag
    const answer = { etag, modifiedMs: 77 }
    if (there === etag) return answer
    if (!overwrite && there !== undefined) throw new SkeinError('already_exists', `${key} is there`)
    if (there !== undefined && replacedEtag !== undefined && there !== replacedEtag)
      throw new SkeinError('aborted', `${key} is another version`, { reason: 'object_changed', retryable: false })
    if (lost !== 'before') store.put(key, { length, ...answer })
    if (lost !== undefined) throw new SkeinError('unavailable', 'the worker is gone')
    await turns(3)
    return answer
  }

  #take(which: number): Pending | undefined {
    return this.#pendings.splice(which % Math.max(1, this.#pendings.length), 1)[0]
  }
}

function shown({ files, objects }: Model): unknown {
  const known = keys.flatMap((key) => {
    const file = files.get(key)
    return file === undefined ? [] : [[key, file.length, file.etag ?? '']]
  })
  const there = [...objects].map(([key, { etag, length }]) => [key, etag, length])
  return { files: known, objects: there.toSorted(([a], [b]) => (String(a) < String(b) ? -1 : 1)) }
}

async function outcomeOf<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise
  } catch (thrown) {
    if (!(thrown instanceof SkeinError) || thrown.code === 'internal') throw thrown
    return undefined
  }
}

const property = (plant: Plant = () => undefined): fc.IAsyncProperty<[Step[]]> =>
  fc.asyncProperty(writtenFileSteps, async (steps) => {
    const world = await World.open()
    plant(world)
    try {
      for (const step of steps) await world.do(step)
    } finally {
      await world.close()
    }
  })

test('files that are written here do what their model does', async () => {
  await fc.assert(property(), { numRuns: ordinaryOrLong(12, 2000) })
}, 600_000)

const overwritten: readonly Step[] = [
  { type: 'write', key: 'd/a', overwrite: false },
  { type: 'persist', key: 'd/a' },
  { type: 'write', key: 'd/a', overwrite: true },
]

const refusedThenReplaced: readonly Step[] = [
  ...overwritten,
  { type: 'put', key: 'd/a' },
  { type: 'persist', key: 'd/a' },
  { type: 'write', key: 'd/a', overwrite: true },
  { type: 'persist', key: 'd/a' },
]

test('and so does one that replaces what another client has put in the place of its old version', async () => {
  await fc.assert(property(), { numRuns: 1, examples: [[[...refusedThenReplaced]]] })
})

const plants: readonly (readonly [what: string, plant: Plant, shown: readonly Step[]])[] = [
  [
    'a worker that replaces whatever is there',
    (world) => {
      world.asked = (request) => ({ ...request, replacedEtag: undefined })
    },
    [
      { type: 'put', key: 'd/a' },
      { type: 'persist', key: 'd/a' },
    ],
  ],
  [
    'a master that does not say what is replaced',
    (world) => {
      world.asked = (request) => ({ ...request, replacedEtag: undefined, overwrite: false })
    },
    [{ type: 'persist', key: 'd/a' }],
  ],
  [
    'a store that moves over whatever is there',
    ({ store }) => {
      const renameOver = store.renameOver.bind(store)
      store.renameOver = (from, to, { etag }) => {
        const replaces = store.objects.get(to)?.etag ?? ''
        return renameOver(from, to, { etag, replaces })
      }
    },
    [
      { type: 'put', key: 'd/a' },
      { type: 'write', key: 'd/b', overwrite: false },
      { type: 'persist', key: 'd/b' },
      { type: 'move', from: 'd/b', to: 'd/a', overwrite: true },
    ],
  ],
  [
    'a store that deletes whatever is there',
    ({ store }) => {
      const remove = store.delete.bind(store)
      store.delete = (key, signal) => remove(key, signal)
    },
    [
      { type: 'put', key: 'd/a' },
      { type: 'remove', key: 'd/a' },
    ],
  ],
]

test.each(plants)('and %s is caught', async (_what, plant, steps) => {
  const examples: [Step[]][] = [[[...overwritten, ...steps]]]
  await fc.assert(property(), { numRuns: 1, examples })
  expect(await fc.check(property(plant), { numRuns: 1, examples, endOnFailure: true })).toMatchObject({ failed: true })
})
