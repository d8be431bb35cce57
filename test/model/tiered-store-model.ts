// Why: what tiers must do, as a model that is too simple to be wrong: blocks of one size, tiers that hold a number of
// them, and the coldest found by adding up every touch there was. How: fast-check commands run on the store and on the
// model, and after each one every block must be in the tier where the model has it.
import * as fc from 'fast-check'
import { isSkeinError } from '../../src/base/errors.ts'
import type { BlockReader, BlockReservation } from '../../src/block/block-store.ts'
import type { AnnotatorSettings } from '../../src/block/choose-annotator.ts'
import type { TieredStore } from '../../src/block/tiered-store.ts'
import { bytesOf, headerOf, never } from '../conformance/block-store-fixture.ts'

export const blockBytes = 10

export interface ModelBlock {
  readonly bytes: Buffer
  touches: number[]
  readers: number
}

/** What the owner of the store knows of blocks; the store asks. */
export interface Knowledge {
  readonly protectedIds: Set<number>
  readonly unpersisted: Set<number>
}

export interface Model {
  readonly settings: AnnotatorSettings
  /** In blocks. */
  readonly rooms: readonly number[]
  tiers: Map<number, ModelBlock>[]
  /** Block -> the tier that it is written in. */
  readonly writing: Map<number, { readonly level: number; readonly bytes: Buffer }>
  readonly pinned: Set<number>
  readonly knowledge: Knowledge
  readonly evicted: number[]
  now: number
  lives: number
}

export interface Real {
  store: TieredStore
  readonly reservations: Map<number, BlockReservation>
  readonly readers: { readonly id: number; readonly bytes: Buffer; readonly reader: BlockReader }[]
  readonly evicted: number[]
  readonly knowledge: Knowledge
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

function worth(model: Model, { touches }: ModelBlock): number {
  if (model.settings.kind === 'LRU') return touches.at(-1) ?? 0
  const { stepFactor, attenuationFactor } = model.settings
  return touches.reduce((total, at) => total + (1 / attenuationFactor) ** ((model.now - at) * stepFactor), 0)
}

function coldestFirst(model: Model, level: number): [number, ModelBlock][] {
  return [...(model.tiers[level] ?? [])].sort(([, a], [, b]) => {
    const difference = worth(model, a) - worth(model, b)
    const isTie = Math.abs(difference) <= 1e-9 * worth(model, a)
    return isTie ? (a.touches.at(-1) ?? 0) - (b.touches.at(-1) ?? 0) : difference
  })
}

function isMovable(model: Model, id: number, block: ModelBlock): boolean {
  return block.readers === 0 && !model.pinned.has(id) && !model.knowledge.unpersisted.has(id)
}

function makeRoom(model: Model, level: number, evict: boolean): boolean {
  const tier = model.tiers[level]
  if (tier === undefined) return false
  const reserved = [...model.writing.values()].filter((write) => write.level === level).length
  if (tier.size + reserved < (model.rooms[level] ?? 0)) return true
  for (const [id, block] of coldestFirst(model, level)) {
    if (!isMovable(model, id, block)) continue
    if (makeRoom(model, level + 1, evict)) model.tiers[level + 1]?.set(id, block)
    else if (evict && !model.knowledge.protectedIds.has(id)) model.evicted.push(id)
    else continue
    tier.delete(id)
    return true
  }
  return false
}

function touch(model: Model, block: ModelBlock): void {
  model.now += 1
  block.touches.push(model.now)
}

export function find(model: Readonly<Model>, id: number): { level: number; block: ModelBlock } | undefined {
  for (const [level, tier] of model.tiers.entries()) {
    const block = tier.get(id)
    if (block !== undefined) return { level, block }
  }
  return undefined
}

/** Where a new block goes; or why not. */
function place(model: Model, id: number, evict: boolean): number | string {
  if (model.writing.has(id)) return 'being_written'
  if (find(model, id) !== undefined) return 'committed'
  const level = model.rooms.findIndex((_, index) => makeRoom(model, index, evict))
  return level < 0 ? 'no_capacity' : level
}

function compare(model: Model, { store, evicted }: Real): void {
  const expected = model.tiers.map((tier) => [...tier.keys()].sort((a, b) => a - b).join())
  const actual = model.tiers.map((_, level) =>
    [...store.list()]
      .map((header) => header.blockId)
      .filter((id) => store.levelOf(id) === level)
      .sort((a, b) => a - b)
      .join(),
  )
  must(actual.join('|') === expected.join('|'), `tiers hold ${actual.join('|')}, not ${expected.join('|')}`)
  must(evicted.join() === model.evicted.join(), `evicted ${evicted.join()}, not ${model.evicted.join()}`)
  const used = store.usage().map((usage) => usage.usedBytes / blockBytes)
  const wanted = model.tiers.map((tier, level) => tier.size + [...model.writing.values()].filter((write) => write.level === level).length)
  must(used.join() === wanted.join(), `used ${used.join()} blocks, not ${wanted.join()}`)
}

class Step implements fc.AsyncCommand<Model, Real> {
  readonly name: string
  readonly can: (model: Readonly<Model>) => boolean
  readonly act: (model: Model, real: Real) => Promise<void>

