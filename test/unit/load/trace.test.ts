// Why: one small load, readable from its first command to its last, so that a change of the state
// machine shows as a change of this text. Three files: one of two sets, two that share one; a read
// fails, a completion comes twice.
import { expect, test } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { apply } from '../../../src/load/state/apply-load.ts'
import type { LoadCommand } from '../../../src/load/state/load-commands.ts'
import { Placement } from '../../../src/load/placing/placement.ts'
import { planPage } from '../../../src/load/plan/planner.ts'
import { planRetries, type BlockFailure } from '../../../src/load/plan/retry-policy.ts'
import { memoryTables } from './support/memory-tables.ts'

test('the trace of a small load', () => {
  const tables = memoryTables()
  const placement = new Placement()
  placement.update([{ workerId: 'w1', hostname: 'h1', live: true, capacityBytes: 1e6, usedBytes: 0 }], 0)
  const planner = { replication: 1, batchFiles: 8, batchBytes: 300, largeSetBytes: 200 }
  const trace: string[] = []
  const send = (command: LoadCommand, note = ''): void => {
    const effect = apply(tables, command)
    const load = tables.loads.get([1])
    const open = tables.open.scan([1], 0, 99).map(({ id, value }) => {
      const pieces = tables.sets
        .get([1, id])
        ?.pieces.map((piece) => `${piece.key}[${piece.firstBlock}-${piece.firstBlock + piece.blockCount - 1}]`)
      return `s${id}/a${value.attempt}:${pieces?.join('+')}`
    })
    const { filesLoaded, filesFailed, bytesLoaded, tasksDone, tasks } = load?.counts ?? {
      filesLoaded: 0,
      filesFailed: 0,
      bytesLoaded: 0,
      tasksDone: 0,
      tasks: 0,
    }
    trace.push(
      `${command.type}${note} -> ${effect.type} | ${load?.mode} sets ${tasksDone}/${tasks}, ` +
        `files ${filesLoaded} in, ${filesFailed} failed, ${bytesLoaded} bytes\n  open ${open.join(' ') || '-'}`,
    )
  }
  const complete = (set: number, failures: BlockFailure[], note: string): void => {
    const record = tables.sets.get([1, set]) ?? { pieces: [], targets: [], attempt: 1 }
    const context = {
      policy: { attemptsMax: 2, initialMs: 0, maxMs: 0 },
      planner,
      placement,
      random: () => 0,
      nowMs: 0,
    }
    const { retries, failed } = planRetries(record, failures, context)
    send(
      { type: 'SetCompleted', nowMs: 3, loadId: 1, set, originBytes: 0, retries, failed, replaced: [] },
      ` s${set} ${note}`,
    )
  }
  const file = (container: number, key: string, length: number) => ({
    fileId: fileIdOf(container),
    key,
    length,
    etag: 'e',
    blockSizeBytes: 100,
    blocks: [],
    problem: '',
  })
  const cut = (container: number, blockIndex: number): BlockFailure => ({
    fileId: fileIdOf(container),
    blockIndex,
    workerId: '',
    code: 'unavailable',
    retryable: true,
    message: 'reset',
  })

  send({
    type: 'SubmitLoad',
    nowMs: 0,
    requestKey: 'k',
    path: '/ns',
    options: { replication: 1, activeJobs: 9, batchSize: 8 },
  })
  send({ type: 'StartLoad', nowMs: 1, loadId: 1 })
  const plan = planPage([file(1, 'big', 350), file(2, 'x', 60), file(3, 'y', 70)], planner, placement)
  send({ type: 'PagePlanned', nowMs: 2, loadId: 1, page: 0, namespaceId: 'n', nextCursor: '', ...plan })
  complete(1, [cut(1, 1)], 'big[1] cut')
  complete(1, [], 'again')
  complete(2, [cut(3, 0)], 'y cut')
  complete(3, [], 'whole')
  complete(4, [cut(3, 0)], 'y cut for the last time')
  send({
    type: 'StateChanged',
    nowMs: 4,
    loadId: 1,
    mode: 'AUDITING',
    reason: '',
    errorCode: '',
    missingCapacityBytes: 0,
  })
  send({
    type: 'StateChanged',
    nowMs: 5,
    loadId: 1,
    mode: 'PARTIAL',
    reason: '1 of 3 files failed',
    errorCode: 'unavailable',
    missingCapacityBytes: 0,
  })
  send({ type: 'CancelRequested', nowMs: 6, loadId: 1 })
  expect(`\n${trace.join('\n')}\n`).toMatchInlineSnapshot(`
    "
    SubmitLoad -> submitted | SUBMITTED sets 0/0, files 0 in, 0 failed, 0 bytes
      open -
    StartLoad -> applied | RUNNING sets 0/0, files 0 in, 0 failed, 0 bytes
      open -
    PagePlanned -> applied | RUNNING sets 0/2, files 0 in, 0 failed, 0 bytes
      open s1/a1:big[0-1] s2/a1:big[2-3]+x[0-0]+y[0-0]
    SetCompleted s1 big[1] cut -> applied | RUNNING sets 1/3, files 0 in, 0 failed, 100 bytes
      open s2/a1:big[2-3]+x[0-0]+y[0-0] s3/a2:big[1-1]
    SetCompleted s1 again -> ignored | RUNNING sets 1/3, files 0 in, 0 failed, 100 bytes
      open s2/a1:big[2-3]+x[0-0]+y[0-0] s3/a2:big[1-1]
    SetCompleted s2 y cut -> applied | RUNNING sets 2/4, files 1 in, 0 failed, 310 bytes
      open s3/a2:big[1-1] s4/a2:y[0-0]
    SetCompleted s3 whole -> applied | RUNNING sets 3/4, files 2 in, 0 failed, 410 bytes
      open s4/a2:y[0-0]
    SetCompleted s4 y cut for the last time -> applied | RUNNING sets 4/4, files 2 in, 1 failed, 410 bytes
      open -
    StateChanged -> applied | AUDITING sets 4/4, files 2 in, 1 failed, 410 bytes
      open -
    StateChanged -> applied | PARTIAL sets 4/4, files 2 in, 1 failed, 410 bytes
      open -
    CancelRequested -> ignored | PARTIAL sets 4/4, files 2 in, 1 failed, 410 bytes
      open -
    "
  `)
})
