// A worker of the load model, and how the master tells of it.
import type { WorkerInfo } from '../../../src/wire/generated/master.ts'

export interface WorldWorker {
  readonly workerId: string
  readonly hostname: string
  decommissioning?: boolean
  live: boolean
  capacityBytes: number
  readonly blocks: Map<number, number>
}

export function usedBytes(worker: WorldWorker): number {
  let used = 0
  for (const bytes of worker.blocks.values()) used += bytes
  return used
}

export function workerInfo(worker: WorldWorker): WorkerInfo {
  const { workerId, hostname, live, capacityBytes, decommissioning } = worker
  return {
    workerId,
    hostname,
    rpcAddress: `${hostname}:1`,
    dataAddress: `${hostname}:2`,
    webAddress: '',
    live,
    decommissioning,
    lastHeartbeatMs: 0,
    startedMs: 0,
    capacityBytes,
    usedBytes: usedBytes(worker),
    blockCount: worker.blocks.size,
    directories: [],
  }
}
