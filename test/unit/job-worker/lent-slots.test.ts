// Why: a small read that lent its slot for a wait may get it back late, when another load took it.
// That is no fault of its store: the read is not cut as a straggler.
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { Budget } from '../../../src/base/flow/budget.ts'
import { DemandGauge } from '../../../src/base/flow/demand-gauge.ts'
import { ReadPacer } from '../../../src/job-worker/pace/read-pacer.ts'
import { SetCopy, type SetCopyOptions } from '../../../src/job-worker/set/set-copy.ts'
import type { ReadRequest } from '../../../src/ufs/under-file-system.ts'
import { contentOf, mib, never, pieceOf } from './support/fakes.ts'

type ReadWhole = (request: ReadRequest, signal: AbortSignal) => Promise<Uint8Array>

function setOf(
  name: string,
  files: number,
  resources: SetCopyOptions['resources'],
  readWhole: ReadWhole,
): { copy: SetCopy; failed: string[] } {
  const failed: string[] = []
  const parts = {
    namespaceId: name,
    pieces: Array.from({ length: files }, (_, index) =>
      pieceOf(fileIdOf(index + (name === 'mine' ? 1 : 100)), `${name}-${index}`, 'v', 1000, 2 * mib),
    ),
    targets: [{ target: { workerId: 'a', put: async () => undefined }, succeeded: () => undefined }],
    copies: { readWhole: async () => undefined },
    lease: { store: { readWhole }, renew: async () => false },
    refresh: { known: () => undefined },
    outcome: {
      originBytes: 0,
      bytesDone: 0,
      readFailed: ({ key }: { key: string }, _index: number, error: Error) => failed.push(`${key}: ${error.message}`),
    },
    resources,
    pace: new ReadPacer(systemClock, new DemandGauge()).open(name, name),
    clock: systemClock,
    signal: never,
  }
  return { copy: new SetCopy(parts as unknown as SetCopyOptions), failed }
}

it('gives a small read the time to get its lent slot back', async () => {
  const resources = {
    slots: new Budget('slots', 100),
    smallSlots: new Budget('small', 4),
    bytes: new Budget('bytes', 64 * mib),
    streams: new Budget('streams', 4),
    pieces: { giveBack: () => undefined },
    rangeBytes: 256 * 1024,
    rangesAhead: 4,
    smallBlockBytes: mib,
  } as unknown as SetCopyOptions['resources']
  const answer = ({ key, length }: ReadRequest): Uint8Array => contentOf(key, 'v', length)
  const mine = setOf('mine', 4, resources, async (request, signal) => {
    await sleep(5)
    // One attempt failed.
    if (/[23]$/.test(request.key)) await request.lend?.(() => sleep(20))
    signal.throwIfAborted()
    return answer(request)
  })
  const other = setOf('other', 8, resources, async (request) => {
    await sleep(4500)
    return answer(request)
  })
  const running = mine.copy.run()
  await sleep(1)
  await Promise.all([running, other.copy.run()])
  expect(mine.failed).toEqual([])
  expect([resources.smallSlots.used, resources.bytes.used]).toEqual([0, 0])
})
