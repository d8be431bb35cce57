// Why: the tuning rules compare plain values; a start takes them from its configuration. Pure.
import type { Config } from './config.ts'
import type { TuningValues } from './tuning-values.ts'

export function tuningValuesOf(
  { jobWorker, worker, ufs: { cosn }, load }: Pick<Config, 'jobWorker' | 'worker' | 'ufs' | 'load'>,
  memoryBytes: number | undefined,
): TuningValues {
  return {
    blockBytes: cosn.blockSizeBytes,
    rangeBytes: cosn.readAheadBlockBytes,
    rangesAhead: cosn.readAheadQueueSize,
    readsMax: cosn.uploadThreadPool,
    connectionsMax: cosn.connectionsMax,
    activeTasksMax: jobWorker.activeTasksMax,
    cpuTasksMax: jobWorker.cpuTasksMax,
    readBudgetBytes: jobWorker.readBudgetBytes,
    blockStreamsMax: jobWorker.blockStreamsMax,
    readerBufferBytes: worker.readerBufferBytes,
    blockReadersMax: worker.blockReadersMax,
    activeJobs: load.activeJobs,
    memoryBytes,
  }
}
