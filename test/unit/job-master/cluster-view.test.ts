import { describe, expect, it } from 'vitest'
import { ClusterView } from '../../../src/job-master/dispatch/cluster-view.ts'
import type { MasterServiceDefinition, WorkerInfo } from '../../../src/wire/generated/master.ts'
import type { Service } from '../../../src/wire/service.ts'
import { FakeClock } from '../cache-master/support/fakes.ts'

const signal = new AbortController().signal

function workerOf(workerId: string, decommissioning: boolean): WorkerInfo {
  const addresses = { rpcAddress: `${workerId}:1`, dataAddress: `${workerId}:2`, webAddress: '' }
  const times = { lastHeartbeatMs: 0, startedMs: 0 }
  const use = { capacityBytes: 1000, usedBytes: 10, blockCount: 0, directories: [] }
  return { workerId, hostname: workerId, ...addresses, live: true, ...times, ...use, decommissioning }
}

describe('the view of the cluster', () => {
  it('plans nothing new for a worker that is decommissioned, and lets running tasks go on', async () => {
    const clock = new FakeClock()
    let workers = [workerOf('w1', true), workerOf('w2', false), workerOf('w3', false)]
    const master: Pick<Service<MasterServiceDefinition>, 'listWorkers'> = { listWorkers: async () => ({ workers }) }
    const view = new ClusterView(master as Service<MasterServiceDefinition>, clock)
    await view.refresh(signal)
    expect(view.liveCount()).toBe(2)
    for (let hash = 0; hash < 50; hash += 1) expect(view.placement.place(hash, 1, 3).sort()).toEqual(['w2', 'w3'])
    expect(view.isUsable('w1', 0)).toBe(true)
    workers = workers.map((worker) => ({ ...worker, decommissioning: false }))
    clock.now += 5000
    await view.refresh(signal)
    expect(view.liveCount()).toBe(3)
    expect(view.placement.place(1, 1, 3).sort()).toEqual(['w1', 'w2', 'w3'])
  })
})
