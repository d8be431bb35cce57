// Why: rules and recommendations speak of the same few keys and values. How: plain numbers, and the
// formulas of the GooseFS tuning guide for memory. Pure.

/** Memory of one read request in addition to its buffers. */
export const requestBytes = 1024 ** 2

/** The values that the rules compare. */
export interface TuningValues {
  readonly blockBytes: number
  readonly rangeBytes: number
  readonly rangesAhead: number
  readonly readsMax: number
  readonly connectionsMax: number
  readonly activeTasksMax: number
  readonly cpuTasksMax: number
  readonly readBudgetBytes: number
  readonly blockStreamsMax: number
  readonly readerBufferBytes: number
  readonly blockReadersMax: number
  readonly activeJobs: number
  /** Of the machine. Undefined: unknown. */
  readonly memoryBytes: number | undefined
}

export const tuningKeys = {
  block: 'fs.cosn.block.size',
  range: 'fs.cosn.read.ahead.block.size',
  queue: 'fs.cosn.read.ahead.queue.size',
  reads: 'fs.cosn.upload_thread_pool',
  connections: 'fs.cosn.max.connection.num',
  tasks: 'goosefs.job.worker.max.active.task.num',
  threads: 'goosefs.job.worker.threadpool.size',
  streams: 'goosefs.user.block.worker.client.pool.max',
  budget: 'skein.job.worker.read.budget',
  buffer: 'goosefs.worker.network.reader.buffer.size',
  readers: 'goosefs.worker.network.block.reader.threads.max',
  jobs: 'skein.load.active.jobs',
} as const
export type TuningKey = (typeof tuningKeys)[keyof typeof tuningKeys]

/** The values by key, as in a properties file. */
export function valueTexts(values: Omit<TuningValues, 'memoryBytes'>): Readonly<Record<TuningKey, string>> {
  return {
    [tuningKeys.block]: sizeText(values.blockBytes),
    [tuningKeys.range]: sizeText(values.rangeBytes),
    [tuningKeys.queue]: String(values.rangesAhead),
    [tuningKeys.reads]: String(values.readsMax),
    [tuningKeys.connections]: String(values.connectionsMax),
    [tuningKeys.tasks]: String(values.activeTasksMax),
    [tuningKeys.threads]: String(values.cpuTasksMax),
    [tuningKeys.streams]: String(values.blockStreamsMax),
    [tuningKeys.budget]: sizeText(values.readBudgetBytes),
    [tuningKeys.buffer]: sizeText(values.readerBufferBytes),
    [tuningKeys.readers]: String(values.blockReadersMax),
    [tuningKeys.jobs]: String(values.activeJobs),
  }
}

/** Memory of one stream. */
export function streamBytes({ rangeBytes, rangesAhead }: Pick<TuningValues, 'rangeBytes' | 'rangesAhead'>): number {
  return rangeBytes * rangesAhead
}

/** Memory of one read of a worker, by the GooseFS tuning guide. */
export function readBytes(values: Pick<TuningValues, 'rangeBytes' | 'rangesAhead' | 'readerBufferBytes'>): number {
  return values.readerBufferBytes + streamBytes(values) + requestBytes
}

/** A size for a properties file: exact, in the largest unit that leaves a whole number. */
export function sizeText(bytes: number): string {
  if (bytes === 0) return '0'
  const units = [
    [1024 ** 3, 'GB'],
    [1024 ** 2, 'MB'],
    [1024, 'KB'],
  ] as const
  const unit = units.find(([one]) => bytes % one === 0)
  return unit === undefined ? `${bytes}` : `${bytes / unit[0]}${unit[1]}`
}
