import { describe, expect, it } from 'vitest'
import { TuningReports } from '../../../src/job-master/view/tuning-reports.ts'
import type { ReadTuning } from '../../../src/wire/generated/job.ts'

const worker = { jobWorkerId: 'jw', hostname: 'h' }
const report = (namespaceId: string, ...agoMs: number[]): ReadTuning => ({
  tasks: 12,
  stores: [
    {
      ...{ namespaceId, reads: 6, smallReads: 48, rangeBytes: 4096 },
      decisions: agoMs.map((ms) => ({ agoMs: ms, text: `${ms} ms ago` })),
    },
  ],
})

describe('TuningReports', () => {
  it('gives a load the decisions about its store that were made while it ran', () => {
    let nowMs = 10_000
    const reports = new TuningReports({ nowMs: () => nowMs })
    reports.take(worker, report('ns', 5000, 1000))
    const load = { namespaceId: 'ns', startedMs: 8000, endedMs: 0 }
    expect(reports.of(load)).toEqual([
      {
        ...{ ...worker, tasks: 12, reads: 6, smallReads: 48, rangeBytes: 4096 },
        decisions: [{ atMs: 9000, text: '1000 ms ago' }],
      },
    ])
    expect(reports.of({ ...load, namespaceId: 'other' })).toEqual([])
    // A load that ended before has nothing of this report, one that began later neither.
    expect(reports.of({ ...load, startedMs: 1000, endedMs: 2000 })).toEqual([])
    expect(reports.of({ ...load, startedMs: 10_001 })).toEqual([])
    nowMs = 20_000
    reports.take(worker, report('ns', 10_500, 100))
    expect(reports.of({ ...load, endedMs: 18_000 })[0]?.decisions).toEqual([{ atMs: 9500, text: '10500 ms ago' }])
  })

  it('keeps a bounded number of reports, and gives a bounded number', () => {
    const reports = new TuningReports({ nowMs: () => 1 })
    for (let number = 0; number < 5000; number += 1)
      reports.take({ ...worker, jobWorkerId: `jw-${number}` }, report('ns'))
    const given = reports.of({ namespaceId: 'ns', startedMs: 0, endedMs: 0 })
    expect([given.length, given.at(-1)?.jobWorkerId]).toEqual([100, 'jw-4999'])
  })
})
