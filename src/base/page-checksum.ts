// Why: block bytes are checked in pieces small enough for a range read to verify only what it
// touches. How: CRC-32 (zlib's) of each 1 MiB page, computed while the bytes stream by. Writers in
// other processes (short circuit) and the store share this one definition.
import { crc32 } from 'node:zlib'

/** Bytes a page checksum covers; the last page of a block is shorter. */
export const pageBytes = 1024 * 1024

/** Feeds on a block's bytes in order and yields one unsigned CRC-32 a page. */
export class PageChecksummer {
  readonly #done: number[] = []
  #crc = 0
  #inPage = 0

  update(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length;) {
      const take = Math.min(chunk.length - from, pageBytes - this.#inPage)
      this.#crc = crc32(chunk.subarray(from, from + take), this.#crc)
      this.#inPage += take
      from += take
      if (this.#inPage === pageBytes) this.#endPage()
    }
  }

  /** The checksums, one a page; none for an empty block. Ends the sequence. */
  finish(): number[] {
    if (this.#inPage > 0) this.#endPage()
    return this.#done
  }

  #endPage(): void {
    this.#done.push(this.#crc)
    this.#crc = 0
    this.#inPage = 0
  }
}

/** The checksums of whole bytes at once. */
export function pageChecksums(bytes: Uint8Array): number[] {
  const checksummer = new PageChecksummer()
  checksummer.update(bytes)
  return checksummer.finish()
}
