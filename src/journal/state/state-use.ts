// Why: a damaged page may end the process inside LMDB, and the state that is found then looks like
// any that was killed. How: one byte in a file says whether LMDB is at work, from its first call in
// a turn of the event loop until the turn is over, and whether anything wrong was found. A process
// that ends in between leaves it: the next start trusts the snapshot instead. A kill that happens
// to hit such a turn costs a longer start, nothing else.
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'

const idle = Buffer.from('0')
const busy = Buffer.from('1')
const damaged = Buffer.from('2')

export class StateUse {
  readonly #fd: number
  #mode: 'idle' | 'busy' | 'damaged' | 'closed' = 'idle'
  /** Work of LMDB's own threads. */
  #beside = 0

  /** Makes or empties the file; what it said before is over. */
  constructor(path: string) {
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600)
    writeSync(this.#fd, idle, 0, 1, 0)
  }

  /** LMDB is called in this turn. */
  touch(): void {
    if (this.#mode !== 'idle') return
    this.#set('busy', busy)
    setImmediate(() => this.#rest())
  }

  /** LMDB is called, and goes on in threads of its own until the promise is settled. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#beside += 1
    this.touch()
    try {
      return await work()
    } finally {
      this.#beside -= 1
      this.#rest()
    }
  }

  get isDamaged(): boolean {
    return this.#mode === 'damaged'
  }

  /** Something in the data is wrong. Holds until the next start. */
  markDamaged(): void {
    if (this.#mode !== 'closed') this.#set('damaged', damaged)
  }

  close(): void {
    if (this.#mode === 'busy') this.#set('idle', idle)
    if (this.#mode === 'closed') return
    this.#mode = 'closed'
    closeSync(this.#fd)
  }

  #rest(): void {
    if (this.#mode === 'busy' && this.#beside === 0) this.#set('idle', idle)
  }

  #set(mode: 'idle' | 'busy' | 'damaged', byte: Uint8Array): void {
    writeSync(this.#fd, byte, 0, 1, 0)
    this.#mode = mode
  }
}

/** What the last process left: `whole` when there is no such file. */
export function lastUse(path: string): 'whole' | 'inside' | 'damaged' {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch {
    return 'whole'
  }
  try {
    const byte = Buffer.alloc(1)
    if (readSync(fd, byte, 0, 1, 0) === 0 || byte.equals(idle)) return 'whole'
    return byte.equals(busy) ? 'inside' : 'damaged'
  } finally {
    closeSync(fd)
  }
}
