// Why: nobody should have to read a tuning guide. How: the rules of the GooseFS tuning guide in the
// order in which it applies them: the range by the sizes of the files, the queue by memory, the
// reads by the cores (or by what a probe of the store found), then tasks, streams and threads by
// the reads, and the reads of a worker by memory. Every value has its reason; tuning-rules.ts finds
// no rule broken. Pure.
import { definitionOf } from '../config/keys/schema.ts'
import {
  readBytes,
  requestBytes,
  sizeText,
  streamBytes,
  type TuningKey,
  tuningKeys as keys,
} from '../config/tuning-values.ts'
import { budgetShare, fitMemory, type MemoryFit, readersShare } from './memory-fit.ts'
import type { ProbeDocument } from './probe-document.ts'
import { chooseRange } from './read-range.ts'
import type { SizeHistogram } from './size-histogram.ts'
import { rangeByProbe, type ReadsChoice, readsByProbe } from './store-figures.ts'

const megabyte = 1024 ** 2
const blockBytes = 128 * megabyte
/** Small files in flight at once are this many per read (job-worker.ts). */
const smallReadsPerRead = 8
/** The guide takes 2 to 3. */
const readsPerCore = 3
const jobsUsual = 3000
const readersUsual = 2048
const budgetMin = 64 * megabyte

/** The machines of the job workers. */
export interface JobWorkers {
  /** 1 or more. */
  readonly workers: number
  /** Of each: 1 or more. */
  readonly cores: number
  /** Of each: at least 2 MB. */
  readonly memoryBytes: number
}

export interface Recommended {
  readonly key: TuningKey
  /** As in a properties file. */
  readonly value: string
  readonly reason: string
}

export interface Recommendation {
  readonly properties: readonly Recommended[]
  /** Keys that are better left at their default, with the reason. */
  readonly leftAlone: readonly { readonly key: TuningKey; readonly reason: string }[]
  readonly memory: {
    readonly streamBytes: number
    readonly readBudgetBytes: number
    /** Memory of one read of a worker, by the formula of the guide. */
    readonly readBytes: number
    /** Reads of a worker that fit into half of the memory. */
    readonly readersFitting: number
  }
}

/**
 * @param sizes of the files to load; undefined: unknown
 * @param probe of their store; undefined: not measured
 */
export function recommend(
  sizes: SizeHistogram | undefined,
  machines: JobWorkers,
  probe?: ProbeDocument,
): Recommendation {
  const { workers, memoryBytes } = machines
  const byFiles = chooseRange(sizes)
  const range = probe === undefined ? byFiles : rangeByProbe(byFiles, probe)
  const { reads, reason: readsReason } = readsOf(machines, range.isForLargeFiles, probe)
  const tasks = Math.min(most(keys.tasks), reads + Math.max(2, Math.ceil(reads / 8)))
  const streams = Math.min(most(keys.streams), 2 * tasks)
  const threads = Math.min(tasks, Math.max(10, reads))
  const fit = fitMemory({ memoryBytes, blockBytes, ...range, streams })
  const budget = budgetOf(fit, reads, memoryBytes)
  const jobs = Math.min(most(keys.jobs), Math.max(jobsUsual, 2 * tasks * workers))
  const property = (key: TuningKey, value: string | number, reason: string): Recommended => ({
    key,
    value: String(value),
    reason,
  })
  const isShrunk = fit.rangeBytes < range.rangeBytes
  const connections = Math.min(most(keys.connections), smallReadsPerRead * reads)
  const readers = readersOf(fit, workers * streams, memoryBytes)
  return {
    properties: [
      property(
        keys.block,
        sizeText(blockBytes),
        'the size of the guide for large files; a smaller file is one block of its own length',
      ),
      property(
        keys.range,
        sizeText(fit.rangeBytes),
        isShrunk ? `less than ${sizeText(range.rangeBytes)}, which would be better: the memory is small` : range.reason,
      ),
      property(keys.queue, fit.rangesAhead, queueReason(fit, range.isForLargeFiles)),
      property(keys.reads, reads, readsReason),
      property(keys.tasks, tasks, `slightly above ${keys.reads}, so that every read slot is in use`),
      property(keys.threads, threads, `at most ${keys.tasks}, and enough tasks for all reads`),
      property(keys.streams, streams, `2 x ${keys.tasks}: a task reads one block and writes another`),
      property(keys.budget, sizeText(budget), budgetReason(fit, budget, reads, memoryBytes)),
      ...(connections > Number(definitionOf(keys.connections)?.default)
        ? [
            property(
              keys.connections,
              connections,
              `${smallReadsPerRead} small files are read at once for each of ${reads} reads`,
            ),
          ]
        : []),
      ...readers.properties,
      property(
        keys.jobs,
        jobs,
        jobs === jobsUsual
          ? `the default; above ${keys.tasks} of ${counted(workers, 'job worker')}`
          : `2 x ${tasks} tasks x ${counted(workers, 'job worker')}, so that none of them waits`,
      ),
    ],
    leftAlone: readers.leftAlone,
    memory: {
      streamBytes: streamBytes(fit),
      readBudgetBytes: budget,
      readBytes: readBytes(fit),
      readersFitting: fit.readersFitting,
    },
  }
}

