// Why: counting is where loads lie. How: random completions, in any order, repeated, in part, with
// retries, failures and new versions, against a model that knows only which blocks arrived. The
// same property must fail for tables whose open sets cannot be emptied: then completion is a
// counter, and duplicates count.
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fileIdOf } from '../../src/base/block-id.ts'
import { seededRandom } from '../../src/base/clock.ts'
import { apply } from '../../src/load/state/apply-load.ts'
import type { LoadCommand, Replacement } from '../../src/load/state/load-commands.ts'
import type { LoadRecord, OpenSet } from '../../src/load/load.ts'
import { Placement } from '../../src/load/placing/placement.ts'
import { planPage, type ListedFile } from '../../src/load/plan/planner.ts'
import { planRetries, type BlockFailure } from '../../src/load/plan/retry-policy.ts'
import type { Tables } from '../../src/load/state/load-tables.ts'
import { memoryTables, MemoryTable } from '../unit/load/support/memory-tables.ts'

const block = 100
const options = { replication: 1, batchFiles: 4, batchBytes: 400, largeSetBytes: 250 }

interface Step {
  /** Which of the sets ever made. */
  readonly pick: number
  readonly outcome: 'whole' | 'readFails' | 'targetFails' | 'gone' | 'changed' | 'poison'
  readonly failing: number
}
const script = fc.record({
  lengths: fc.array(fc.integer({ min: 0, max: 900 }), { minLength: 1, maxLength: 12 }),
  steps: fc.array(
    fc.record({
      pick: fc.nat(),
      outcome: fc.constantFrom(
        'whole' as const,
        'whole' as const,
        'readFails' as const,
        'targetFails' as const,
        'gone' as const,
        'changed' as const,
        'poison' as const,
      ),
      failing: fc.nat(),
    }),
    { maxLength: 60 },
  ),
})

/** A deleted row stays: what a counter would do. */
class UnforgettingTable extends MemoryTable<OpenSet> {
  override delete(): void {}
}

