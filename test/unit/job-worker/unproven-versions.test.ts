// Stores whose answers do not say which version they are of: one answer is one version, several may
// be several.
import { describe, expect, test } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { mib, never, pieceOf, taskOf } from './support/fakes.ts'
import { house, large } from './support/house.ts'

const unproven = (): never => {
  throw new SkeinError('failed_precondition', 'the answer has no ETag', { reason: 'unproven_version' })
}

describe('a store that does not prove the version of a range', () => {
  const piece = pieceOf(fileIdOf(7), 'one-block', 'v1', 2 * mib - 5, 2 * mib)

  test('gives a file of one block in one answer, begun again as a whole when it breaks off', async () => {
    const { runner, add, store, jobMaster, targets, expectHas, expectNothingLeft } = house()
    add([piece])
    let breaks = 2
    store.beforeChunk = ({ inOneAnswer }, at) => {
      if (inOneAnswer !== true) unproven()
      if (at === mib && breaks > 0) {
        breaks -= 1
        throw new SkeinError('unavailable', 'the connection was cut')
      }
    }
    await runner.run(taskOf(1), never)
    expect(jobMaster.completed[0]).toMatchObject({ failures: [] })
    for (const target of [targets.a, targets.b]) expectHas(target, piece, 0)
    const whole = store.reads.filter(({ inOneAnswer }) => inOneAnswer === true)
    expect(whole.map(({ offset, length }) => [offset, length])).toEqual(
      Array.from({ length: 3 }, () => [0, piece.length]),
    )
    expectNothingLeft()
  })

  test('gives it up, by name, when it breaks off each time', async () => {
    const { runner, add, store, jobMaster, expectNothingLeft } = house()
    add([piece])
    store.beforeChunk = ({ inOneAnswer }, at) => {
      if (inOneAnswer !== true) unproven()
      if (at === mib) throw new SkeinError('unavailable', 'the connection was cut')
    }
    await runner.run(taskOf(1), never)
    expect(jobMaster.completed[0]!.failures).toMatchObject([{ fileId: piece.fileId, code: 'unavailable' }])
    expectNothingLeft()
  })

  test('gives no file of several blocks: each would be an answer of its own', async () => {
    const { runner, add, store, jobMaster, targets, expectNothingLeft } = house()
    add([large])
    store.beforeChunk = unproven
    await runner.run(taskOf(1), never)
    expect(jobMaster.completed[0]!.failures.map(({ code, reason, retryable }) => [code, reason, retryable])).toEqual(
      Array.from({ length: 3 }, () => ['failed_precondition', 'unproven_version', false]),
    )
    expect(targets.a.blocks.size).toBe(0)
    expectNothingLeft()
  })
})
