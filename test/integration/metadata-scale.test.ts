// Why: a master stays small and even with hundreds of thousands of files, and nothing is left of
// them when they go. How: the script that measures it runs in processes of its own
// (scripts/bench/metadata-scale.ts); here is only what must hold of its figures on any machine. A
// long run takes a million, `SKEIN_TORTURE=full` ten, as the script does by hand.
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { MasterFigures } from '../../scripts/bench/metadata-scale-master.ts'
import type { MetadataScale } from '../../scripts/bench/metadata-scale-figures.ts'
import { startChild } from '../support/child.ts'
import { ordinaryOrLong } from '../support/run-length.ts'

const files = process.env['SKEIN_TORTURE'] === 'full' ? 10_000_000 : ordinaryOrLong(120_000, 1_000_000)
/** Of the master that it is compared with. */
const firstFiles = ordinaryOrLong(20_000, 100_000)
const rssBytesMax = 1.5e9
/**
 * Pages that a tree keeps when it is empty, and the workers that the master waits for after a
 * restart.
 */
const leftBytesMax = 128 * 1024
const restartMsMax = 30_000

describe(`a master with ${files} files`, () => {
  let folder = ''
  let scale: MetadataScale

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'skein-scale-'))
    const record = join(folder, 'figures.json')
    const logFile = join(folder, 'errors.log')
    const script = join(import.meta.dirname, '../../scripts/bench/metadata-scale.ts')
    const args = [
      script,
      '--files',
      String(files),
      '--first',
      String(firstFiles),
      '--samples',
      '3000',
      '--dir',
      folder,
      '--json',
      record,
    ]
    const child = startChild(process.execPath, args, { logFile })
    const status = await child.ended
    if (status !== 0)
      throw new Error(`the script ended with ${status}: ${readFileSync(logFile, 'utf8').slice(-3000)}${child.stdout()}`)
    console.log(child.stdout())
    scale = JSON.parse(readFileSync(record, 'utf8')) as MetadataScale
  }, 3_600_000)
  afterAll(() => rm(folder, { recursive: true, force: true }))

  it('stays small, with all its files read and walked through', () => {
    const { atAll, afterCalls, afterCount, afterReports } = scale.figures
    for (const { rssBytes } of [atAll, afterCalls, afterCount, afterReports] as MasterFigures[])
      expect(rssBytes).toBeLessThan(rssBytesMax)
    expect(atAll?.files).toBe(files)
    expect((atAll?.blockMapBytes ?? Number.NaN) / files).toBeLessThan(8)
  })

  it(`answers stat and ls as one of ${firstFiles} files does`, () => {
    const { stat, ls } = scale.ratios
    expect(stat.p50Ms).toBeLessThan(2)
    expect(ls.p50Ms).toBeLessThan(2)
    expect(ls.p90Ms).toBeLessThan(3)
    // Of some hundred listings the slowest two or three say more of the machine than of the master.
    expect(stat.p99Ms).toBeLessThan(3)
  })

  it('starts again by its journal, not by its files, and moves a directory as one edge', () => {
    for (const tookMs of Object.values(scale.restart)) expect(tookMs).toBeLessThan(restartMsMax)
    expect(scale.renameMs).toBeLessThan(250)
  })

  it('has nothing left of files that are gone', () => {
    const { empty, end } = scale.figures
    expect([end?.files, end?.blockMapBytes, scale.blocksFreed]).toEqual([0, 0, files])
    expect(end?.stateUsedBytes).toBeLessThan((empty?.stateUsedBytes ?? Number.NaN) + leftBytesMax)
    expect(end?.snapshotBytes).toBeLessThan(leftBytesMax * 8)
  })
})
