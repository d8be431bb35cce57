// Why: a load that names no replication keeps what was set on its files, and brings in as many
// replicas. How: pure. As many as workers live is enough: what is still missing is made by the
// replication checker once there are more.
import type { ListedFile } from './planner.ts'

/** @param liveWorkers that may have replicas of the load */
export function keepReplication(file: ListedFile, liveWorkers: number): ListedFile {
  const { replication, replicationMin = 0, replicationMax = -1, problem } = file
  if (replication !== undefined || problem !== '' || (replicationMin === 0 && replicationMax < 0)) return file
  if (replicationMax === 0)
    return {
      ...file,
      problem:
        'its maximum is set to 0 replicas: it is not to be cached; set another one, or load it with --replication',
      problemCode: 'failed_precondition',
    }
  return { ...file, replication: Math.max(1, Math.min(replicationMin, liveWorkers)), replicationKept: true }
}
