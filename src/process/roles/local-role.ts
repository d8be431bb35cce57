// Why: runs all of Skein in one process and one directory, on one machine: without Redis, and
// without configured ports. How: the same parts as the single roles. They call each other's service
// objects directly. The command line uses the network, with the addresses in `<home>/skein.json`.
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { untilAborted } from '../../base/clock.ts'
import { DemandGauge } from '../../base/flow/demand-gauge.ts'
import type { Config } from '../../config/config.ts'
import { runningFile } from '../../config/read-config.ts'
import { yieldToEventLoop } from '../io-threads.ts'
import { startGatewayPart } from '../parts/gateway-part.ts'
import { startJobMasterPart } from '../parts/job-master-part.ts'
import { startJobWorkerPart } from '../parts/job-worker-part.ts'
import { startMasterPart } from '../parts/master-part.ts'
import { openAnsweringQueue } from '../queues.ts'
import { type RoleIo, runRole } from '../role-shell.ts'
import { serveWeb } from '../servers.ts'
import { checkWorkerDirectories, startWorkerPart } from '../parts/worker-part.ts'

/** Time between two pieces that a reader in another process waits for. */
const demandLingerMs = 20

/**
 * Runs until it is stopped.
 * @throws SkeinError when it cannot start
 */
export function run(config: Config, io: RoleIo): Promise<void> {
  return runRole('local', config, io, async (context) => {
    let ready = false
    // Must run before the master creates its files.
    await checkWorkerDirectories(config)
    const web = await serveWeb(context, config.master, () =>
      ready ? { ready: true } : { ready: false, why: 'still starting' },
    )
    const queue = await openAnsweringQueue(context)
    const demand = new DemandGauge({ clock: context.clock, ms: demandLingerMs })
    const { master, rpc } = await startMasterPart(context, web, demand)
    const { jobMaster, rpc: jobMasterRpc } = await startJobMasterPart(context, { master: master.service, queue }, web)
    const services = { master: master.service, lifecycle: master.lifecycle }
    const { worker, workerId, rpc: workerRpc, data } = await startWorkerPart(context, services, () => web, demand)
    // A worker that was refused because of another cluster's blocks does not stop the start:
    // `fsadmin doctor` and `adopt` need a running cluster.
    await untilAborted(Promise.race([worker.registered, worker.refused]), context.signal)
    const local = (id: string): typeof worker.localTarget | undefined =>
      id === workerId ? worker.localTarget : undefined
    await startJobWorkerPart(
      context,
      { master: master.service, jobMaster: jobMaster.service, queue, local, demand },
      '',
    )
    await yieldToEventLoop()
    const doors = await startGatewayPart(
      context,
      { ...config, master: { ...config.master, address: rpc } },
      {
        channelTo: (address) => context.channels.get(address),
        blocksAt: (address) => (address === data ? worker.localBlocks : undefined),
        targetOf: local,
      },
    )
    ready = true
    const addresses = { master: rpc, jobMaster: jobMasterRpc, worker: workerRpc, data, web, ...doors }
    await writeRunningFile(config.home, { ...addresses, pid: process.pid })
    context.onStop('skein.json', () => rm(runningFile(config.home), { force: true }))
    return { ...addresses, home: config.home }
  })
}

/** Written atomically, because a client may read it at any time. */
async function writeRunningFile(home: string, content: Readonly<Record<string, unknown>>): Promise<void> {
  const path = runningFile(home)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(`${path}.new`, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
}
