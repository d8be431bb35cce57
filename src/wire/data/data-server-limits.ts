// Why: one place for the limits of a data port: queues, connections and bytes. How: a plain record
// with defaults. The role sets the limits of its configuration.

export interface DataServerLimits {
  readonly connectionsMax: number
  /** Per remote address. */
  readonly peerConnectionsMax: number
  /** Pipelined requests that may wait on one connection. */
  readonly pipelineMax: number
  /** Blocks per request. */
  readonly framesMax: number
  /** Minimum bytes per second of a request while others wait for its resources. */
  readonly leastBytesPerSecond: number
  /** How long a peer may send or accept no data in the middle of a body. */
  readonly idleMs: number
  /**
   * The same for a block that is being received. Its writer may wait for a store, which may be slow
   * and retry.
   */
  readonly uploadIdleMs: number
  /** Memory of small blocks, all requests together. */
  readonly smallBytesMax: number
  /** Memory of blocks that are being received, all requests together. */
  readonly writeBytesMax: number
}

export const defaultDataServerLimits: DataServerLimits = {
  connectionsMax: 1024,
  peerConnectionsMax: 1024,
  pipelineMax: 16,
  framesMax: 1024,
  leastBytesPerSecond: 64 * 1024,
  idleMs: 30_000,
  uploadIdleMs: 600_000,
  smallBytesMax: 64 * 1024 * 1024,
  writeBytesMax: 128 * 1024 * 1024,
}
