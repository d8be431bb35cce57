import { expect, test } from 'vitest'
import { isPlannedAhead } from '../../../src/job-master/plan/page-planning.ts'
import { emptyCounts } from '../../../src/load/load.ts'

const bounds = { plannedAheadFactor: 4, plannedFilesMax: 1000 }

function loadOf(openSets: number, files: number, filesLoaded: number) {
  return {
    openSets,
    counts: { ...emptyCounts, files, filesLoaded },
    options: { replication: 1, activeJobs: 10, batchSize: 100 },
  }
}

test('planning pauses above so many sets, or files of sets that wait; what is out does not count as waiting', () => {
  expect(isPlannedAhead(loadOf(40, 900, 0), 0, bounds)).toBe(false)
  expect(isPlannedAhead(loadOf(41, 41, 0), 0, bounds)).toBe(true)
  expect(isPlannedAhead(loadOf(20, 2000, 0), 0, bounds)).toBe(true)
  expect(isPlannedAhead(loadOf(20, 2000, 0), 11, bounds)).toBe(false)
  expect(isPlannedAhead(loadOf(20, 12_000, 10_000), 9, bounds)).toBe(true)
  // All that is open is out.
  expect(isPlannedAhead(loadOf(3, 100_000, 0), 3, bounds)).toBe(false)
  expect(isPlannedAhead(loadOf(0, 100_000, 100_000), 0, bounds)).toBe(false)
})
