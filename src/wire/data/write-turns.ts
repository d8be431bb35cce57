// Why: each block that is being received needs memory (the read-ahead of its connection, the piece
// being written), and there may be many connections. How: the memory limit bounds the number of
// blocks received at once. The others wait with nothing read. The next turn goes to the peer with
// the fewest running turns, so that many writes of one peer do not block another one. As many again
// may wait, because a peer may send without waiting for permission. Beyond that, the last waiting
// write of the peer with the most is refused.
import { abortReason } from '../../base/clock.ts'
import type { Share } from '../../base/flow/budget.ts'
import { SkeinError } from '../../base/errors.ts'

/**
 * Memory per body: the buffer of the connection, a piece on its way to the disk, and data in the
 * parser.
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
  /** Peers with running or waiting writes, in order of arrival. */
  readonly #peers = new Map<string, Peer>()
  #running = 0
  #waiting = 0

  /** @param bytesMax memory limit of all bodies that are being received */
  constructor(bytesMax: number) {
    this.#turnsMax = Math.max(1, Math.floor(bytesMax / writeShareBytes))
  }

  /** Memory that the running writes may use. */
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
        `${this.#turnsMax} blocks are being received and as many wait; try again later`,
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
