// Why: while an object is written, moved or removed at the store, nobody else may write, move or
// remove it, or a directory that it is in: what one decides by, the other would change. How: a
// request names keys, each a file or (with a slash at its end) all below a directory. It waits for
// those that came before it and overlap with it, and for no others: so nobody starves, and what
// lies elsewhere goes on. A waiter that gives up is as if it had never come. Order: whoever needs
// several keys asks for them at once, and a holder never asks for more. Requests wait only for
// earlier ones, holders for nobody, so waits never go in a circle.
import { abortReason, throwIfAborted } from '../../base/clock.ts'

/**
 * Keys that are somebody's alone. `release` may be called any number of times, the first one
 * counts.
 */
export interface Hold {
  release(): void
}

interface Request<Purpose> {
  readonly keys: readonly string[]
  readonly purpose: Purpose
  /** Earlier requests that overlap and have not left yet; none: it holds. */
  readonly earlier: Set<Request<Purpose>>
  readonly later: Set<Request<Purpose>>
  grant: (() => void) | undefined
}

/** Spaces (namespaces) have nothing to do with each other. */
export class PathLatch<Purpose> {
  readonly #spaces = new Map<string, Set<Request<Purpose>>>()

  /** Requests that hold or wait. */
  get size(): number {
    let sum = 0
    for (const requests of this.#spaces.values()) sum += requests.size
    return sum
  }

  /** Waits until all the keys are free. @throws the signal's reason when it is aborted first */
  async take(space: string, keys: readonly string[], purpose: Purpose, signal: AbortSignal): Promise<Hold> {
    throwIfAborted(signal)
    const request = this.#enter(space, keys, purpose)
    if (request.earlier.size > 0) {
      const granted = Promise.withResolvers<void>()
      const onAbort = (): void => {
        this.#leave(space, request)
        granted.reject(abortReason(signal))
      }
      request.grant = () => {
        signal.removeEventListener('abort', onAbort)
        granted.resolve()
      }
      signal.addEventListener('abort', onAbort, { once: true })
      await granted.promise
    }
    return { release: () => this.#leave(space, request) }
  }

  /** The keys at once, or undefined when it would have to wait. */
  tryTake(space: string, keys: readonly string[], purpose: Purpose): Hold | undefined {
    if (this.first(space, keys) !== undefined) return undefined
    const request = this.#enter(space, keys, purpose)
    return { release: () => this.#leave(space, request) }
  }

  /** The first of those that hold or wait for any of the keys. */
  first(
    space: string,
    keys: readonly string[],
  ): { readonly keys: readonly string[]; readonly purpose: Purpose } | undefined {
    for (const request of this.#spaces.get(space) ?? []) if (overlap(request.keys, keys)) return request
    return undefined
  }

  #enter(space: string, keys: readonly string[], purpose: Purpose): Request<Purpose> {
    const requests = this.#spaces.get(space) ?? new Set()
    const request: Request<Purpose> = { keys, purpose, earlier: new Set(), later: new Set(), grant: undefined }
    for (const other of requests) {
      if (!overlap(other.keys, keys)) continue
      request.earlier.add(other)
      other.later.add(request)
    }
    requests.add(request)
    this.#spaces.set(space, requests)
    return request
  }

  #leave(space: string, request: Request<Purpose>): void {
    const requests = this.#spaces.get(space)
    if (requests?.delete(request) !== true) return
    if (requests.size === 0) this.#spaces.delete(space)
    for (const other of request.earlier) other.later.delete(request)
    for (const other of request.later) {
      other.earlier.delete(request)
      if (other.earlier.size === 0) other.grant?.()
    }
  }
}

function overlap(some: readonly string[], others: readonly string[]): boolean {
  return some.some((a) => others.some((b) => isWithin(a, b) || isWithin(b, a)))
}

/**
 * Whether a key is the other one, or below that directory. The empty key is the directory of all.
 */
function isWithin(key: string, other: string): boolean {
  return key === other || ((other === '' || other.endsWith('/')) && key.startsWith(other))
}
