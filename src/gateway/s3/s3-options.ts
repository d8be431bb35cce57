// Why: one place for what can be set at the door, and for its limits. How: a plain record with
// defaults; the role fills it from its configuration.
import type { DoorRequestLimits } from '../door-requests.ts'

export interface S3DoorLimits extends DoorRequestLimits {
  readonly connectionsMax: number
  /** Per remote address. */
  readonly peerConnectionsMax: number
  /** Pipelined requests that may wait on one connection. */
  readonly pipelineMax: number
  /** The body of a request that is a document. */
  readonly documentBytesMax: number
  /** Memory of all documents of requests together. */
  readonly documentsBytesMax: number
}

export const defaultS3DoorLimits: S3DoorLimits = {
  connectionsMax: 1024,
  peerConnectionsMax: 1024,
  pipelineMax: 4,
  requestsMax: 256,
  documentBytesMax: 4 * 1024 * 1024,
  documentsBytesMax: 64 * 1024 * 1024,
  idleMs: 30_000,
  leastBytesPerSecond: 64 * 1024,
  slowMs: 15_000,
  keepAliveMs: 10_000,
}

export interface S3DoorOptions {
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  /** Hosts `<bucket>.<domain>` name the bucket. */
  readonly domains: readonly string[]
  readonly region: string
  /**
   * A file of access keys (credentials/credentials-file.ts). Undefined: everybody who reaches the
   * port may do everything, and the port must be on loopback.
   */
  readonly credentialsFile: string | undefined
  /** Without credentials: names in Host headers, in addition to addresses and `localhost`. */
  readonly names: readonly string[]
  /** How long the parts of an upload are kept that nobody completes. */
  readonly uploadExpiryMs: number
  /** Threads that compute digests of large objects. 0: none. */
  readonly digestThreadsMax: number
  readonly limits?: Partial<S3DoorLimits>
}
