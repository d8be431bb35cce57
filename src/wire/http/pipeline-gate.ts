// Why: HTTP/1.1 allows a peer to send several requests without reading a response, and each one
// that is served at once needs memory. How: each connection has one request served at a time. The
// next one starts after the response before it has left this process. A limited number may wait; a
// connection that sends more is dropped.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

interface Line {
  /** Requests that wait to be served. */
  readonly waiting: (() => void)[]
  busy: boolean
}

export class PipelineGate {
  readonly #waitingMax: number
  readonly #lines = new WeakMap<Socket, Line>()

  /** @param waitingMax maximum requests of one connection that wait for the current one */
  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax
  }

  /** Calls `serve` when it is the request's turn. @returns false when the connection was dropped */
  enter(request: IncomingMessage, response: ServerResponse, serve: () => void): boolean {
    const { socket } = request
    if (socket.destroyed) return false
    const line = this.#lineOf(socket)
    if (line.busy && line.waiting.length >= this.#waitingMax) {
      line.waiting.length = 0
      socket.destroy()
      return false
    }
    const turn = (): void => {
      line.busy = true
      // Also called when the connection breaks.
      response.once('close', () => {
        line.busy = false
        line.waiting.shift()?.()
      })
      serve()
    }
    if (line.busy) line.waiting.push(turn)
    else turn()
    return true
  }

  #lineOf(socket: Socket): Line {
    const known = this.#lines.get(socket)
    if (known !== undefined) return known
    const line: Line = { waiting: [], busy: false }
    this.#lines.set(socket, line)
    socket.once('close', () => {
      line.waiting.length = 0
    })
    return line
  }
}