function readsOf(
  { workers, cores }: JobWorkers,
  isForLargeFiles: boolean,
  probe: ProbeDocument | undefined,
): ReadsChoice {
  const whole = Math.max(1, Math.floor(cores))
  const usual = Math.min(most(keys.reads), readsPerCore * whole)
  const readsPerSlot = isForLargeFiles ? 1 : smallReadsPerRead
  const byProbe =
    probe === undefined
      ? undefined
      : readsByProbe(probe, { workers, readsPerSlot, cores: whole, usual, most: most(keys.reads) })
  if (byProbe !== undefined) return byProbe
  const reason =
    `${readsPerCore} x ${counted(whole, 'core')}: reads wait for the store more than they compute; ` +
    `2 x is enough where the processors are always busy`
  return { reads: usual, reason }
}

/** Two streams, or all reads at once; never more than its share of the memory. */
function budgetOf(fit: MemoryFit, reads: number, memoryBytes: number): number {
  const wanted = Math.max(2 * streamBytes(fit), reads * fit.rangeBytes, budgetMin)
  const whole = Math.floor(Math.min(wanted, memoryBytes * budgetShare) / megabyte) * megabyte
  return Math.max(megabyte, whole)
}

function budgetReason(fit: MemoryFit, budget: number, reads: number, memoryBytes: number): string {
  const stream = sizeText(streamBytes(fit))
  if (budget === budgetMin) return `holds all reads; one stream takes ${stream}`
  if (budget > memoryBytes * budgetShare - megabyte) return `a quarter of the memory; one stream takes ${stream}`
  return budget >= reads * fit.rangeBytes && budget > 2 * streamBytes(fit)
    ? `${reads} reads x ${sizeText(fit.rangeBytes)}`
    : `2 streams of ${stream}`
}

function queueReason(fit: MemoryFit, isForLargeFiles: boolean): string {
  const stream = `one stream takes ${fit.rangesAhead} x ${sizeText(fit.rangeBytes)} = ${sizeText(streamBytes(fit))}`
  if (!isForLargeFiles) return `the least of the guide: few files need a second range; ${stream}`
  return fit.rangesAhead * fit.rangeBytes >= blockBytes
    ? `a whole block ahead; ${stream}`
    : `as many as memory allows, from 8 to 32; ${stream}`
}

/**
 * The reads of a worker, by the formula of the guide. In Skein their buffers have a limit of their
 * own, so where the formula leaves too few connections for the job workers, the default is better.
 */
function readersOf(
  fit: MemoryFit,
  needed: number,
  memoryBytes: number,
): Pick<Recommendation, 'properties' | 'leftAlone'> {
  const one = `${sizeText(fit.readerBufferBytes)} + ${sizeText(streamBytes(fit))} + ${sizeText(requestBytes)}`
  if (fit.readersFitting < needed) {
    const reason =
      `by the guide ${fit.readersFitting} reads x (${one}) take half of the memory, but the job workers may open ` +
      `${needed} connections; skein.worker.data.read.buffers bounds their memory`
    return { properties: [], leftAlone: [{ key: keys.readers, reason }] }
  }
  const readers = Math.min(fit.readersFitting, Math.max(readersUsual, needed), most(keys.readers))
  const bytes = readers * readBytes(fit)
  return {
    properties: [
      {
        key: keys.buffer,
        value: sizeText(fit.readerBufferBytes),
        reason:
          fit.readerBufferBytes === 4 * megabyte
            ? 'the default; it fits into the memory'
            : 'smaller, so that enough reads fit into the memory',
      },
      {
        key: keys.readers,
        value: String(readers),
        reason:
          `${readers} reads x (${one}) take ${Math.round((100 * bytes) / memoryBytes)} % of the memory; ` +
          `at most ${100 * readersShare} % is used`,
      },
    ],
    leftAlone: [],
  }
}

/** The maximum of a key. */
function most(key: TuningKey): number {
  return definitionOf(key)?.max ?? Number.MAX_SAFE_INTEGER
}

function counted(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`
}
