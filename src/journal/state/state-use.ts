// Why: a damaged page may crash the process inside LMDB, and then the state looks like that of any
// killed process. How: one byte in a file says whether LMDB is working, from its first call in a
// turn of the event loop until the turn is over, and whether damage was found. A process that ends
// in between leaves this byte, and the next start uses the snapshot. If a kill happens to hit such
// a turn, the start only takes longer.
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs'

const idle = Buffer.from('0')
const busy = Buffer.from('1')
const damaged = Buffer.from('2')

export class StateUse {
  readonly #fd: number
  #mode: 'idle' | 'busy' | 'damaged' | 'closed' = 'idle'
  /** Running operations in LMDB's own threads. */
  #beside = 0

  /** Creates or resets the file. */
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

  /** LMDB is called, and works in its own threads until the promise settles. */
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

  /** Damaged data was found. Holds until the next start. */
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

/** The mark of the last process; `whole` if there is no file. */
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
