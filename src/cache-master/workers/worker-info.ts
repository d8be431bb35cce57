// Why: what is told of the workers must fit an answer, whatever they report of themselves. How:
// pure functions from what is known of a worker to the message; where the directories of all are
// too much text, only their sums are told.
import { safeSum } from '../../base/safe-sum.ts'
import type { DirectoryUsage, RegisterWorkerRequest, WorkerInfo } from '../../wire/generated/master.ts'

/** Text of directories in one answer: of the workers beyond it only the sums are told. */
const directoryCharactersMax = 16 * 1024 ** 2

interface KnownWorker {
  readonly workerId: string
  readonly info: RegisterWorkerRequest
  readonly directories: readonly DirectoryUsage[]
  readonly startedMs: number
  readonly lastHeartbeatMs: number
  readonly keptBlocks: number
}

/** @param live undefined when the worker is lost */
export function workerInfo(
  { workerId, info, directories, startedMs, lastHeartbeatMs, keptBlocks }: KnownWorker,
  live: { readonly blocks: number; readonly blocksLeaving: number } | undefined,
  decommissioning: boolean,
): WorkerInfo {
  return {
    workerId,
    hostname: info.hostname,
    rpcAddress: info.rpcAddress,
    dataAddress: info.dataAddress,
    webAddress: info.webAddress,
    live: live !== undefined,
    lastHeartbeatMs,
    startedMs,
    capacityBytes: sum(directories, (directory) => directory.quotaBytes),
    usedBytes: sum(directories, (directory) => directory.usedBytes),
    blockCount: live?.blocks ?? 0,
    blocksLeaving: live?.blocksLeaving ?? 0,
    directories: [...directories],
    keptBlocks,
    decommissioning,
  }
}

/** As one answer: by hostname and id, and not too much text. */
export function listedWorkers(workers: readonly WorkerInfo[]): WorkerInfo[] {
  let characters = 0
  return workers
    .map((worker) => {
      for (const { path, tier, mediumType } of worker.directories)
        characters += path.length + tier.length + mediumType.length
      return characters > directoryCharactersMax ? { ...worker, directories: [] } : worker
    })
    .sort((a, b) => compare(a.hostname, b.hostname) || compare(a.workerId, b.workerId))
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return safeSum(...items.map(value))
}
