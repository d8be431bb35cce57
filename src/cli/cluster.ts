// Why: commands talk to a cluster through this and nothing else, so that tests give them one that lives in their own process.
import type { JobServiceDefinition } from '../wire/generated/job.ts'
import type { MasterServiceDefinition } from '../wire/generated/master.ts'
import type { Service } from '../wire/service.ts'

export interface Cluster {
  /** `host:port` of the master, for messages. */
  readonly address: string
  master(): Service<MasterServiceDefinition>
  /** Found through the master; calls throw SkeinError unavailable while none is there. */
  jobMaster(): Service<JobServiceDefinition>
  /** All bytes of a file, cached blocks first, the store where they are missing. */
  readFile(path: string, signal: AbortSignal): AsyncIterable<Uint8Array>
  close(): Promise<void>
}
