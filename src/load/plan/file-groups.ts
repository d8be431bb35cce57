// Why: small files in a row go to the same workers, so that their sets are full however many
// workers there are. How: the files of a group share the hash of the first of them; groups begin
// small and grow with the load, so that workers stay equally full.
import { hashNumbers } from '../placing/hash.ts'

interface GroupLimits {
  /** Files of one block in a row that share a hash; 1 when not given. */
  readonly groupFiles?: number
  readonly batchBytes: number
}

/** A group of small files is at most this part of what each worker has got of the load before. */
const groupShare = 32

/**
 * How many small files in a row go to the same workers: without groups a page of files for many
 * tuples of workers makes many tiny sets (20 workers, 2 replicas: 380 tuples). Groups begin small
 * and grow with the load, so that workers stay equally full.
 */
export function groupFilesOf(filesPlanned: number, liveWorkers: number, batchFiles: number): number {
  return Math.max(1, Math.min(batchFiles, Math.floor(filesPlanned / (Math.max(1, liveWorkers) * groupShare))))
}

/** The hash that small files in a row share: that of the first of them. */
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
