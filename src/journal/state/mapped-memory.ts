// Why: pages of a mapped file stay in the resident memory of the process after they were read.
// Operators and memory limits count them, although the kernel could reclaim them at any time. How:
// after a number of reads, this file asks the kernel how much of the process is file-backed (Linux
// only; elsewhere nothing happens). Above the limit it calls the owner, between two turns of the
// event loop, to remap its file. The pages stay in the kernel's cache, so reading them again is
// cheap.
import { readFileSync } from 'node:fs'

/** Reads between two checks. A read maps a few pages and their neighbours. */
const readsPerLook = 2048
const statusPath = '/proc/self/status'

export class MappedMemory {
  readonly #bytesMax: number
  readonly #remap: () => boolean
  /** Raised when something other than the owner's file uses the memory. */
  #remapAtBytes: number
  #reads = 0
  #due = false

  /** @param remap returns whether it could be done now */
  constructor(bytesMax: number, remap: () => boolean) {
    this.#bytesMax = bytesMax
    this.#remapAtBytes = bytesMax
    this.#remap = remap
  }

  /** Must be called for every read. */
  read(): void {
    this.#reads += 1
    if (this.#reads < readsPerLook || this.#due) return
    this.#reads = 0
    if (fileBackedBytes() <= this.#remapAtBytes) return
    this.#due = true
    setImmediate(() => {
      this.#due = false
      if (this.#remap()) this.#remapAtBytes = Math.max(this.#bytesMax, fileBackedBytes() + this.#bytesMax / 2)
    })
  }
}

function fileBackedBytes(): number {
  try {
    return Number(/^RssFile:\s+(\d+) kB/m.exec(readFileSync(statusPath, 'utf8'))?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
