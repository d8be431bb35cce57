import { describe, expect, it } from 'vitest'
import {
  addSample,
  progressBar,
  progressOf,
  type ProgressSample,
  progressText,
  ratesOf,
  reachedBy,
  reachedNothing,
} from '../../../src/cli/load/progress.ts'
import { load } from './support/harness.ts'

const sample = (atMs: number, bytesLoaded: number, filesLoaded = 0): ProgressSample => ({
  atMs,
  bytesLoaded,
  filesLoaded,
})
const windowOf = (...samples: ProgressSample[]) =>
  samples.reduce<ProgressSample[]>((window, one) => addSample(window, one), [])

describe('the rate window', () => {
  it('has no rate from one sample, or from two at the same time', () => {
    expect(ratesOf([])).toBeUndefined()
    expect(ratesOf(windowOf(sample(0, 0)))).toBeUndefined()
    expect(ratesOf(windowOf(sample(7, 0), sample(7, 9)))).toBeUndefined()
  })
  it('follows the last seconds, not the whole', () => {
    const samples = Array.from({ length: 21 }, (_, second) =>
      sample(second * 1000, second <= 10 ? second * 1000 : 10_000 + (second - 10) * 10),
    )
    const window = windowOf(...samples)
    expect(ratesOf(window)?.bytesPerSecond).toBe(10)
    expect(window[0]?.atMs).toBe(15_000)
    expect(window.length).toBeLessThanOrEqual(6)
  })
  it('keeps a sample to measure from across a gap', () => {
    expect(ratesOf(windowOf(sample(0, 0), sample(20_000, 2000)))?.bytesPerSecond).toBe(100)
  })
  it('begins again when counts fall', () => {
    const window = windowOf(sample(0, 100), sample(1000, 200), sample(2000, 50))
    expect(window).toHaveLength(1)
    expect(ratesOf(window)).toBeUndefined()
  })
})

describe('progress', () => {
  const status = load('RUNNING', {
    files: 10,
    filesCached: 1,
    filesLoaded: 4,
    bytes: 1000,
    bytesCached: 100,
    bytesLoaded: 400,
  })
  const window = windowOf(sample(0, 0, 0), sample(2000, 400, 4))
  it('counts cached as done, and estimates from the rate of loading', () => {
    const progress = progressOf(status, window)
    expect(progress).toMatchObject({
      filesDone: 5,
      bytesDone: 500,
      fraction: 0.5,
      etaMs: 2500,
      rates: { bytesPerSecond: 200, filesPerSecond: 2 },
    })
    expect(progressText(progress)).toBe('RUNNING 5/10 files, 500B/1000B 50%, 200B/s, ETA 3s')
  })
  it('has no ETA while the listing goes on, or while nothing moves', () => {
    const listing = progressOf({ ...status, listingDone: false }, window)
    expect(listing.etaMs).toBeUndefined()
    expect(progressText(listing)).toContain('5/10+ files, 500B/1000B+ 50%')
    expect(progressOf(status, windowOf(sample(0, 400), sample(1000, 400))).etaMs).toBeUndefined()
  })
  it('goes by files when there are no bytes', () => {
    const empty = load('RUNNING', { files: 10, filesLoaded: 5 })
    expect(progressOf(empty, windowOf(sample(0, 0, 0), sample(1000, 0, 5)))).toMatchObject({
      fraction: 0.5,
      etaMs: 1000,
    })
    expect(progressOf(load('RUNNING'), []).fraction).toBe(0)
  })
  it('says what it waits for and that it is being cancelled', () => {
    const text = progressText(progressOf({ ...status, cancelling: true, reason: 'workers to come back' }, []))
    expect(text).toMatch(/^CANCELLING .*waits: workers to come back$/)
  })
  it('draws a bar that fits the terminal', () => {
    const bar = progressBar(progressOf(status, window), 200)
    expect(bar).toMatch(/^\[#{12}\.{12}\] RUNNING/)
    expect(progressBar(progressOf(status, window), 30)).toHaveLength(29)
  })
})

describe('how far a load has been seen', () => {
  const running = (bytesLoaded: number, bytesArriving: number, filesLoaded: number) =>
    load('RUNNING', { files: 10, bytes: 1000, bytesCached: 100, bytesLoaded, bytesArriving, filesLoaded })
  it('counts bytes as they arrive', () => {
    expect(reachedBy(reachedNothing, running(0, 170, 0))).toEqual({ bytesLoaded: 170, bytesDone: 270, filesDone: 0 })
    expect(progressOf(running(0, 170, 0), []).fraction).toBe(0.27)
    // Counted twice for a moment, it is never more than there is.
    expect(reachedBy(reachedNothing, running(900, 300, 9)).bytesDone).toBe(1000)
  })
  it('never goes back, whatever an audit finds or a restart forgets', () => {
    let reached = reachedNothing
    const shown = [
      running(0, 500, 0),
      running(600, 0, 6),
      running(300, 0, 3),
      running(0, 0, 0),
      running(700, 100, 7),
    ].map((status) => {
      reached = reachedBy(reached, status)
      return [reached.bytesDone, reached.filesDone]
    })
    expect(shown).toEqual([
      [600, 0],
      [700, 6],
      [700, 6],
      [700, 6],
      [900, 7],
    ])
    expect(progressOf(running(0, 0, 0), [], reached)).toMatchObject({ bytesDone: 900, filesDone: 7 })
  })
  it('is what it says once it has ended', () => {
    const ended = { ...running(200, 0, 2), endedMs: 9 }
    expect(reachedBy({ bytesLoaded: 900, bytesDone: 1000, filesDone: 10 }, ended)).toEqual({
      bytesLoaded: 200,
      bytesDone: 300,
      filesDone: 2,
    })
  })
})
