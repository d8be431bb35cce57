// Why: what a block store must be after any sequence of operations, as a model that is too simple
// to be wrong: a map of blocks and a sum. How: fast-check commands run on the store and on the
// model; after each one the two are compared. The disk is hurt (bits flipped, files cut) behind the
// store's back, and the process "dies" without saying goodbye.
import { closeSync, existsSync, ftruncateSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { isSkeinError } from '../../../src/base/errors.ts'
import { BlockDirectory } from '../../../src/block/assembly/block-directory.ts'
import type { BlockReader, BlockReservation, BlockStore } from '../../../src/block/block-store.ts'
import { SegmentStore } from '../../../src/block/segment/segment-store.ts'
import { bytesOf, headerOf, mebibyte, never, usedBytesOf } from '../../conformance/support/block-store-fixture.ts'
import { type BytesOnDisk, findRecord, type RecordOnDisk } from '../../conformance/support/segment-fixture.ts'

interface ModelBlock {
  readonly bytes: Buffer
  readonly key: string
  state: 'writing' | 'committed'
  written: number
  /** Its file was hurt: every read may fail, and none may be wrong. */
  hurt: boolean
}

interface KeptReader {
  readonly id: number
  readonly bytes: Buffer
  /** Of the store: a closed one has no say over the blocks any more. */
  readonly life: number
  hurt: boolean
}

export interface Model {
  readonly blocks: Map<number, ModelBlock>
  readonly readers: KeptReader[]
  /** Lives of blocks so far. */
  life: number
  /** Lives of the store so far. */
  lives: number
}

export interface Real {
  store: BlockStore
  readonly reservations: Map<number, BlockReservation>
  readonly readers: BlockReader[]
  readonly directories: readonly string[]
  reopen(how: 'closed' | 'killed'): Promise<BlockStore>
}

type Command = fc.AsyncCommand<Model, Real>

const must = (condition: boolean, what: string): void => {
  if (!condition) throw new Error(what)
}

function compare(model: Model, { store }: Real): void {
  const committed = [...model.blocks].filter(([, block]) => block.state === 'committed').map(([id]) => id)
  const expected = [...model.blocks.values()].reduce((total, block) => total + block.bytes.length, 0)
  must(usedBytesOf(store) === expected, `used is ${usedBytesOf(store)}, the blocks have ${expected}`)
  for (const usage of store.usage()) must(usage.usedBytes <= usage.quotaBytes, `${usage.path} is over its quota`)
  must(
    store.blockCount === committed.length,
    `the store counts ${store.blockCount} blocks, there are ${committed.length}`,
  )
  const listed = [...store.list()].map((header) => header.blockId).sort((a, b) => a - b)
  must(
    listed.join() === committed.sort((a, b) => a - b).join(),
    `the store lists ${listed.join()}, there are ${committed.join()}`,
  )
}

class Step implements Command {
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
    compare(model, real)
  }

  toString(): string {
    return this.name
  }
}

/** The bytes that a new life of a block has: different each time. */
function born(model: Model, id: number, length: number): ModelBlock {
  model.life += 1
  return {
    bytes: bytesOf(length, model.life),
    key: `key ${id}/${model.life}`,
    state: 'writing',
    written: 0,
    hurt: false,
  }
}

/** What reserve and put have to answer. */
function refusal(model: Model, { store }: Real, id: number, length: number): string | undefined {
  const existing = model.blocks.get(id)
  if (existing !== undefined) return existing.state === 'committed' ? 'committed' : 'being_written'
  const room = Math.max(...store.usage().map((usage) => usage.quotaBytes - usage.usedBytes))
  return room < length ? 'no_capacity' : undefined
}

async function answerOf<T>(operation: Promise<T>): Promise<{ value?: T; reason?: string }> {
  try {
    return { value: await operation }
  } catch (thrown) {
    if (thrown instanceof Error && 'reason' in thrown)
      return { reason: String(thrown.reason ?? ('code' in thrown ? thrown.code : '')) }
    throw thrown
  }
}

const reserve = (id: number, length: number): Step =>
  new Step(
    `reserve ${id} of ${length}`,
    () => true,
    async (model, real) => {
      const expected = refusal(model, real, id, length)
      const block = born(model, id, length)
      const { value, reason } = await answerOf(real.store.reserve(headerOf(id, length, block.key)))
      must(reason === expected, `reserve answered ${reason}, not ${expected}`)
      if (value === undefined) return
      real.reservations.set(id, value)
      model.blocks.set(id, block)
    },
  )

const put = (id: number, length: number): Step =>
  new Step(
    `put ${id} of ${length}`,
    () => true,
    async (model, real) => {
      const expected = refusal(model, real, id, length)
      const block = born(model, id, length)
      const { reason } = await answerOf(real.store.put(headerOf(id, length, block.key), block.bytes))
      must(reason === expected, `put answered ${reason}, not ${expected}`)
      if (reason === undefined) model.blocks.set(id, { ...block, state: 'committed' })
    },
  )

