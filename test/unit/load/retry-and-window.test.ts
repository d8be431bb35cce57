import { describe, expect, test } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import type { Piece } from '../../../src/load/load.ts'
import { Placement } from '../../../src/load/placing/placement.ts'
import { planRetries, splitSet, type BlockFailure, type RetryContext } from '../../../src/load/plan/retry-policy.ts'
import { fillWindow, type Lane, type ReadySet } from '../../../src/load/plan/read-ahead-window.ts'

const mib = 1024 * 1024

function piece(container: number, blocks: number): Piece {
  return {
    fileId: fileIdOf(container),
    key: `f${container}`,
    etag: 'e',
    length: blocks * 100,
    blockSizeBytes: 100,
    firstBlock: 0,
    blockCount: blocks,
    lead: true,
  }
}
function contextOf(...workerIds: string[]): RetryContext {
  const placement = new Placement()
  placement.update(
    workerIds.map((workerId) => ({ workerId, hostname: workerId, live: true, capacityBytes: 10_000, usedBytes: 0 })),
    0,
  )
  return {
    policy: { attemptsMax: 3, initialMs: 100, maxMs: 1000 },
    planner: { batchFiles: 10, batchBytes: mib },
    placement,
    random: () => 0.5,
    nowMs: 1000,
  }
}
function failure(
  container: number,
  blockIndex: number,
  workerId: string,
  code = 'unavailable',
  retryable = true,
): BlockFailure {
  return {
    fileId: fileIdOf(container),
    blockIndex,
    workerId,
    code,
    retryable,
    message: `${code} at block ${blockIndex}`,
  }
}

describe('planRetries', () => {
  const set = { pieces: [piece(1, 3), piece(2, 1), piece(3, 1)], targets: ['a', 'b'], attempt: 1 }

  test('a block that could not be read goes to the same targets again, after a back-off', () => {
    const { retries, failed } = planRetries(set, [failure(1, 1, '')], contextOf('a', 'b'))
    expect(failed).toEqual([])
    expect(retries).toEqual([
      {
        pieces: [{ ...piece(1, 3), firstBlock: 1, blockCount: 1 }],
        targets: ['a', 'b'],
        attempt: 2,
        notBeforeMs: 1050,
      },
    ])
  })

  test('a replica that a worker refused goes to another worker, alone, and the reservation with it', () => {
    const context = contextOf('a', 'b', 'c')
    context.placement.reserve(['a', 'b'], 500)
    const { retries } = planRetries(set, [failure(2, 0, 'b', 'resource_exhausted', false)], context)
    expect(retries).toMatchObject([{ pieces: [{ key: 'f2' }], targets: ['c'], attempt: 2 }])
    expect(context.placement.freeBytes('b')).toBe(9600)
    expect(context.placement.freeBytes('c')).toBe(9900)
  })

  test('a target that is down and has no substitute costs no attempt, ever', () => {
    const last = { ...set, attempt: 3 }
    const { retries, failed } = planRetries(last, [failure(1, 0, 'b')], contextOf('a', 'b'))
    expect(failed).toEqual([])
    expect(retries).toMatchObject([{ targets: ['b'], attempt: 3, pieces: [{ firstBlock: 0, blockCount: 1 }] }])
  })

  test('a block that another writer holds costs no attempt, stays at its target, and waits 1 to 2 seconds', () => {
    const context = contextOf('a', 'b', 'c', 'd')
    context.placement.reserve(['a', 'b'], 500)
    const held = { ...failure(1, 0, 'b', 'already_exists'), reason: 'being_written' }
    const { retries, failed } = planRetries({ ...set, attempt: 3 }, [held], context)
    expect(failed).toEqual([])
    expect(retries).toMatchObject([
      { targets: ['b'], attempt: 3, notBeforeMs: 2500, pieces: [{ key: 'f1', blockCount: 1 }] },
    ])
    expect(context.placement.freeBytes('b')).toBe(9500)
  })

  test('a full target without a substitute is asked again after a second at the earliest', () => {
    const full = { ...failure(1, 0, 'b', 'resource_exhausted'), reason: 'no_capacity' }
    expect(planRetries(set, [full], contextOf('a', 'b')).retries).toMatchObject([
      { targets: ['b'], attempt: 2, notBeforeMs: 2500 },
    ])
    const [moved] = planRetries(set, [full], contextOf('a', 'b', 'c')).retries
    expect(moved).toMatchObject({ targets: ['c'], attempt: 2 })
    expect(moved?.notBeforeMs).toBeLessThan(2000)
  })

  test('two targets that refuse one block get two different substitutes', () => {
    for (let container = 1; container <= 50; container += 1) {
      const context = contextOf('a', 'b', 'c', 'd')
      const refused = ['a', 'b'].map((workerId) => failure(container, 0, workerId, 'resource_exhausted', false))
      const { retries } = planRetries(
        { pieces: [piece(container, 1)], targets: ['a', 'b'], attempt: 1 },
        refused,
        context,
      )
      expect(retries.map((retry) => retry.targets.toSorted())).toEqual([['c', 'd']])
    }
  })

  test('what a retry already has elsewhere stands in for no target, over many retries', () => {
    for (let container = 1; container <= 50; container += 1) {
      const context = contextOf('a', 'b', 'c')
      const full = (workerId: string): BlockFailure => failure(container, 0, workerId, 'resource_exhausted', false)
      const first = planRetries(
        { pieces: [piece(container, 1)], targets: ['a', 'b'], attempt: 1 },
        [full('b')],
        context,
      ).retries
      expect(first).toMatchObject([{ targets: ['c'], elsewhere: ['a'] }])
      const second = first.flatMap((retry) => planRetries(retry, [full('c')], context).retries)
      expect(second).toMatchObject([{ targets: ['b'], elsewhere: ['a'] }])
    }
  })

  test('a file that cannot be read is given up alone; so is one whose attempts are used up', () => {
    const poison = planRetries(
      set,
      [failure(2, 0, '', 'permission_denied', false), failure(1, 0, '')],
      contextOf('a', 'b'),
    )
    expect(poison.failed).toMatchObject([
      { key: 'f2', code: 'permission_denied', reason: 'permission_denied at block 0', attempts: 1 },
    ])
    expect(poison.retries.flatMap((retry) => retry.pieces.map((one) => one.key))).toEqual(['f1'])
    const last = planRetries({ ...set, attempt: 3 }, [failure(1, 2, '')], contextOf('a', 'b'))
    expect(last.failed).toMatchObject([{ key: 'f1', attempts: 3 }])
    expect(last.retries).toEqual([])
  })

  test('failures of what the set does not hold are ignored', () => {
    expect(planRetries(set, [failure(9, 0, ''), failure(2, 5, '')], contextOf('a', 'b'))).toEqual({
      retries: [],
      failed: [],
    })
  })

  test('a set that kills its job workers is halved', () => {
    expect(splitSet(set).map((half) => half.pieces.map((one) => one.key))).toEqual([['f1', 'f2'], ['f3']])
  })
})

