// Why: every HTTP port serves clients that vanish, stall or crawl, and none of them may keep what
// its request holds. How: a request that is served has a signal that ends what it started, a watch
// for a silent peer (idle-watch.ts) and one for a slow peer (stragglers.ts). The body is asked for
// when it is wanted; what is left of it at the end is read and dropped for a short time, because
// closing at once would reset the connection, and the peer could lose the answer.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { IdleWatch } from './idle-watch.ts'
import { Stragglers, type StragglerOptions } from './stragglers.ts'

/** One request that is being served. */
export interface ServedRequest {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Aborts when the peer is gone, stalls or is too slow, and when the port is closed. */
  readonly signal: AbortSignal
  readonly watch: IdleWatch
  /** Whether the peer waits for `100 Continue`, and was not told to continue. */
  awaitsContinue: boolean
  /** Tells a peer that waits for it to send the body. */
  askForBody(): void
  /** Before the head of an answer: a peer that still waits to be asked is not asked any more. */
  closeIfUnasked(): void
  /** Must be called once, when the answer was sent or given up. */
  end(): void
}

export interface ServedRequestsOptions extends Omit<StragglerOptions, 'clock' | 'isWanted'> {
  readonly clock: Clock
  /** For messages: `the gateway`, `the data port`. */
  readonly what: string
  /** How long a peer may send or accept no data in the middle of a body. */
  readonly idleMs: (request: IncomingMessage) => number
  /** The kind of resource that a request holds. */
  readonly kindOf: (request: IncomingMessage) => string
  /** Whether others wait for the resource of this kind. `running`: requests that are served. */
  readonly isWanted: (kind: string, running: number) => boolean
}

/** How long the rest of a body that nobody wants is read. */
const unwantedBodyMs = 5000

export class ServedRequests {
  readonly #options: ServedRequestsOptions
  readonly #stragglers: Stragglers
  readonly #running = new Set<AbortController>()

  constructor(options: ServedRequestsOptions) {
    this.#options = options
    this.#stragglers = new Stragglers({ ...options, isWanted: (kind) => options.isWanted(kind, this.#running.size) })
  }

  get running(): number {
    return this.#running.size
  }

  /** Aborts the first request that is too slow. @returns whether there was one */
  cutOne(peer: string | undefined): boolean {
    return this.#stragglers.cutOne(peer)
  }

  abortAll(): void {
    for (const controller of this.#running)
      controller.abort(new SkeinError('unavailable', `${this.#options.what} is stopping`, { reason: 'stopping' }))
  }

  begin(request: IncomingMessage, response: ServerResponse, awaitsContinue: boolean): ServedRequest {
    const { clock, kindOf } = this.#options
    const { socket } = request
    const controller = new AbortController()
    const gone = (): void => controller.abort(new SkeinError('cancelled', 'the client closed the connection'))
    response.on('close', gone)
    const idleMs = this.#options.idleMs(request)
    const cut = (error: SkeinError): void => {
      controller.abort(error)
      request.destroy(error)
      socket.destroy()
    }
    const watch = new IdleWatch(clock, idleMs, () =>
      cut(
        new SkeinError('deadline_exceeded', `the client made no progress for ${idleMs} ms`, {
          reason: 'stalled',
        }),
      ),
    )
    const unwatch = this.#stragglers.watch({
      kind: kindOf(request),
      peer: socket.remoteAddress ?? '',
      isWaiting: () => watch.isWaiting,
      movedBytes: () => watch.movedBytes - unsentBytes(socket),
      cut,
    })
    this.#running.add(controller)
    const served: ServedRequest = {
      request,
      response,
      signal: controller.signal,
      watch,
      awaitsContinue,
      askForBody: () => {
        if (served.awaitsContinue) response.writeContinue()
        served.awaitsContinue = false
      },
      closeIfUnasked: () => {
        if (served.awaitsContinue && !response.headersSent) response.setHeader('connection', 'close')
      },
      end: () => {
        response.off('close', gone)
        unwatch()
        watch.stop()
        this.#running.delete(controller)
        dropRest(served, clock)
      },
    }
    return served
  }
}

function dropRest({ request, awaitsContinue }: ServedRequest, clock: Clock): void {
  if (awaitsContinue || request.complete || request.destroyed) return
  request.resume()
  const cancel = clock.schedule(unwantedBodyMs, () => request.socket.destroy())
  request.once('close', cancel)
}

/**
 * Bytes that were written to a connection and have not left this process. Node counts them for its
 * own time-outs.
 */
function unsentBytes(socket: Socket): number {
  const { _handle: handle } = socket as { readonly _handle?: { readonly writeQueueSize?: number } | null }
  return socket.writableLength > 0 ? (handle?.writeQueueSize ?? 0) : 0
}