  constructor(name: string, can: (model: Readonly<Model>) => boolean, act: (model: Model, real: Real) => Promise<void>) {
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

const put = (id: number, evict: boolean): Step =>
  new Step(`put ${id}${evict ? ', evicting' : ''}`, always, async (model, real) => {
    const bytes = fresh()
    const answer = place(model, id, evict)
    const reason = await reasonOf(real.store.put(headerOf(id, blockBytes), bytes, { evict }))
    must(reason === (typeof answer === 'string' ? answer : undefined), `put answered ${reason}, not ${answer}`)
    if (typeof answer === 'number') model.tiers[answer]?.set(id, { bytes, touches: [(model.now += 1)], readers: 0 })
  })

const reserve = (id: number, evict: boolean): Step =>
  new Step(`reserve ${id}${evict ? ', evicting' : ''}`, always, async (model, real) => {
    const answer = place(model, id, evict)
    const reserving = real.store.reserve(headerOf(id, blockBytes), { evict })
    const reason = await reasonOf(reserving)
    must(reason === (typeof answer === 'string' ? answer : undefined), `reserve answered ${reason}, not ${answer}`)
    if (typeof answer === 'string') return
    model.writing.set(id, { level: answer, bytes: fresh() })
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
      await reservation.write(write.bytes)
      await reservation.commit()
      model.tiers[write.level]?.set(id, { bytes: write.bytes, touches: [(model.now += 1)], readers: 0 })
    },
  )

/** The last reader is gone: up it goes, if it may and room can be made without deleting. */
function promote(model: Model, id: number): void {
  const found = find(model, id)
  if (found === undefined || found.level === 0 || !isMovable(model, id, found.block)) return
  const { level, block } = found
  if (!makeRoom(model, 0, false)) return
  // It may itself have been sent further down to make that room.
  model.tiers[find(model, id)?.level ?? level]?.delete(id)
  model.tiers[0]?.set(id, block)
}

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

const mark = (id: number, as: 'pinned' | 'protected' | 'unpersisted', on: boolean): Step =>
  new Step(`${id} is ${on ? '' : 'not '}${as}`, always, (model, real) => {
    if (as === 'pinned') real.store.setPinned(id, on)
    const sets = as === 'protected' ? [real.knowledge.protectedIds] : as === 'unpersisted' ? [real.knowledge.unpersisted] : [model.pinned]
    for (const set of sets) {
      if (on) set.add(id)
      else set.delete(id)
    }
    return Promise.resolve()
  })

/** The model's blocks as a new store finds them: in this order, each touched once. */
function begin(model: Model, real: Real, found: readonly (readonly number[])[]): void {
  const blocks = new Map(model.tiers.flatMap((tier) => [...tier]))
  model.now = 0
  model.writing.clear()
  real.reservations.clear()
  for (const id of model.pinned) real.store.setPinned(id, true)
  const ids = found.flat()
  must(new Set(ids).size === ids.length, `a block is in two tiers: ${found.join('|')}`)
  const expected = [...blocks.keys()].sort((a, b) => a - b).join()
  must([...ids].sort((a, b) => a - b).join() === expected, `a restart finds ${found.join('|')}, not ${expected}`)
  model.tiers = found.map(
    (level) =>
      new Map(level.map((id) => [id, { bytes: blocks.get(id)?.bytes ?? Buffer.alloc(0), touches: [(model.now += 1)], readers: 0 }])),
  )
}

const restart = (how: 'closed' | 'killed'): Step =>
  new Step(`restart, ${how}`, always, async (model, real) => {
    const levels = model.tiers.map((tier) => [...tier.keys()].sort((a, b) => a - b).join())
    await real.restart(how)
    real.readers.length = 0
    const found = real.found()
    must(found.map((ids) => [...ids].sort((a, b) => a - b).join()).join('|') === levels.join('|'), 'a restart moved blocks')
    begin(model, real, found)
  })

/** Dies while it makes room for a block: what is not evicted is there, once; the block itself may be. */
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
      if (there.has(id)) model.tiers[0]?.set(id, { bytes, touches: [], readers: 0 })
      for (const evictedId of real.evicted.slice(model.evicted.length)) {
        const victim = find(model, evictedId)
        must(evict && victim !== undefined && isMovable(model, evictedId, victim.block), `${evictedId} was evicted and may not be`)
        must(!model.knowledge.protectedIds.has(evictedId), `${evictedId} was evicted and is protected`)
        model.evicted.push(evictedId)
        // It was out of sight, and may not have been out of the disk yet.
        if (!there.has(evictedId)) model.tiers[victim?.level ?? 0]?.delete(evictedId)
      }
      begin(model, real, found)
    },
  )

const ids = fc.integer({ min: 1, max: 9 })
const yes = fc.boolean()

/** Sequences of everything that may happen to tiers. */
export const tieredStoreCommands = fc.commands(
  [
    fc.tuple(ids, yes).map(([id, evict]) => put(id, evict)),
    fc.tuple(ids, yes).map(([id, evict]) => put(id, evict)),
    ids.map((id) => put(id, true)),
    fc.tuple(ids, yes).map(([id, evict]) => reserve(id, evict)),
    fc.tuple(ids, fc.constantFrom('commit', 'commit', 'abort')).map(([id, how]) => end(id, how)),
    ids.map(read),
    ids.map(read),
    ids.map(keepReader),
    fc.constant(useReader()),
    ids.map(free),
    fc.tuple(ids, fc.constantFrom('pinned', 'protected', 'unpersisted'), yes).map(([id, as, on]) => mark(id, as, on)),
    fc.constantFrom('closed', 'killed').map((how) => restart(how)),
    fc.tuple(ids, yes, fc.integer({ min: 0, max: 12 })).map(([id, evict, steps]) => crash(id, evict, steps)),
  ],
  { size: '+1', maxCommands: 60 },
)
