// Why: pages of a mapped file that were read once stay in the process's resident memory, where
// operators and memory limits count them, although the kernel could have them back at any time.
// How: every so many reads the kernel is asked how much of the process is file-backed (Linux only;
// elsewhere nothing happens), and above the limit the owner is called, between two turns of the
// event loop, to map its file anew. The pages stay in the kernel's cache: reading them again is
// cheap.
import { readFileSync } from 'node:fs'

/** Reads that may bring in pages between two looks: a read maps a few, with their neighbours. */
const readsPerLook = 2048
const statusPath = '/proc/self/status'

export class MappedMemory {
  readonly #bytesMax: number
  readonly #remap: () => boolean
  /** Raised when something else than the owner's file takes the memory. */
  #remapAtBytes: number
  #reads = 0
  #due = false

  /** @param remap gives whether it could be done now */
  constructor(bytesMax: number, remap: () => boolean) {
    this.#bytesMax = bytesMax
    this.#remapAtBytes = bytesMax
    this.#remap = remap
  }

  /** To be called for every read. */
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
