// Why: the promise of a journal is only as good as what is left after the power went in the middle
// of it. How: random appends, campaigns and truncations on a file system that loses power after a
// random number of operations; the next boot opens what is left, is checked against what was
// acknowledged, and goes on: several lives a history. Some lives end by a kill only, so that what
// is found was never synced.
import { expect } from 'vitest'
import { type Random, seededRandom, systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { Checksum } from '../../../src/journal/log/entry-codec.ts'
import type { Journal, Term } from '../../../src/journal/journal.ts'
import { openLocalJournal } from '../../../src/journal/log/local-journal.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { CrashFileSystem, type PlantedBug } from './journal-crash-fs.ts'

export interface TortureOptions {
  readonly seed: number
  readonly crashes: number
  readonly bug?: PlantedBug
  readonly checksum?: Checksum
}

const livesPerHistory = 8

/**
 * What the outside knows: everything that was ever handed to append, what was acknowledged, what
 * was forgotten on purpose.
 */
interface Model {
  readonly appended: Map<bigint, string[]>
  acknowledgedSeq: bigint
  readonly acknowledged: Map<bigint, string>
  truncatedUpTo: bigint
  highestEpoch: bigint
  name: number
}

/**
 * Runs until `crashes` power losses were survived. @throws an assertion error at the first broken
 * promise, naming the seed
 */
export async function runPowerLossTorture(options: TortureOptions): Promise<{ appended: number; cut: number }> {
  const totals = { appended: 0, cut: 0 }
  for (let history = 0; history * livesPerHistory < options.crashes; history += 1) {
    const random = seededRandom(options.seed * 7919 + history)
    const model: Model = {
      appended: new Map(),
      acknowledged: new Map(),
      acknowledgedSeq: 0n,
      truncatedUpTo: 0n,
      highestEpoch: 0n,
      name: 0,
    }
    let disk = new CrashFileSystem(options.bug ?? 'none')
    for (let life = 0; life < livesPerHistory; life += 1) {
      try {
        await live(disk, model, random, options.checksum)
      } catch (thrown) {
        throw new Error(`seed ${options.seed}, history ${history}, life ${life}: ${String(thrown)}`, { cause: thrown })
      }
      disk = random() < 0.3 ? disk.restart() : disk.crash(random)
    }
    totals.appended += model.name
    totals.cut += model.name - Number(model.acknowledgedSeq)
  }
  return totals
}

async function live(
  disk: CrashFileSystem,
  model: Model,
  random: Random,
  checksum: Checksum | undefined,
): Promise<void> {
  disk.failAfter(Math.floor(random() * (random() < 0.2 ? 12 : 90)))
  try {
    const journal = await openLocalJournal({
      directory: '/journal',
      segmentBytesMax: 3000,
      fileSystem: disk,
      logger: silentLogger,
      metrics: new MetricRegistry(),
      clock: systemClock,
      ...(checksum === undefined ? {} : { checksum }),
    })
    let seq = await checkReplay(journal, model)
    while (!disk.down) seq = await work(journal, model, random, seq)
  } catch (thrown) {
    if (!disk.down) throw thrown
  }
}

/**
 * No acknowledged entry is lost, and what is there was appended, in order. What a boot has read it
 * may act upon: it counts as acknowledged.
 */
async function checkReplay(journal: Journal, model: Model): Promise<bigint> {
  let last = model.truncatedUpTo
  for await (const entry of journal.read(model.truncatedUpTo + 1n)) {
    const text = Buffer.from(entry.bytes).toString('latin1')
    expect(entry.seq, 'order').toBe(last + 1n)
    const acknowledged = model.acknowledged.get(entry.seq)
    if (acknowledged !== undefined)
      expect(text.slice(0, 12), `acknowledged entry ${entry.seq}`).toBe(acknowledged.slice(0, 12))
    expect(model.appended.get(entry.seq)?.includes(text), `entry ${entry.seq} was appended`).toBe(true)
    model.acknowledged.set(entry.seq, text)
    last = entry.seq
  }
  expect(last >= model.acknowledgedSeq, `acknowledged up to ${model.acknowledgedSeq}, replayed up to ${last}`).toBe(
    true,
  )
  // What this boot did not find is gone for good: it must not come back later.
  for (const seq of model.appended.keys()) if (seq > last) model.appended.delete(seq)
  model.acknowledgedSeq = last
  return last
}

async function work(journal: Journal, model: Model, random: Random, from: bigint): Promise<bigint> {
  const term = await journal.campaign('torture', new AbortController().signal)
  expect(term.epoch > model.highestEpoch, `epoch ${term.epoch} after ${model.highestEpoch}`).toBe(true)
  model.highestEpoch = term.epoch
  let seq = from
  for (let round = 0; round < 6; round += 1) {
    seq = await appendSome(journal, term, model, random, seq)
    if (random() < 0.25) {
      const upTo = model.truncatedUpTo + BigInt(Math.floor(random() * Number(seq - model.truncatedUpTo + 1n)))
      model.truncatedUpTo = upTo
      await journal.truncate(term, upTo)
    }
  }
  return seq
}

async function appendSome(journal: Journal, term: Term, model: Model, random: Random, from: bigint): Promise<bigint> {
  const count = 1 + Math.floor(random() * 6)
  const running = Array.from({ length: count }, async (_, index) => {
    const seq = from + BigInt(index) + 1n
    model.name += 1
    const text =
      `${String(model.name).padStart(11, '0')} ` +
      'abcdefgh'.repeat(random() < 0.5 ? 90 : Math.floor(random() * random() * 700))
    model.appended.set(seq, [...(model.appended.get(seq) ?? []), text])
    const result = await journal.append(term, seq, Buffer.from(text, 'latin1'))
    if (result !== 'ok') throw new SkeinError('unavailable', `append: ${result}`)
    model.acknowledged.set(seq, text)
    if (seq > model.acknowledgedSeq) model.acknowledgedSeq = seq
  })
  const results = await Promise.allSettled(running)
  const failed = results.find((result) => result.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return from + BigInt(count)
}