const isWriting = (model: Readonly<Model>, id: number): boolean => model.blocks.get(id)?.state === 'writing'

const write = (id: number, share: number): Step =>
  new Step(
    `write ${share} of ${id}`,
    (model) => isWriting(model, id),
    async (model, real) => {
      const block = model.blocks.get(id)
      const reservation = real.reservations.get(id)
      if (block === undefined || reservation === undefined) throw new Error('no reservation')
      const end = Math.min(block.bytes.length, block.written + Math.ceil(block.bytes.length * share))
      await reservation.write(block.bytes.subarray(block.written, end))
      block.written = end
    },
  )

const commit = (id: number): Step =>
  new Step(
    `commit ${id}`,
    (model) => isWriting(model, id),
    async (model, real) => {
      const block = model.blocks.get(id)
      if (block === undefined) throw new Error('no block')
      const whole = block.written === block.bytes.length
      const { reason } = await answerOf(Promise.resolve(real.reservations.get(id)?.commit()))
      must(
        reason === (whole ? undefined : 'incomplete'),
        `commit of ${block.written} of ${block.bytes.length} answered ${reason}`,
      )
      real.reservations.delete(id)
      if (whole) block.state = 'committed'
      else model.blocks.delete(id)
    },
  )

/** The block ends where its writer stopped. */
const commitShort = (id: number): Step =>
  new Step(
    `commit what is there of ${id}`,
    (model) => isWriting(model, id),
    async (model, real) => {
      const block = model.blocks.get(id)
      if (block === undefined) throw new Error('no block')
      await real.reservations.get(id)?.commit(undefined, block.written)
      real.reservations.delete(id)
      model.blocks.set(id, { ...block, bytes: block.bytes.subarray(0, block.written), state: 'committed' })
    },
  )

const abort = (id: number): Step =>
  new Step(
    `abort ${id}`,
    (model) => isWriting(model, id),
    async (model, real) => {
      await real.reservations.get(id)?.abort()
      real.reservations.delete(id)
      model.blocks.delete(id)
    },
  )

const free = (id: number): Step =>
  new Step(
    `free ${id}`,
    () => true,
    async (model, real) => {
      const there = model.blocks.get(id)?.state === 'committed'
      must((await real.store.free(id)) === there, `free of ${id} did not say ${there}`)
      if (there) model.blocks.delete(id)
    },
  )

/** Right bytes, or data_loss of a hurt block, which is gone by then. */
async function readChecked(
  model: Model,
  real: Real,
  at: KeptReader,
  read: () => Promise<Uint8Array>,
  expected: Buffer,
): Promise<void> {
  try {
    must(expected.equals(await read()), `wrong bytes of block ${at.id} were served`)
  } catch (thrown) {
    if (!isSkeinError(thrown, 'data_loss')) throw thrown
    must(at.hurt, `sound block ${at.id} was called broken: ${thrown.message}`)
    if (model.blocks.get(at.id)?.bytes !== at.bytes || at.life !== model.lives) return
    must(!real.store.has(at.id), `broken block ${at.id} is still there`)
    model.blocks.delete(at.id)
  }
}

const read = (id: number, from: number, to: number): Step =>
  new Step(
    `read ${id} ${from}-${to}`,
    () => true,
    async (model, real) => {
      const block = model.blocks.get(id)
      if (block?.state !== 'committed') {
        const { reason } = await answerOf(real.store.open(id))
        must(reason === 'not_found', `open of an absent block answered ${reason}`)
        return
      }
      const start = Math.floor(Math.min(from, to) * block.bytes.length)
      const end = Math.floor(Math.max(from, to) * block.bytes.length)
      const once = async (): Promise<Uint8Array> => {
        const reader = await real.store.open(id)
        try {
          return await reader.read(start, end - start, never)
        } finally {
          await reader.close()
        }
      }
      await readChecked(
        model,
        real,
        { id, bytes: block.bytes, hurt: block.hurt, life: model.lives },
        once,
        block.bytes.subarray(start, end),
      )
    },
  )

const openReader = (id: number): Step =>
  new Step(
    `keep a reader of ${id}`,
    (model) => model.blocks.get(id)?.state === 'committed' && model.blocks.get(id)?.hurt === false,
    async (model, real) => {
      real.readers.push(await real.store.open(id))
      model.readers.push({ id, bytes: model.blocks.get(id)?.bytes ?? Buffer.alloc(0), hurt: false, life: model.lives })
    },
  )

