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

/** Times of a listing: objects that were written together mostly have the same. */
export class DocumentTimes {
  #ms = Number.NaN
  #text = ''

  text(ms: number): string {
    if (ms !== this.#ms) {
      this.#ms = ms
      this.#text = documentTime(ms)
    }
    return this.#text
  }
}
