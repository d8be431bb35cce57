// Why: tiers must do what their model (tiered-store-reference.ts) does, whatever the order. How:
// fast-check commands run on the store and on the model, and after each one every block must be in
// the tier where the model has it.
import * as fc from 'fast-check'
import { isSkeinError } from '../../../src/base/errors.ts'
import type { BlockHeader, BlockReader, BlockReservation, WriteHints } from '../../../src/block/block-store.ts'
import type { TieredStore } from '../../../src/block/tier/tiered-store.ts'
import { bytesOf, headerOf, never } from '../../conformance/support/block-store-fixture.ts'
import {
  blockBytes,
  find,
  isHeld,
  isMovable,
  loadOf,
  type Model,
  type ModelBlock,
  place,
  promote,
  touch,
} from './tiered-store-reference.ts'

/** How a block is written. */
interface Manner {
  readonly evict: boolean
  readonly durable: boolean
  readonly load: string | undefined
}

export interface Real {
  store: TieredStore
  readonly reservations: Map<number, BlockReservation>
  readonly readers: { readonly id: number; readonly bytes: Buffer; readonly reader: BlockReader }[]
  readonly evicted: number[]
  /** What the store said it has: at its start, and since. */
  readonly reported: Set<number>
  /** A new store on what the old one left; killed: at once, in the middle of whatever it does. */
  restart(how: 'closed' | 'killed'): Promise<void>
  /** The ids in each tier, in the order in which a new store finds them. */
  found(): readonly (readonly number[])[]
  /** Lets so many steps of the disks pass. */
  pass(steps: number): Promise<void>
}

function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(what)
}

function compare(model: Model, { store, evicted, reported }: Real): void {
  const expected = model.tiers.map((tier) => [...tier.keys()].sort((a, b) => a - b).join())
  const actual = model.tiers.map((_, level) =>
    [...store.list()]
      .map((header) => header.blockId)
      .filter((id) => store.levelOf(id) === level)
      .sort((a, b) => a - b)
      .join(),
  )
  must(actual.join('|') === expected.join('|'), `tiers hold ${actual.join('|')}, not ${expected.join('|')}`)
  const has = [...store.list()].map((header) => header.blockId).sort((a, b) => a - b)
  must(
    [...reported].sort((a, b) => a - b).join() === has.join(),
    `reported ${[...reported].join()} and has ${has.join()}`,
  )
  for (const { blockId, durable } of store.list())
    must(
      (durable === true) === (find(model, blockId)?.block.durable === true),
      `block ${blockId} is durable: ${durable === true}`,
    )
  must(evicted.join() === model.evicted.join(), `evicted ${evicted.join()}, not ${model.evicted.join()}`)
  const used = store.usage().map((usage) => usage.usedBytes / blockBytes)
  const wanted = model.tiers.map(
    (tier, level) => tier.size + [...model.writing.values()].filter((write) => write.level === level).length,
  )
  must(used.join() === wanted.join(), `used ${used.join()} blocks, not ${wanted.join()}`)
}

class Step implements fc.AsyncCommand<Model, Real> {
  readonly name: string
  readonly can: (model: Readonly<Model>) => boolean
  readonly act: (model: Model, real: Real) => Promise<void>

  constructor(
    name: string,
    can: (model: Readonly<Model>) => boolean,
    act: (model: Model, real: Real) => Promise<void>,
  ) {
    this.name = name
    this.can = can
    this.act = act
  }

  check(model: Readonly<Model>): boolean {
    return this.can(model)
  }

  async run(model: Model, real: Real): Promise<void> {
    await this.act(model, real)
    await real.store.settle()
    compare(model, real)
  }

  toString(): string {
    return this.name
  }
}

async function reasonOf(operation: Promise<unknown>): Promise<string | undefined> {
  try {
    await operation
    return undefined
  } catch (thrown) {
    if (isSkeinError(thrown, 'already_exists') || isSkeinError(thrown, 'resource_exhausted')) return thrown.reason
    throw thrown
  }
}

const always = (): boolean => true
let seed = 0
const fresh = (): Buffer => bytesOf(blockBytes, (seed += 1))

const header = (id: number, { durable }: Manner): BlockHeader => ({
  ...headerOf(id, blockBytes),
  ...(durable ? { durable } : {}),
})
const hints = ({ evict, load }: Manner): WriteHints => ({ evict, loadId: load })
const named = (what: string, { evict, durable, load }: Manner): string =>
  [
    what,
    ...(evict ? ['evicting'] : []),
    ...(durable ? ['durable'] : []),
    ...(load === undefined ? [] : [`of load ${load}`]),
  ].join(', ')

function freshBlock(model: Model, { durable, load }: Manner): ModelBlock {
  return {
    bytes: fresh(),
    touches: [],
    readers: 0,
    durable,
    loads: new Set(load === undefined ? [] : [loadOf(model, load)]),
  }
}

/** A load is heard of by what it writes or finds here, unless another one is writing that. */
function hear(model: Model, id: number, answer: number | string, { load }: Manner): void {
  if (answer === 'being_written' || load === undefined) return
  const heard = loadOf(model, load)
  if (answer === 'committed') find(model, id)?.block.loads.add(heard)
}

