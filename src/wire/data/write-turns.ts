// Why: each block that is being sent here holds memory (what its connection has read ahead, the
// piece being written), and connections are many. How: so many are taken at once as fit in a bound
// for all. The others wait with nothing read; the next turn is given to the peer that has the
// fewest, so that many of one peer do not keep out the one of another. As many again may wait,
// because a peer may send without being asked; beyond, the peer with the most has its last one
// refused.
import { abortReason } from '../../base/clock.ts'
import type { Share } from '../../base/flow/budget.ts'
import { SkeinError } from '../../base/errors.ts'

/**
 * What one body holds: the connection's buffer, a piece on its way to the disk, and what the parser
 * has in hand.
 */
export const writeShareBytes = 512 * 1024

interface Peer {
  running: number
  readonly waiting: Waiter[]
}

interface Waiter {
  readonly take: () => void
  readonly refuse: (error: SkeinError) => void
}

export class WriteTurns {
  readonly #turnsMax: number
  /** Of those with something. In the order in which they came. */
  readonly #peers = new Map<string, Peer>()
  #running = 0
  #waiting = 0

  /** @param bytesMax of all bodies that are being received */
  constructor(bytesMax: number) {
    this.#turnsMax = Math.max(1, Math.floor(bytesMax / writeShareBytes))
  }

  /** Bytes that the running ones may hold. */
  get usedBytes(): number {
    return this.#running * writeShareBytes
  }

  get waiting(): number {
    return this.#waiting
  }

  /**
   * Waits for a turn.
   * @throws SkeinError resource_exhausted (`too_many_writes`), retryable, when too many wait; the
   *   signal's reason
   */
  enter(name: string, signal: AbortSignal): Promise<Share> {
    if (signal.aborted) return Promise.reject(abortReason(signal))
    const peer = this.#peers.get(name) ?? { running: 0, waiting: [] }
    this.#peers.set(name, peer)
    if (this.#running < this.#turnsMax && this.#waiting === 0) return Promise.resolve(this.#take(name, peer))
    const { promise, resolve, reject } = Promise.withResolvers<Share>()
    const onAbort = (): void => {
      this.#leave(name, peer, waiter)
      reject(abortReason(signal))
    }
    const waiter: Waiter = {
      take: () => {
        signal.removeEventListener('abort', onAbort)
        resolve(this.#take(name, peer))
      },
      refuse: (error) => {
        signal.removeEventListener('abort', onAbort)
        reject(error)
      },
    }
    signal.addEventListener('abort', onAbort, { once: true })
    peer.waiting.push(waiter)
    this.#waiting += 1
    if (this.#waiting > this.#turnsMax) this.#refuseOne()
    return promise
  }

  #take(name: string, peer: Peer): Share {
    this.#running += 1
    peer.running += 1
    let held = true
    return {
      release: () => {
        if (!held) return
        held = false
        this.#running -= 1
        peer.running -= 1
        this.#forgetIdle(name, peer)
        this.#next()
      },
    }
  }

  #next(): void {
    while (this.#waiting > 0 && this.#running < this.#turnsMax) {
      const peer = least([...this.#peers.values()].filter(({ waiting }) => waiting.length > 0))
      this.#waiting -= 1
      peer?.waiting.shift()?.take()
    }
  }

  #refuseOne(): void {
    let most: [string, Peer] | undefined
    for (const entry of this.#peers)
      if (most === undefined || entry[1].waiting.length > most[1].waiting.length) most = entry
    const last = most?.[1].waiting.at(-1)
    if (most === undefined || last === undefined) return
    this.#leave(...most, last)
    last.refuse(
      new SkeinError(
        'resource_exhausted',
        `${this.#turnsMax} blocks are being sent here and as many wait; send this one again later`,
        {
          reason: 'too_many_writes',
          retryable: true,
        },
      ),
    )
  }

  #leave(name: string, peer: Peer, waiter: Waiter): void {
    const index = peer.waiting.indexOf(waiter)
    if (index < 0) return
    peer.waiting.splice(index, 1)
    this.#waiting -= 1
    this.#forgetIdle(name, peer)
  }

  #forgetIdle(name: string, peer: Peer): void {
    if (peer.running === 0 && peer.waiting.length === 0) this.#peers.delete(name)
  }
}

function least(peers: readonly Peer[]): Peer | undefined {
  return peers.reduce<Peer | undefined>(
    (best, peer) => (best === undefined || peer.running < best.running ? peer : best),
    undefined,
  )
}
