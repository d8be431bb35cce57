// Why: a server has room for so many connections, and whoever opens that many and says nothing must
// not keep others out. How: connections are counted, in all and by the peer's address. When a new
// one finds no room, the one that is idle for the longest time is closed for it: idle is one
// without a request, whether it has sent none yet, a part of one, or waits for the next. Where all
// have requests, the owner is asked to cut one that stands still; only then is the new one refused.
import type { Server, Socket } from 'node:net'

export interface ConnectionLimits {
  readonly connectionsMax: number
  /** Of one remote address. */
  readonly peerConnectionsMax: number
}

interface Connection {
  readonly peer: string
  requests: number
}

export interface ConnectionGuardOptions extends ConnectionLimits {
  /**
   * Cuts a request that stands still (of this peer, or of any) and so frees its connection; false:
   * there is none.
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

  /** Connections that were refused, and idle ones that were closed for others, so far. */
  get turnedAway(): number {
    return this.#refused + this.#closedIdle
  }

  /** Counts the connections of a server from now on. */
  watch(server: Server): void {
    server.on('connection', (socket) => void this.admit(socket))
  }

  /**
   * Takes a connection in, for which another may be closed. @returns whether it was; otherwise it
   * is destroyed
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

  /** A request of the connection begins. */
  begin(socket: Socket): void {
    const connection = this.#connections.get(socket)
    if (connection === undefined) return
    connection.requests += 1
    this.#idle.delete(socket)
  }

  /** A request of the connection, and its answer, have ended. */
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
