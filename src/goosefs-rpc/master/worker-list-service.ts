// Why: a client of GooseFS chooses the worker that it reads from and writes to by its own hash over
// all workers. How: only those that can be used are named. A client that is told of none never asks
// again (src/client/worker_manager.rs of the Rust client, 0.2.2), so it waits until there is one.
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { MasterServiceDefinition, WorkerInfo } from '../../wire/generated/master.ts'
import type { StreamMethod } from '../../wire/rpc/grpc-streams.ts'
import type { Service } from '../../wire/service.ts'
import {
  type WorkerInfo as NativeWorkerInfo,
  WorkerManagerMasterClientServiceDefinition,
} from '../generated/goosefs/workers.ts'
import { nativeWorkerId } from '../ids/native-ids.ts'
import { type NativeCall, nativeService, type NativeServiceParts } from '../native-service.ts'

export interface WorkerListParts {
  readonly master: Pick<Service<typeof MasterServiceDefinition>, 'listWorkers'>
  readonly clock: Pick<Clock, 'nowMs' | 'monotonicMs' | 'sleep'>
}

const lookMs = 200
/** Shorter than a client waits (300 s). */
const waitMs = 240_000
const active = 1
const inactive = 2
const ranges = { live: 2, lost: 3, specified: 4, forbidWrite: 5 } as const

export function workerListService(workers: WorkerListParts, parts: NativeServiceParts): StreamMethod[] {
  const listed = async ({ signal }: NativeCall): Promise<WorkerInfo[]> =>
    (await workers.master.listWorkers({}, { signal })).workers
  const sums = async (call: NativeCall): Promise<{ capacity: number; used: number; live: number; lost: number }> => {
    const all = await listed(call)
    const live = all.filter((worker) => worker.live)
    return {
      capacity: live.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0),
      used: live.reduce((sum, { usedBytes }) => sum + usedBytes, 0),
      live: live.length,
      lost: all.length - live.length,
    }
  }
  const lastUpdatedTimestamp = (): bigint => BigInt(workers.clock.nowMs())
  return nativeService(
    WorkerManagerMasterClientServiceDefinition,
    {
      getWorkerInfoList: async (_request, call) => {
        const usable = await untilAny(() => listed(call), workers.clock, call)
        return {
          workerInfos: usable.map((worker) => told(worker, workers.clock)),
          lastUpdatedTimestamp: lastUpdatedTimestamp(),
        }
      },
      getWorkerReport: async ({ addresses, workerRange }, call) => {
        const all = (await listed(call)).filter((worker) => isIn(worker, workerRange, addresses))
        return {
          workerInfos: all.map((worker) => told(worker, workers.clock)),
          lastUpdatedTimestamp: lastUpdatedTimestamp(),
        }
      },
      getCapacityBytes: async (_request, call) => ({ bytes: BigInt((await sums(call)).capacity) }),
      getUsedBytes: async (_request, call) => ({ bytes: BigInt((await sums(call)).used) }),
      getWorkerManagerMasterInfo: async (_request, call) => {
        const { capacity, used, live, lost } = await sums(call)
        return {
          workerManagerMasterInfo: {
            ...{ capacityBytes: BigInt(capacity), usedBytes: BigInt(used) },
            ...{ freeBytes: BigInt(Math.max(0, capacity - used)), liveWorkerNum: live, lostWorkerNum: lost },
          },
        }
      },
    },
    parts,
  )
}

/** @throws SkeinError unavailable */
async function untilAny(
  list: () => Promise<WorkerInfo[]>,
  clock: WorkerListParts['clock'],
  call: NativeCall,
): Promise<WorkerInfo[]> {
  const untilMs = clock.monotonicMs() + waitMs
  for (;;) {
    const usable = (await list()).filter(isUsable)
    if (usable.length > 0) return usable
    if (clock.monotonicMs() >= untilMs) throw new SkeinError('unavailable', 'no worker is live: start one')
    call.begin()
    await clock.sleep(lookMs, call.signal)
  }
}

function isUsable({ live, decommissioning, rpcAddress }: WorkerInfo): boolean {
  return live && decommissioning !== true && placeOf(rpcAddress) !== undefined
}

function isIn(worker: WorkerInfo, range: number | undefined, addresses: readonly string[]): boolean {
  if (range === ranges.live) return worker.live
  if (range === ranges.lost) return !worker.live
  if (range === ranges.forbidWrite) return worker.decommissioning === true
  if (range === ranges.specified)
    return addresses.some((given) => given === worker.hostname || given === worker.rpcAddress)
  return true
}

function told(worker: WorkerInfo, clock: Pick<Clock, 'nowMs'>): NativeWorkerInfo {
  const { host, port } = placeOf(worker.rpcAddress) ?? { host: worker.hostname, port: 0 }
  return {
    id: nativeWorkerId(worker.workerId),
    address: {
      ...{ host, rpcPort: port },
      ...{ dataPort: placeOf(worker.dataAddress)?.port ?? 0, webPort: placeOf(worker.webAddress)?.port ?? 0 },
    },
    lastContactSec: Math.max(0, Math.round((clock.nowMs() - worker.lastHeartbeatMs) / 1000)),
    state: worker.live ? active : inactive,
    capacityBytes: BigInt(worker.capacityBytes),
    usedBytes: BigInt(worker.usedBytes),
    cacheUsedBytes: BigInt(worker.usedBytes),
    // What only the cache has is not counted apart.
    persistUsedBytes: 0n,
    startTimeMs: BigInt(Math.round(worker.startedMs)),
    alive: worker.live,
    forbidWrite: worker.decommissioning === true,
  }
}

/** Of `host:port`. Undefined where these clients cannot reach it: they know no IPv6 hosts. */
function placeOf(address: string): { readonly host: string; readonly port: number } | undefined {
  const [, host, port] = /^([^:[\]]+):(\d{1,5})$/.exec(address) ?? []
  return host === undefined ? undefined : { host, port: Number(port) }
}
