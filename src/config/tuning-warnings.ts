// Why: a role with values that break the tuning rules starts, but is slow or runs out of memory for
// no visible reason. How: each rule is checked against the resolved configuration. A warning names
// the rule, the current value and a better one. Pure.
import type { Config } from './config.ts'

const queueMax = 32
const queueMin = 8
/** Memory of one read request in addition to its buffers. */
const requestBytes = 1024 ** 2

/** One line per broken rule. @param memoryBytes the memory of the machine, if known */
export function tuningWarnings(
  { jobWorker, worker, ufs, sources, load }: Omit<Config, 'warnings'>,
  memoryBytes?: number,
): string[] {
  const { readAheadBlockBytes, readAheadQueueSize, blockSizeBytes, uploadThreadPool } = ufs.cosn
  const { activeTasksMax, blockStreamsMax } = jobWorker
  const warnings: string[] = []
  const isGiven = (...keys: readonly string[]): boolean => keys.some((key) => sources.has(key))
  const warn = (key: string, rule: string, better: number): void => {
    warnings.push(`tuning: ${key}: ${rule}: ${better} is better`)
  }
  const queueKey = 'fs.cosn.read.ahead.queue.size'
  const blocksInOne = Math.max(1, Math.ceil(blockSizeBytes / readAheadBlockBytes))
  if (isGiven(queueKey) && readAheadQueueSize > queueMax)
    warn(queueKey, `${readAheadQueueSize} is above ${queueMax}`, queueMax)
  else if (isGiven(queueKey) && readAheadQueueSize > blocksInOne && blocksInOne >= queueMin)
    warn(queueKey, `${readAheadQueueSize} is more than fs.cosn.block.size / fs.cosn.read.ahead.block.size`, blocksInOne)
  const streamBytes = readAheadBlockBytes * readAheadQueueSize
  if (isGiven(queueKey, 'fs.cosn.read.ahead.block.size') && streamBytes > jobWorker.readBudgetBytes)
    warn(
      'skein.job.worker.read.budget',
      `${jobWorker.readBudgetBytes} bytes do not hold one stream of ${queueKey} ranges`,
      2 * streamBytes,
    )
  const readsKey = 'goosefs.worker.network.block.reader.threads.max'
  const bufferKey = 'goosefs.worker.network.reader.buffer.size'
  const readBytes = worker.readerBufferBytes + streamBytes + requestBytes
  if (isGiven(readsKey, bufferKey) && memoryBytes !== undefined && worker.blockReadersMax * readBytes > memoryBytes) {
    const parts =
      `${worker.blockReadersMax} reads x (${bufferKey} + one stream + 1 MB), ` +
      `${worker.blockReadersMax * readBytes} bytes,`
    warn(
      readsKey,
      `${parts} are more than the memory, ${memoryBytes} bytes`,
      Math.max(1, Math.floor(memoryBytes / readBytes)),
    )
  }
  const tasksKey = 'goosefs.job.worker.max.active.task.num'
  if (isGiven(tasksKey, 'fs.cosn.upload_thread_pool') && activeTasksMax < uploadThreadPool)
    warn(tasksKey, `${activeTasksMax} is below fs.cosn.upload_thread_pool, ${uploadThreadPool}`, uploadThreadPool + 2)
  const poolKey = 'goosefs.user.block.worker.client.pool.max'
  if (isGiven(poolKey, tasksKey) && blockStreamsMax < 2 * activeTasksMax)
    warn(poolKey, `${blockStreamsMax} is below 2 x ${tasksKey}, ${activeTasksMax}`, 2 * activeTasksMax)
  const jobsKey = 'skein.load.active.jobs'
  if (isGiven(jobsKey, tasksKey) && load.activeJobs <= activeTasksMax)
    warn(jobsKey, `${load.activeJobs} is not above ${tasksKey}, ${activeTasksMax}`, 2 * activeTasksMax)
  return warnings
}
