// Why: roles in one process call each other often, for each small object of a door several times,
// and a call through a socket costs several times what it does. How: the messages are encoded,
// limited and decoded as on the network, so a call means the same; only the socket is left out.
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import { errorToJson, grpcOk, statusTable } from '../status.ts'
import type { RawChannel, RawMethod, RawOutcome } from './grpc.ts'

const noBytes = new Uint8Array()

/** A channel to methods of this process. Its `close` ends nothing: many clients share it. */
export class LocalChannel implements RawChannel {
  readonly #methods: ReadonlyMap<string, RawMethod>
  readonly #clock: Pick<Clock, 'nowMs' | 'schedule'>
  /** Each ends one running call with an error. */
  readonly #running = new Set<(error: SkeinError) => void>()
  readonly #idle = Promise.withResolvers<void>()
  #isStopped = false

  constructor(methods: readonly RawMethod[], clock: Pick<Clock, 'nowMs' | 'schedule'>) {
    this.#methods = new Map(methods.map((method) => [method.path, method]))
    this.#clock = clock
  }

  call(path: string, request: Uint8Array, deadlineAtMs: number, signal: AbortSignal): Promise<RawOutcome> {
    const method = this.#methods.get(path)
    if (this.#isStopped) return Promise.resolve(failed(stopping()))
    if (method === undefined)
      return Promise.resolve(failed(new SkeinError('unimplemented', `${path} is not implemented here`)))
    const controller = new AbortController()
    return new Promise((resolve) => {
      const end = (outcome: RawOutcome): void => {
        signal.removeEventListener('abort', onAbort)
        cancelDeadline()
        this.#running.delete(abort)
        resolve(outcome)
        this.#settle()
      }
      const stop = (code: 'cancelled' | 'deadline_exceeded'): void => {
        controller.abort(new SkeinError('cancelled', `${method.name} was cancelled by its caller or its deadline`))
        end({ status: statusTable[code].grpc, details: '', errorJson: undefined, bytes: noBytes })
      }
      const abort = (error: SkeinError): void => {
        controller.abort(error)
        end(failed(error))
      }
      this.#running.add(abort)
      const onAbort = (): void => stop('cancelled')
      const cancelDeadline = this.#clock.schedule(Math.max(0, deadlineAtMs - this.#clock.nowMs()), () =>
        stop('deadline_exceeded'),
      )
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) return onAbort()
      method.handle({ request, signal: controller.signal, deadlineAtMs }).then(
        (bytes) => end({ status: grpcOk, details: '', errorJson: undefined, bytes }),
        (thrown: unknown) => end(failed(thrown)),
      )
    })
  }

  close(): void {
    // The methods belong to their server.
  }

  /** Accepts no new calls. Resolves when the running ones have ended. */
  drain(): Promise<void> {
    this.#isStopped = true
    this.#settle()
    return this.#idle.promise
  }

  /** Ends the running calls with this error. */
  abortCalls(error: SkeinError): void {
    for (const abort of this.#running) abort(error)
  }

  #settle(): void {
    if (this.#isStopped && this.#running.size === 0) this.#idle.resolve()
  }
}

function stopping(): SkeinError {
  return new SkeinError('unavailable', 'the role is stopping', { reason: 'stopping' })
}

function failed(thrown: unknown): RawOutcome {
  const json = errorToJson(thrown)
  return {
    status: statusTable[json.code].grpc,
    details: json.message,
    errorJson: JSON.stringify(json),
    bytes: noBytes,
  }
}
