// Why: a load without a replication option keeps the replication of its files and loads that many
// replicas. How: pure. The number of live workers is the maximum; the replication checker creates
// missing replicas when there are more workers.
import type { ListedFile } from './planner.ts'

/** @param liveWorkers live workers that may hold replicas of the load */
export function keepReplication(file: ListedFile, liveWorkers: number): ListedFile {
  const { replication, replicationMin = 0, replicationMax = -1, problem } = file
  if (replication !== undefined || problem !== '' || (replicationMin === 0 && replicationMax < 0)) return file
  if (replicationMax === 0)
    return {
      ...file,
      problem:
        'the maximum replication of the file is 0, so it is not cached: set another maximum, or use --replication',
      problemCode: 'failed_precondition',
    }
  return { ...file, replication: Math.max(1, Math.min(replicationMin, liveWorkers)), replicationKept: true }
}
