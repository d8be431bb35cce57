// Why: block bytes are checksummed in pages, so that a range read verifies only the pages that it
// touches. How: CRC-32 (as in zlib) of each 1 MiB page, computed while the bytes stream by. Writers
// in other processes (short circuit) and the block store share this definition.
import { crc32 } from './checksum/crc32.ts'

/** Bytes per page checksum. The last page of a block may be shorter. */
export const pageBytes = 1024 * 1024

/** Consumes a block's bytes in order and computes one unsigned CRC-32 per page. */
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

  /** Ends the sequence. Returns one checksum per page; none for an empty block. */
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

/** The page checksums of a complete buffer. */
export function pageChecksums(bytes: Uint8Array): number[] {
  const checksummer = new PageChecksummer()
  checksummer.update(bytes)
  return checksummer.finish()
}