const useReader = (): Step =>
  new Step(
    'read by a kept reader',
    (model) => model.readers.length > 0,
    async (model, real) => {
      const kept = model.readers.shift()
      const reader = real.readers.shift()
      if (kept === undefined || reader === undefined) throw new Error('no reader')
      await readChecked(model, real, kept, () => reader.read(0, kept.bytes.length, never), kept.bytes)
      await reader.close()
    },
  )

const restart = (how: 'closed' | 'killed'): Step =>
  new Step(
    `restart, ${how}`,
    () => true,
    async (model, real) => {
      real.store = await real.reopen(how)
      model.lives += 1
      real.reservations.clear()
      // A process that was killed has no readers; those of a closed store read on.
      if (how === 'killed') {
        model.readers.length = 0
        await Promise.all(real.readers.splice(0).map((reader) => reader.close()))
      }
      for (const [id, block] of model.blocks) {
        // A hurt footer or head shows at once, hurt data when it is read.
        if (block.state === 'writing' || (block.hurt && !real.store.has(id))) model.blocks.delete(id)
      }
      for (const directory of real.directories) {
        const left = readdirSync(join(directory, 'temp'))
        must(left.length === 0, `temporary files are left: ${left.join()}`)
      }
    },
  )

/**
 * Where a committed block lies: its file, or its record in a segment. Undefined when it is hurt too
 * much to be found.
 */
async function whereIs({ directories }: Real, id: number): Promise<BytesOnDisk | RecordOnDisk | undefined> {
  const name = id.toString(16).padStart(14, '0')
  for (const directory of directories) {
    for (const folder of readdirSync(join(directory, 'blocks'))) {
      const path = join(directory, 'blocks', folder, name)
      if (existsSync(path)) return { path, from: 0, length: statSync(path).size, isFile: true }
    }
    const record = await findRecord(directory, id, 'block')
    if (record !== undefined) return record
  }
  return undefined
}

const hurt = (id: number, where: number, how: 'flip' | 'cut'): Step =>
  new Step(
    `${how} ${id} at ${where}`,
    (model) => model.blocks.get(id)?.state === 'committed',
    async (model, real) => {
      const block = model.blocks.get(id)
      const place = await whereIs(real, id)
      must(place !== undefined || block?.hurt === true, `block ${id} is nowhere on disk`)
      if (block === undefined || place === undefined || place.length === 0) return
      const fd = openSync(place.path, 'r+')
      // A record's data first, as in a file, since small numbers come more often.
      const start = 'record' in place ? place.record.headBytes : 0
      const offset = (start + Math.floor(where * place.length)) % place.length
      const at = place.from + offset
      if (how === 'flip') {
        const byte = Buffer.alloc(1)
        readSync(fd, byte, 0, 1, at)
        writeSync(fd, Buffer.of((byte[0] ?? 0) ^ (1 << (at % 8))), 0, 1, at)
      } else if (place.isFile) ftruncateSync(fd, at)
      else writeSync(fd, Buffer.alloc(place.length - offset), 0, place.length - offset, at)
      closeSync(fd)
      block.hurt = true
      for (const reader of model.readers) if (reader.bytes === block.bytes) reader.hurt = true
    },
  )

const compact = (): Step =>
  new Step(
    'compact',
    () => true,
    async (model, { store }) => {
      if (!(store instanceof BlockDirectory || store instanceof SegmentStore)) return
      await store.compact()
      // What is rotten is found when it is to be moved.
      for (const [id, block] of model.blocks) if (block.hurt && !store.has(id)) model.blocks.delete(id)
    },
  )

const lengths = fc.constantFrom(0, 1, 100, 16_384, 300_000, mebibyte - 1, mebibyte, mebibyte + 1, 2 * mebibyte + 77)
const ids = fc.integer({ min: 1, max: 5 })
const part = fc.double({ min: 0, max: 0.999, noNaN: true })

/** Sequences of everything that may happen to a store. */
export const blockStoreCommands = fc.commands(
  [
    fc.tuple(ids, lengths).map(([id, length]) => reserve(id, length)),
    fc.tuple(ids, lengths).map(([id, length]) => put(id, length)),
    fc.tuple(ids, fc.constantFrom(0.3, 1)).map(([id, share]) => write(id, share)),
    fc.tuple(ids, fc.constant(1)).map(([id, share]) => write(id, share)),
    ids.map(commit),
    ids.map(commitShort),
    ids.map(abort),
    ids.map(free),
    ids.map(free),
    fc.constant(compact()),
    fc.tuple(ids, part, part).map(([id, from, to]) => read(id, from, to)),
    ids.map((id) => read(id, 0, 1)),
    ids.map(openReader),
    fc.constant(useReader()),
    fc.constantFrom('closed', 'killed').map((how) => restart(how)),
    fc.tuple(ids, part, fc.constantFrom('flip', 'flip', 'cut')).map(([id, where, how]) => hurt(id, where, how)),
  ],
  { size: '+1', maxCommands: 60 },
)
