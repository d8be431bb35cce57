// Why: consecutive small files go to the same workers, so that sets are full however many workers
// there are. How: the files of a group share the hash of its first file. Groups start small and
// grow with the load, so that workers stay equally full.
import { hashNumbers } from '../placing/hash.ts'

interface GroupLimits {
  /** Number of consecutive one-block files that share a hash. Default: 1. */
  readonly groupFiles?: number
  readonly batchBytes: number
}

/** A group of small files is at most 1/32 of what each worker has got from the load so far. */
const groupShare = 32

/**
 * Number of consecutive small files that go to the same workers. Without groups, a page of files
 * would make many tiny sets for many tuples of workers (20 workers, 2 replicas: 380 tuples). Groups
 * start small and grow with the load, so that workers stay equally full.
 */
export function groupFilesOf(filesPlanned: number, liveWorkers: number, batchFiles: number): number {
  return Math.max(1, Math.min(batchFiles, Math.floor(filesPlanned / (Math.max(1, liveWorkers) * groupShare))))
}

/** The hash that a group of consecutive small files shares: the hash of the first file. */
export class FileGroups {
  readonly #filesMax: number
  readonly #bytesMax: number
  #hash = 0
  #files = 0
  #bytes = 0

  constructor({ groupFiles = 1, batchBytes }: GroupLimits) {
    this.#filesMax = groupFiles
    this.#bytesMax = batchBytes
  }

  hashOf(fileId: number, bytes: number): number {
    if (this.#files === 0 || this.#files >= this.#filesMax || this.#bytes + bytes > this.#bytesMax) {
      this.#hash = hashNumbers(fileId, 0)
      this.#files = 0
      this.#bytes = 0
    }
    this.#files += 1
    this.#bytes += bytes
    return this.#hash
  }
}
