// Why: the memory of a machine bounds how many ranges are read ahead. How: the formulas of the
// GooseFS tuning guide, tried from the fastest settings to the smallest: a shorter queue first,
// then a smaller reader buffer, then smaller ranges. A quarter of the memory is for the reads of a
// job worker, half for those of a worker; the rest is for heaps and the page cache. Pure.
import { readBytes, streamBytes } from '../config/tuning-values.ts'

const megabyte = 1024 ** 2
export const budgetShare = 1 / 4
export const readersShare = 1 / 2
const queueMin = 8
const queueMax = 32
const rangeMin = 4096
const bufferSizes = [4 * megabyte, megabyte, 256 * 1024] as const

export interface MemoryFit {
  readonly rangeBytes: number
  readonly rangesAhead: number
  readonly readerBufferBytes: number
  /** Reads of a worker that fit by the formula of the guide. */
  readonly readersFitting: number
}

export interface MemoryNeeds {
  readonly memoryBytes: number
  readonly blockBytes: number
  /** The range that the files ask for. */
  readonly rangeBytes: number
  /** Whether files are read in many ranges, so that a longer queue makes them faster. */
  readonly isForLargeFiles: boolean
  /** Connections that one job worker opens to a worker. */
  readonly streams: number
}

/** The fastest settings that fit; if too many streams are needed, the smallest. */
export function fitMemory(needs: MemoryNeeds): MemoryFit {
  const choices = candidates(needs)
  const inBudget = choices.filter((fit) => 2 * streamBytes(fit) <= needs.memoryBytes * budgetShare)
  const fitting = inBudget.find(({ readersFitting }) => readersFitting >= needs.streams)
  const smallest = choices.at(-1)
  if (smallest === undefined) throw new Error('there are always candidates')
  return fitting ?? inBudget[0] ?? smallest
}

function candidates(needs: MemoryNeeds): MemoryFit[] {
  return halves(needs.rangeBytes, rangeMin, 1024).flatMap((rangeBytes) =>
    bufferSizes.flatMap((readerBufferBytes) =>
      queues(needs, rangeBytes).map((rangesAhead) => {
        const fit = { rangeBytes, rangesAhead, readerBufferBytes }
        const readersFitting = Math.floor((needs.memoryBytes * readersShare) / readBytes(fit))
        return { ...fit, readersFitting }
      }),
    ),
  )
}

/** Longest first. A queue covers a block at most; 8 is the least that the guide takes. */
function queues({ blockBytes, isForLargeFiles }: MemoryNeeds, rangeBytes: number): number[] {
  const inBlock = Math.ceil(blockBytes / rangeBytes)
  if (!isForLargeFiles || inBlock <= queueMin) return [Math.min(queueMin, inBlock)]
  return halves(Math.min(queueMax, inBlock), queueMin)
}

/** The number, its half, ... and `least`, in whole units. */
function halves(number: number, least: number, unit = 1): number[] {
  const numbers: number[] = []
  for (let half = number; half > least; half = Math.floor(half / 2 / unit) * unit) numbers.push(half)
  return [...numbers, least]
}