const setRunning = (names: readonly string[] | undefined, times: number): Step =>
  new Step(`running loads: ${names?.join() ?? 'not known'}, ${times} times`, always, (model, real) => {
    for (let time = 0; time < times; time += 1) {
      real.store.setRunningLoads(names)
      for (const load of model.loads) {
        if (names === undefined) continue
        if (names.includes(load.name)) load.named = true
        else load.unnamed += 1
        if (!names.includes(load.name) && (load.named || load.unnamed === 10)) load.runs = false
      }
    }
    return Promise.resolve()
  })

const hold = (id: number, load: string): Step =>
  new Step(`load ${load} counts on ${id}`, always, (model, real) => {
    const found = find(model, id)
    must(real.store.hold(id, load) === (found !== undefined), `hold says the opposite of ${found !== undefined}`)
    found?.block.loads.add(loadOf(model, load))
    return Promise.resolve()
  })

const release = (id: number): Step =>
  new Step(`release ${id}`, always, async (model, real) => {
    await real.store.release(id)
    const block = find(model, id)?.block
    if (block !== undefined) block.durable = false
  })

const put = (id: number, manner: Manner): Step =>
  new Step(named(`put ${id}`, manner), always, async (model, real) => {
    const answer = place(model, id, manner.evict)
    hear(model, id, answer, manner)
    const block = freshBlock(model, typeof answer === 'number' ? manner : { ...manner, load: undefined })
    const reason = await reasonOf(real.store.put(header(id, manner), block.bytes, hints(manner)))
    must(reason === (typeof answer === 'string' ? answer : undefined), `put answered ${reason}, not ${answer}`)
    if (typeof answer === 'number') model.tiers[answer]?.set(id, { ...block, touches: [(model.now += 1)] })
  })

const reserve = (id: number, manner: Manner): Step =>
  new Step(named(`reserve ${id}`, manner), always, async (model, real) => {
    const answer = place(model, id, manner.evict)
    hear(model, id, answer, manner)
    const reserving = real.store.reserve(header(id, manner), hints(manner))
    const reason = await reasonOf(reserving)
    must(reason === (typeof answer === 'string' ? answer : undefined), `reserve answered ${reason}, not ${answer}`)
    if (typeof answer === 'string') return
    model.writing.set(id, { level: answer, block: freshBlock(model, manner) })
    real.reservations.set(id, await reserving)
  })

const end = (id: number, how: 'commit' | 'abort'): Step =>
  new Step(
    `${how} ${id}`,
    (model) => model.writing.has(id),
    async (model, real) => {
      const write = model.writing.get(id)
      const reservation = real.reservations.get(id)
      if (write === undefined || reservation === undefined) throw new Error('no reservation')
      model.writing.delete(id)
      real.reservations.delete(id)
      if (how === 'abort') {
        await reservation.abort()
        return
      }
      await reservation.write(write.block.bytes)
      await reservation.commit()
      model.tiers[write.level]?.set(id, { ...write.block, touches: [(model.now += 1)] })
    },
  )

const read = (id: number): Step =>
  new Step(`read ${id}`, always, async (model, real) => {
    const found = find(model, id)
    try {
      const reader = await real.store.open(id)
      must(found !== undefined, `block ${id} is served and should not be there`)
      must(found?.block.bytes.equals(await reader.read(0, blockBytes, never)) === true, `block ${id} is served wrong`)
      await reader.close()
    } catch (thrown) {
      must(isSkeinError(thrown, 'not_found') && found === undefined, `block ${id} is not served: ${String(thrown)}`)
    }
    if (found === undefined) return
    touch(model, found.block)
    promote(model, id)
  })

const keepReader = (id: number): Step =>
  new Step(
    `keep a reader of ${id}`,
    (model) => find(model, id) !== undefined,
    async (model, real) => {
      const block = find(model, id)?.block
      if (block === undefined) return
      real.readers.push({ id, bytes: block.bytes, reader: await real.store.open(id) })
      block.readers += 1
      touch(model, block)
    },
  )

const useReader = (): Step =>
  new Step('read by a kept reader', always, async (model, real) => {
    const kept = real.readers.shift()
    if (kept === undefined) return
    must(kept.bytes.equals(await kept.reader.read(0, blockBytes, never)), 'a kept reader reads something else')
    await kept.reader.close()
    const block = find(model, kept.id)?.block
    if (block === undefined || block.bytes !== kept.bytes) return
    block.readers -= 1
    if (block.readers === 0) promote(model, kept.id)
  })

const free = (id: number): Step =>
  new Step(`free ${id}`, always, async (model, real) => {
    const found = find(model, id)
    must((await real.store.free(id)) === (found !== undefined), `free of ${id} says the wrong thing`)
    model.tiers[found?.level ?? 0]?.delete(id)
  })

