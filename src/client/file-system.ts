// Why: the command line, and every other way into a cluster, uses one thing: the roles' services,
// and files to read and write. How: an interface, so that tests give one in their own process;
// connect.ts makes it across the network.
import type { ByteRange } from '../wire/data/data-client.ts'
import type { JobServiceDefinition } from '../wire/generated/job.ts'
import type { LifecycleServiceDefinition } from '../wire/generated/lifecycle.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { ScheduleServiceDefinition } from '../wire/generated/schedule.ts'
import type { WorkerServiceDefinition } from '../wire/generated/worker.ts'
import type { Service } from '../wire/service.ts'
import type { WrittenFile } from './write/file-writer.ts'

export interface Cluster {
  /** `host:port` of the master, for messages. */
  readonly address: string
  master(): Service<MasterServiceDefinition>
  /** Found through the master; calls throw SkeinError unavailable while none is there. */
  jobMaster(): Service<JobServiceDefinition>
  /** Served by the job master, found in the same way. */
  schedules(): Service<ScheduleServiceDefinition>
  /** What users change; served by the master. */
  lifecycle(): Service<LifecycleServiceDefinition>
  /** A worker by its `host:port`; connections are closed with the cluster. */
  worker(rpcAddress: string): Service<WorkerServiceDefinition>
  /**
   * A new file of exactly `length` bytes, and what the namespace's write policy wants
   * (client/write/file-writer.ts).
   */
  writeFile(path: string, length: number, chunks: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<WrittenFile>
  /**
   * The bytes of a file (of `range`: those that it has), cached blocks first, the store (through a
   * worker) where they are missing.
   */
  readFile(path: string, signal: AbortSignal, range?: ByteRange): AsyncIterable<Uint8Array>
  /**
   * For a process that ends now: gives what readers offered (client/read/passive-copies.ts) a
   * moment to be told.
   */
  settle(): Promise<void>
  close(): void
}