describe('fillWindow', () => {
  const limits = { laneTasksFactor: 2, laneTasksMax: 100, laneBytesMax: 1000 }
  const lane = (name: string, hostname: string, tasks = 0, bytes = 0): Lane => ({
    lane: name,
    hostname,
    activeTasksMax: 2,
    tasks,
    bytes,
  })
  const sets = (loadId: number, count: number, target: string, bytes = 10): ReadySet[] =>
    Array.from({ length: count }, (_, index) => ({
      loadId,
      set: index + 1,
      bytes,
      targets: [target],
      attempt: 1,
      notBeforeMs: 0,
    }))
  const hostOf = (workerId: string): string => `host-${workerId}`

  test('serves loads in turn, each up to its room', () => {
    const out = fillWindow(
      [
        { room: 100, sets: sets(1, 50, 'a') },
        { room: 1, sets: sets(2, 50, 'a') },
      ],
      [lane('x', 'host-a')],
      hostOf,
      limits,
    )
    expect(out.map(({ set }) => `L${set.loadId}-s${set.set}`)).toEqual(['L1-s1', 'L2-s1', 'L1-s2', 'L1-s3'])
  })

  test('sends a set to the host of its first target, to the least loaded where that host has none', () => {
    const out = fillWindow(
      [{ room: 9, sets: [...sets(1, 1, 'a'), ...sets(2, 1, 'b'), ...sets(3, 1, 'elsewhere')] }],
      [lane('x', 'host-a', 1), lane('y', 'host-b', 1), lane('z', 'host-c')],
      hostOf,
      limits,
    )
    expect(out.map((one) => one.lane)).toEqual(['x', 'y', 'z'])
  })

  test('keeps a lane within its tasks and its bytes, yet always lets one task through', () => {
    expect(fillWindow([{ room: 99, sets: sets(1, 50, 'a') }], [lane('x', 'host-a', 3)], hostOf, limits)).toHaveLength(1)
    expect(
      fillWindow([{ room: 99, sets: sets(1, 50, 'a') }], [lane('x', 'host-a')], hostOf, { ...limits, laneTasksMax: 2 }),
    ).toHaveLength(2)
    expect(fillWindow([{ room: 99, sets: sets(1, 50, 'a', 400) }], [lane('x', 'host-a')], hostOf, limits)).toHaveLength(
      2,
    )
    expect(
      fillWindow([{ room: 99, sets: sets(1, 50, 'a', 5000) }], [lane('x', 'host-a')], hostOf, limits),
    ).toHaveLength(1)
  })

  test('an idle job worker takes sets of a busy host; nothing goes out without job workers', () => {
    const out = fillWindow(
      [{ room: 99, sets: sets(1, 9, 'a') }],
      [lane('x', 'host-a', 4, 40), lane('y', 'host-b')],
      hostOf,
      limits,
    )
    expect(out.map((one) => one.lane)).toEqual(['y'])
    expect(fillWindow([{ room: 9, sets: sets(1, 9, 'a') }], [], hostOf, limits)).toEqual([])
  })
})