const pin = (id: number, on: boolean): Step =>
  new Step(`${on ? 'pin' : 'unpin'} ${id}`, always, (model, real) => {
    real.store.setPinned(id, on)
    if (on) model.pinned.add(id)
    else model.pinned.delete(id)
    return Promise.resolve()
  })

/** The model's blocks as a new store finds them: in this order, each touched once. */
function begin(model: Model, real: Real, found: readonly (readonly number[])[]): void {
  const blocks = new Map(model.tiers.flatMap((tier) => [...tier]))
  model.now = 0
  model.writing.clear()
  model.loads.length = 0
  real.reservations.clear()
  for (const id of model.pinned) real.store.setPinned(id, true)
  const ids = found.flat()
  must(new Set(ids).size === ids.length, `a block is in two tiers: ${found.join('|')}`)
  const expected = [...blocks.keys()].sort((a, b) => a - b).join()
  must([...ids].sort((a, b) => a - b).join() === expected, `a restart finds ${found.join('|')}, not ${expected}`)
  model.tiers = found.map(
    (level) =>
      new Map(
        level.map((id) => {
          const { bytes = Buffer.alloc(0), durable = false } = blocks.get(id) ?? {}
          return [id, { bytes, durable, touches: [(model.now += 1)], readers: 0, loads: new Set() }]
        }),
      ),
  )
}

const restart = (how: 'closed' | 'killed'): Step =>
  new Step(`restart, ${how}`, always, async (model, real) => {
    const levels = model.tiers.map((tier) => [...tier.keys()].sort((a, b) => a - b).join())
    await real.restart(how)
    real.readers.length = 0
    const found = real.found()
    must(
      found.map((ids) => [...ids].sort((a, b) => a - b).join()).join('|') === levels.join('|'),
      'a restart moved blocks',
    )
    begin(model, real, found)
  })

/**
 * Dies while it makes room for a block: what is not evicted is there, once; the block itself may
 * be.
 */
const crash = (id: number, evict: boolean, steps: number): Step =>
  new Step(
    `die ${steps} steps into the put of ${id}${evict ? ', evicting' : ''}`,
    (model) => find(model, id) === undefined && !model.writing.has(id),
    async (model, real) => {
      const bytes = fresh()
      real.store.put(headerOf(id, blockBytes), bytes, { evict }).catch(() => undefined)
      await real.pass(steps)
      await real.restart('killed')
      real.readers.length = 0
      const found = real.found()
      const there = new Set(found.flat())
      if (there.has(id)) model.tiers[0]?.set(id, { bytes, touches: [], readers: 0, durable: false, loads: new Set() })
      for (const evictedId of real.evicted.slice(model.evicted.length)) {
        const victim = find(model, evictedId)
        must(
          evict && victim !== undefined && isMovable(model, evictedId, victim.block),
          `${evictedId} was evicted and may not be`,
        )
        must(victim === undefined || !isHeld(victim.block), `${evictedId} was evicted and a running load brought it`)
        model.evicted.push(evictedId)
        // It was out of sight, and may not have been out of the disk yet.
        if (!there.has(evictedId)) model.tiers[victim?.level ?? 0]?.delete(evictedId)
      }
      begin(model, real, found)
    },
  )

const ids = fc.integer({ min: 1, max: 9 })
const yes = fc.boolean()
const loads = fc.constantFrom('a', 'b')
const manner = (evict: fc.Arbitrary<boolean>): fc.Arbitrary<Manner> =>
  fc.record({
    evict,
    durable: fc.oneof({ weight: 7, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
    load: fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: loads }),
  })
const running = fc.oneof(fc.constant(undefined), fc.uniqueArray(loads))

const orderly = [
  fc.tuple(ids, manner(yes)).map(([id, how]) => put(id, how)),
  fc.tuple(ids, manner(yes)).map(([id, how]) => put(id, how)),
  fc.tuple(ids, manner(fc.constant(true))).map(([id, how]) => put(id, how)),
  fc.tuple(ids, manner(yes)).map(([id, how]) => reserve(id, how)),
  fc.tuple(ids, fc.constantFrom('commit', 'commit', 'abort')).map(([id, how]) => end(id, how)),
  ids.map(read),
  ids.map(read),
  ids.map(keepReader),
  fc.constant(useReader()),
  ids.map(free),
  fc.tuple(ids, loads).map(([id, load]) => hold(id, load)),
  ids.map(release),
  fc.tuple(ids, yes).map(([id, on]) => pin(id, on)),
  fc.tuple(running, fc.constantFrom(1, 1, 1, 10)).map(([names, times]) => setRunning(names, times)),
  fc.constantFrom('closed', 'killed').map((how) => restart(how)),
]

/** Sequences of everything that may happen to tiers. */
export const tieredStoreCommands = fc.commands(
  [
    ...orderly,
    fc.tuple(ids, yes, fc.integer({ min: 0, max: 12 })).map(([id, evict, steps]) => crash(id, evict, steps)),
  ],
  { size: '+1', maxCommands: 60 },
)

/** The same, but a store that is killed has nothing under way: one on a real disk would go on. */
export const orderlyCommands = fc.commands(orderly, { size: '+1', maxCommands: 60 })
