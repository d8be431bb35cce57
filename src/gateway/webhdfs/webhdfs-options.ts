// Why: one place for what can be set at the door, and for its limits. How: a plain record with
// defaults; the role fills it from its configuration.
import type { DoorRequestLimits } from '../door-requests.ts'

export interface WebHdfsDoorLimits extends DoorRequestLimits {
  readonly connectionsMax: number
  /** Per remote address. */
  readonly peerConnectionsMax: number
  /** Pipelined requests that may wait on one connection. */
  readonly pipelineMax: number
}

export const defaultWebHdfsDoorLimits: WebHdfsDoorLimits = {
  connectionsMax: 1024,
  peerConnectionsMax: 1024,
  pipelineMax: 4,
  requestsMax: 256,
  // Clients of Hadoop keep an open file's connection while they work on what they read.
  idleMs: 600_000,
  leastBytesPerSecond: 64 * 1024,
  slowMs: 15_000,
  keepAliveMs: 10_000,
}

export interface WebHdfsDoorOptions {
  /** On loopback: everybody who reaches the port may do everything. */
  readonly host: string
  /** 0 picks a free port. */
  readonly port: number
  /** Names in Host headers, in addition to addresses and `localhost`. */
  readonly names: readonly string[]
  /** The block size of the cluster. */
  readonly blockSizeBytes: number
  readonly limits?: Partial<WebHdfsDoorLimits>
}