function run(makeTables: () => Tables, lengths: readonly number[], steps: readonly Step[]): void {
  const tables = makeTables()
  const placement = new Placement()
  placement.update(
    ['a', 'b', 'c'].map((workerId) => ({ workerId, hostname: workerId, live: true, capacityBytes: 1e9, usedBytes: 0 })),
    0,
  )
  const context = {
    policy: { attemptsMax: 3, initialMs: 1, maxMs: 1 },
    planner: options,
    placement,
    random: seededRandom(1),
    nowMs: 1,
  }
  let container = 0
  const listed = (key: string, length: number): ListedFile => {
    container += 1
    return {
      fileId: fileIdOf(container),
      key,
      length,
      etag: `e${container}`,
      blockSizeBytes: block,
      blocks: [],
      problem: '',
    }
  }
  const log: LoadCommand[] = []
  const send = (command: LoadCommand): boolean => {
    log.push(command)
    return apply(tables, command).type !== 'ignored'
  }
  const load = (): LoadRecord => {
    const record = tables.loads.get([1])
    if (record === undefined) throw new Error('no load')
    return record
  }
  send({
    type: 'SubmitLoad',
    nowMs: 1,
    requestKey: '',
    path: '/ns',
    options: { replication: 1, activeJobs: 10, batchSize: 4 },
  })
  send({ type: 'StartLoad', nowMs: 1, loadId: 1 })
  const files = lengths.map((length, index) => listed(`f${index}`, length))
  const plan = planPage(files, options, placement)
  const page: LoadCommand = {
    type: 'PagePlanned',
    nowMs: 1,
    loadId: 1,
    page: 0,
    namespaceId: 'n',
    nextCursor: '',
    ...plan,
  }
  expect(send(page)).toBe(true)
  expect(send(page)).toBe(false)

  // What the model knows: which files are still wanted (by key), and which have come to an end.
  const lengthOf = new Map(files.map((file) => [file.key, file.length]))
  const failed = new Set<string>()
  const finish = (set: number, step: Step): void => {
    const record = tables.sets.get([1, set])
    const isOpen = tables.open.get([1, set]) !== undefined
    const pieces = record?.pieces ?? []
    const piece = pieces[step.failing % Math.max(1, pieces.length)]
    const failures: BlockFailure[] = []
    const replaced: Replacement[] = []
    if (piece !== undefined && isOpen) {
      const blockIndex = piece.firstBlock + (step.failing % piece.blockCount)
      const base = { fileId: piece.fileId, blockIndex, message: 'x' }
      if (step.outcome === 'readFails') failures.push({ ...base, workerId: '', code: 'unavailable', retryable: true })
      if (step.outcome === 'targetFails')
        failures.push({ ...base, workerId: record?.targets[0] ?? '', code: 'resource_exhausted', retryable: false })
      if (step.outcome === 'poison')
        failures.push({ ...base, workerId: '', code: 'permission_denied', retryable: false })
      const { key, length } = piece
      const failure = {
        fileId: piece.fileId,
        key,
        length,
        code: 'not_found',
        reason: 'gone',
        attempts: 1,
        workerId: '',
      }
      if (step.outcome === 'gone') replaced.push({ oldFileId: piece.fileId, set, file: undefined, failure, sets: [] })
      if (step.outcome === 'changed') {
        const file = listed(key, (length * 7) % 500)
        replaced.push({
          oldFileId: piece.fileId,
          set,
          file,
          failure: undefined,
          sets: planPage([file], options, placement).sets,
        })
        if (!failed.has(key)) lengthOf.set(key, file.length)
      }
      if (step.outcome === 'gone') failed.add(key)
    }
    const gone = new Set(replaced.map((one) => one.oldFileId))
    const left = {
      pieces: pieces.filter((one) => !gone.has(one.fileId)),
      targets: record?.targets ?? [],
      attempt: record?.attempt ?? 1,
    }
    const { retries, failed: given } = planRetries(left, failures, context)
    for (const one of given) failed.add(one.key)
    const command: LoadCommand = {
      type: 'SetCompleted',
      nowMs: 2,
      loadId: 1,
      set,
      originBytes: 1,
      retries,
      failed: given,
      replaced,
    }
    expect(send(command)).toBe(isOpen)
    // The same completion once more changes nothing.
    const before = JSON.stringify(load())
    expect(send(command)).toBe(false)
    expect(JSON.stringify(load())).toBe(before)
  }
  for (const step of steps) finish(1 + (step.pick % (load().nextSet - 1 || 1)), step)
  for (let set = 1; set < load().nextSet; set += 1)
    if (tables.open.get([1, set]) !== undefined) finish(set, { pick: 0, outcome: 'whole', failing: 0 })

  const { counts, openSets } = load()
  expect(openSets).toBe(0)
  expect(counts.tasksDone).toBe(counts.tasks)
  expect(counts.filesFailed).toBe(failed.size)
  expect(counts.filesLoaded + counts.filesCached).toBe(lengths.length - failed.size)
  if (failed.size === 0) {
    const bytes = [...lengthOf.values()].reduce((sum, length) => sum + length, 0)
    expect(counts.bytes).toBe(bytes)
    expect(counts.bytesLoaded + counts.bytesCached).toBe(bytes)
  }
  // The list has each file once.
  const leads = tables.sets
    .scan([1], 0, 1e9)
    .flatMap(({ value }) =>
      value.pieces.filter((piece) => piece.lead && !failed.has(piece.key)).map((piece) => piece.key),
    )
  const zero = [...lengthOf].filter(([key, length]) => length === 0 && !failed.has(key) && !leads.includes(key)).length
  expect(new Set(leads).size).toBe(leads.length)
  expect(leads.length + zero).toBe(lengths.length - failed.size)

  // Replay gives the same state.
  const again = makeTables()
  for (const command of log) apply(again, command)
  expect(again.loads.get([1])).toEqual(load())
}

describe('apply', () => {
  test('counts each set and each file once, whatever is repeated, retried, failed or replaced', () => {
    fc.assert(
      fc.property(script, ({ lengths, steps }) => run(memoryTables, lengths, steps)),
      { numRuns: 300, seed: 7 },
    )
  })

  test('the property fails for a state machine that counts completions', () => {
    const mutant = (): Tables => ({ ...memoryTables(), open: new UnforgettingTable() })
    expect(() =>
      fc.assert(
        fc.property(script, ({ lengths, steps }) => run(mutant, lengths, steps)),
        { numRuns: 300, seed: 7 },
      ),
    ).toThrow()
  })
})
