// Why: HTTP/1.1 lets a peer send requests one behind the other without reading an answer, and each
// that is served at once holds memory of its own. How: of one connection one request is served at a
// time, the next once the answer before it has left this process; a few may wait, and a connection
// that sends more is cut.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

interface Line {
  /** What is to be served next. */
  readonly waiting: (() => void)[]
  busy: boolean
}

export class PipelineGate {
  readonly #waitingMax: number
  readonly #lines = new WeakMap<Socket, Line>()

  /** @param waitingMax requests of one connection that may wait for the one that is served */
  constructor(waitingMax: number) {
    this.#waitingMax = waitingMax
  }

  /**
   * Calls `serve` when it is the request's turn. @returns false when the connection was cut instead
   */
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
      // Also after the connection broke.
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
