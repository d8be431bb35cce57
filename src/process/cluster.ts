// Why: what a command sees of a running cluster, and how it is made across the network. How: commands get the interface,
// so that tests give them one in their own process; this file is loaded when a command first needs a cluster, because
// gRPC takes longer to load than most commands take to run.
import { systemClock, systemRandom } from '../base/clock.ts'
import { FileReader } from '../client/file-reader.ts'
import { type Connect, connectJobMaster, connectMaster } from '../client/master-client.ts'
import { WorkerOriginReader } from '../client/worker-origin-reader.ts'
import type { Config } from '../config/config.ts'
import { type Logger, silentLogger } from '../telemetry/logger.ts'
import { createClient } from '../wire/channel.ts'
import { DataClient } from '../wire/data-client.ts'
import type { JobServiceDefinition } from '../wire/generated/job.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { Service } from '../wire/service.ts'

export interface Cluster {
  /** `host:port` of the master, for messages. */
  readonly address: string
  master(): Service<MasterServiceDefinition>
  /** Found through the master; calls throw SkeinError unavailable while none is there. */
  jobMaster(): Service<JobServiceDefinition>
  /** All bytes of a file, cached blocks first, the store (through a worker) where they are missing. */
  readFile(path: string, signal: AbortSignal): AsyncIterable<Uint8Array>
  close(): void
}

/** How long a command tries to reach a role before it says that it is not there. */
const unreachableMs = 2000
/** How long it waits for a job master to register. */
const unregisteredMs = 3000

/** The cluster at `config.master.address`. Nothing is connected before the first call. @throws SkeinError invalid_argument for a bad address */
export function connectCluster(config: Config, logger: Logger = silentLogger): Cluster {
  const { address } = config.master
  const options = { deadlineMs: config.rpcDeadlineMs, unavailableMs: unreachableMs, clock: systemClock, random: systemRandom, logger }
  const connect: Connect = (definition, at) => createClient(definition, at, options)
  const master = connectMaster(address, connect)
  const jobMaster = connectJobMaster(master.service, address, connect, { clock: systemClock, waitMs: unregisteredMs })
  const data = new DataClient({ clock: systemClock })
  const reading = { master: master.service, data, hostname: config.worker.hostname, random: systemRandom, logger }
  const reader = new FileReader({ ...reading, origin: new WorkerOriginReader(reading) })
  return {
    address,
    master: () => master.service,
    jobMaster: () => jobMaster.service,
    readFile: (path, signal) => reader.read(path, signal),
    close: () => {
      data.close()
      jobMaster.close()
      master.close()
    },
  }
}
