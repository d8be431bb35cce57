// Why: reading ahead is worth it only behind a reader that goes through a file. How: a stream is a
// place that reads follow one after the other. A read that is far from it is random; when the next
// read follows that one, the stream has moved there. So single reads elsewhere, such as of an
// index, do not end a stream, and reads that come a little out of order belong to it. Pure.

/** How far from its place a read may be, in reads of its own length. */
const slackReads = 2
const slackBytesMax = 1024 * 1024

export class ReadPattern {
  /** Where the next read of the stream begins; undefined: there is none. */
  #next: number | undefined
  /** The end of the last read that was not of the stream. */
  #other: number | undefined

  get next(): number | undefined {
    return this.#next
  }

  /**
   * Takes note of a read when it begins.
   * @returns `begins`: of a new stream, which replaces the one before
   */
  note(position: number, length: number): 'random' | 'begins' | 'follows' {
    const end = position + length
    const slack = slackOf(length)
    if (this.#next !== undefined && Math.abs(position - this.#next) <= slack) {
      this.#next = Math.max(this.#next, end)
      return 'follows'
    }
    if (this.#other !== undefined && Math.abs(position - this.#other) <= slack && end > this.#other) {
      this.#next = end
      this.#other = undefined
      return 'begins'
    }
    this.#other = end
    return 'random'
  }
}

/** Bytes by which reads of this length may be out of order. */
export function slackOf(length: number): number {
  return Math.min(slackReads * length, slackBytesMax)
}
