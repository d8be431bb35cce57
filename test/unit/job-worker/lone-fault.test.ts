// One object that its store does not give is told from a store that gives nothing.
import { describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { never, taskOf } from './support/fakes.ts'
import { house, smalls } from './support/house.ts'

async function reasonsOf(
  check: () => Promise<void>,
  fault: SkeinError,
): Promise<{ reasons: (string | undefined)[]; checks: number }> {
  const { runner, add, store, jobMaster, expectNothingLeft } = house()
  add(smalls)
  let checks = 0
  store.check = async () => {
    checks += 1
    await check()
  }
  store.beforeChunk = ({ key }) => {
    if (key === 'small-3' || key === 'small-7') throw fault
  }
  await runner.run(taskOf(1), never)
  expectNothingLeft()
  return { reasons: jobMaster.completed[0]?.failures.map(({ reason }) => reason) ?? [], checks }
}

describe('a read that failed', () => {
  const unwell = new SkeinError('unavailable', '500 InternalError')

  test('is the fault of its object where the store answers something else, which it is asked once', async () => {
    expect(await reasonsOf(async () => undefined, unwell)).toEqual({
      reasons: ['store_answers', 'store_answers'],
      checks: 1,
    })
    const refuse = () => Promise.reject(new SkeinError('permission_denied', 'no list for you'))
    expect((await reasonsOf(refuse, unwell)).reasons).toEqual(['store_answers', 'store_answers'])
  })

  test('is not where the store answers nothing', async () => {
    expect((await reasonsOf(() => Promise.reject(new SkeinError('unavailable', 'refused')), unwell)).reasons).toEqual([
      '',
      '',
    ])
  })

  test('says what it says where that is no matter of time', async () => {
    const slowDown = new SkeinError('unavailable', '503 SlowDown', { reason: 'slow_down' })
    expect(await reasonsOf(async () => undefined, slowDown)).toEqual({ reasons: ['slow_down', 'slow_down'], checks: 0 })
    const archived = new SkeinError('failed_precondition', 'archived')
    expect(await reasonsOf(async () => undefined, archived)).toEqual({ reasons: ['', ''], checks: 0 })
  })
})
