// Why: the real cluster of a command, across the network. How: the only file of cli/ that knows channels and the data
// plane; loaded when a command first needs a cluster, because gRPC takes longer to load than most commands take to run.
import { systemClock, systemRandom } from '../base/clock.ts'
import { FileReader } from '../client/file-reader.ts'
import { type Connect, connectJobMaster, connectMaster } from '../client/master-client.ts'
import type { Config } from '../config/config.ts'
import { silentLogger } from '../telemetry/logger.ts'
import { createClient } from '../wire/channel.ts'
import { DataClient } from '../wire/data-client.ts'
import type { Cluster } from './cluster.ts'

/** How long a command tries to reach a role before it says that it is not there. */
const unreachableMs = 3000

export async function connectCluster(config: Config): Promise<Cluster> {
  const { address } = config.master
  const options = { deadlineMs: config.rpcDeadlineMs, unavailableMs: unreachableMs, clock: systemClock, random: systemRandom }
  const connect: Connect = (definition, at) => createClient(definition, at, options)
  const master = connectMaster(address, connect)
  const jobMaster = connectJobMaster(master.service, address, connect)
  const { hostname } = config.worker
  const data = new DataClient({ clock: systemClock })
  const reader = new FileReader({ master: master.service, data, origin: undefined, hostname, random: systemRandom, logger: silentLogger })
  return {
    address,
    master: () => master.service,
    jobMaster: () => jobMaster.service,
    readFile: (path, signal) => reader.read(path, signal),
    close: async () => {
      data.close()
      jobMaster.close()
      master.close()
    },
  }
}
