// Why: a server has a connection limit, and a client that opens many silent connections must not
// keep others out. How: connections are counted in total and per remote address. At the limit, the
// connection that has been idle for the longest time is closed for a new one. A connection is idle
// while it has no complete request: none yet, only a part of one, or none after the last response.
// If no connection is idle, the owner is asked to abort a stalled request. Only if there is none,
// the new connection is refused.
import type { Server, Socket } from 'node:net'

export interface ConnectionLimits {
  readonly connectionsMax: number
  /** Per remote address. */
  readonly peerConnectionsMax: number
}

interface Connection {
  readonly peer: string
  requests: number
}

export interface ConnectionGuardOptions extends ConnectionLimits {
  /**
   * Aborts a stalled request (of this remote address, or of any) and so frees its connection.
   * Returns false when there is none.
   */
  readonly cutOne?: (peer: string | undefined) => boolean
}

export class ConnectionGuard {
  readonly #options: ConnectionGuardOptions
  readonly #connections = new Map<Socket, Connection>()
  readonly #peers = new Map<string, number>()
  /** In the order in which they became idle. */
  readonly #idle = new Set<Socket>()
  #refused = 0
  #closedIdle = 0

  constructor(options: ConnectionGuardOptions) {
    this.#options = options
  }

  get connections(): number {
    return this.#connections.size
  }

  /** The number of connections that were refused, or closed while idle, so far. */
  get turnedAway(): number {
    return this.#refused + this.#closedIdle
  }

  /** Counts the connections of a server from now on. */
  watch(server: Server): void {
    server.on('connection', (socket) => void this.admit(socket))
  }

  /**
   * Accepts a connection, if necessary by closing another one.
   * @returns false if it was refused and destroyed
   */
  admit(socket: Socket): boolean {
    const peer = socket.remoteAddress ?? ''
    const { connectionsMax, peerConnectionsMax } = this.#options
    const hasRoom =
      ((this.#peers.get(peer) ?? 0) < peerConnectionsMax || this.#makeRoom(peer)) &&
      (this.#connections.size < connectionsMax || this.#makeRoom(undefined))
    if (!hasRoom) {
      this.#refused += 1
      socket.destroy()
      return false
    }
    this.#connections.set(socket, { peer, requests: 0 })
    this.#peers.set(peer, (this.#peers.get(peer) ?? 0) + 1)
    this.#idle.add(socket)
    socket.once('close', () => this.#forget(socket))
    return true
  }

  /** A request of the connection has begun. */
  begin(socket: Socket): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return
    connection.requests += 1
    this.#idle.delete(socket)
  }

  /** A request of the connection and its response have ended. */
  end(socket: Socket): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return
    connection.requests -= 1
    if (connection.requests === 0) this.#idle.add(socket)
  }

  #makeRoom(peer: string | undefined): boolean {
    for (const socket of this.#idle) {
      if (peer !== undefined && this.#connections.get(socket)?.peer !== peer) continue
      this.#closedIdle += 1
      this.#drop(socket)
      return true
    }
    return this.#options.cutOne?.(peer) ?? false
  }

  #drop(socket: Socket): void {
    this.#forget(socket)
    socket.destroy()
  }

  #forget(socket: Socket): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return
    this.#connections.delete(socket)
    this.#idle.delete(socket)
    const left = (this.#peers.get(connection.peer) ?? 1) - 1
    if (left === 0) this.#peers.delete(connection.peer)
    else this.#peers.set(connection.peer, left)
  }
}
