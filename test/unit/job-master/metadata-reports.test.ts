// Why: many sets end at once, and each may have something to say of its objects. How: a master that
// answers when it is told to.
import { expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { MetadataReports } from '../../../src/job-master/set/metadata-reports.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'

function reports() {
  const calls: number[][] = []
  const answers: { resolve: () => void; reject: (error: Error) => void }[] = []
  const master = {
    reportMetadata: async ({ files }: { files: { fileId: number }[] }) => {
      calls.push(files.map(({ fileId }) => fileId))
      await new Promise<void>((resolve, reject) => answers.push({ resolve, reject }))
      return { changed: files.length }
    },
  }
  return { sut: new MetadataReports({ master, logger: silentLogger }), calls, answers }
}
const file = (fileId: number) => ({ fileId, contentType: 'text/plain' })
const settle = () => new Promise((resolve) => setImmediate(resolve))

test('what comes while a report is under way is the next one', async () => {
  const { sut, calls, answers } = reports()
  const ended: number[] = []
  const ending: Promise<number>[] = []
  for (const id of [1, 2, 3]) {
    ending.push(sut.report([file(id)]).then(() => ended.push(id)))
    await settle()
  }
  expect([calls, ended]).toEqual([[[1]], []])
  answers[0]?.resolve()
  await settle()
  expect([calls, ended]).toEqual([[[1], [2, 3]], [1]])
  const late = sut.report([file(4)])
  answers[1]?.resolve()
  await settle()
  answers[2]?.resolve()
  await Promise.all([...ending, late])
  expect(calls).toEqual([[1], [2, 3], [4]])
  await sut.report([])
  expect(calls).toHaveLength(3)
})

test('many files are several reports, and a refused one holds up nobody', async () => {
  const { sut, calls, answers } = reports()
  const all = sut.report(Array.from({ length: 2500 }, (_, id) => file(id)))
  for (const at of [0, 1, 2]) {
    await settle()
    if (at === 1) answers[at]?.reject(new SkeinError('unavailable', 'down'))
    else answers[at]?.resolve()
  }
  await all
  expect(calls.map(({ length }) => length)).toEqual([1000, 1000, 500])
})
