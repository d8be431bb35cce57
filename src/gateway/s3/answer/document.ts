// Why: every document of S3 has the same head, and the same namespace.

export const xmlHead = '<?xml version="1.0" encoding="UTF-8"?>\n'
const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/'

/** A whole document. @param content elements, as base/xml/xml-write.ts writes them */
export function xmlDocument(root: string, ...content: readonly string[]): string {
  return `${xmlHead}<${root} xmlns="${namespace}">${content.join('')}</${root}>`
}

/** As in `LastModified`. */
export function documentTime(ms: number): string {
  return new Date(ms).toISOString()
}

/** `2026-01-02T03:04:05.` */
const secondLength = 20

/** Times of a listing: objects that were written together mostly have the same second. */
export class DocumentTimes {
  #second = Number.NaN
  #text = ''

  text(ms: number): string {
    const second = Math.floor(ms / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#text = documentTime(second * 1000).slice(0, secondLength)
    }
    return `${this.#text}${String(Math.trunc(ms - second * 1000)).padStart(3, '0')}Z`
  }
}
