// Why: the command line uses one interface to a cluster: its file system, and for administration
// the services of its roles. How: an interface. Tests implement it in their own process; connect.ts
// implements it across the network. Programs get the file system alone (library.ts).
import type { ByteRange } from '../wire/data/data-client.ts'
import type { JobServiceDefinition } from '../wire/generated/job.ts'
import type { LifecycleServiceDefinition } from '../wire/generated/lifecycle.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { ScheduleServiceDefinition } from '../wire/generated/schedule.ts'
import type { WorkerServiceDefinition } from '../wire/generated/worker.ts'
import type { Service } from '../wire/service.ts'
import type { WholeFileSystem } from './upkeep/file-upkeep.ts'

export interface Cluster {
  /** `host:port` of the master, for messages. */
  readonly address: string
  /** All that is done with files. Its `close` closes the cluster. */
  readonly files: WholeFileSystem
  master(): Service<MasterServiceDefinition>
  /**
   * Found through the master. Calls throw SkeinError unavailable while no job master is registered.
   */
  jobMaster(): Service<JobServiceDefinition>
  /** Served by the job master and found in the same way. */
  schedules(): Service<ScheduleServiceDefinition>
  /** Changes by users. Served by the master. */
  lifecycle(): Service<LifecycleServiceDefinition>
  /** The worker at `host:port`. Connections are closed with the cluster. */
  worker(rpcAddress: string): Service<WorkerServiceDefinition>
  /**
   * Yields the bytes of a file, or those of `range` that it has. Reads cached blocks first, and
   * missing blocks from the store through a worker.
   */
  readFile(path: string, signal: AbortSignal, range?: ByteRange): AsyncIterable<Uint8Array>
  /**
   * Call this before the process exits: waits briefly until pending requests for replicas
   * (client/read/passive-copies.ts) are sent.
   */
  settle(): Promise<void>
  close(): void
}
