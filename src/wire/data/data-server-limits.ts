// Why: every queue, connection and byte of a data port is limited, and all limits are in one place.
// How: a plain record with defaults; the role gives those that its configuration has.

export interface DataServerLimits {
  readonly connectionsMax: number
  /** Of one remote address. */
  readonly peerConnectionsMax: number
  /** Requests of one connection that may wait for the one before them. */
  readonly pipelineMax: number
  /** Blocks in one request. */
  readonly framesMax: number
  /** Bytes a second that a request must move while others wait for what it holds. */
  readonly leastBytesPerSecond: number
  /** How long a peer may stay silent, or not take bytes, in the middle of a body. */
  readonly idleMs: number
  /**
   * The same for a block that is being sent here: its writer waits for a store, which may take its
   * time and try again.
   */
  readonly uploadIdleMs: number
  /** Small blocks in memory, all requests together. */
  readonly smallBytesMax: number
  /** Blocks that are being sent here, all requests together. */
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
