// Why: multipart uploads of one bucket of the origin, strict about parts where a real store is.
import { hash } from 'node:crypto'

const partBytesMin = 5 * 1024 * 1024

interface Part {
  readonly body: Buffer
  readonly etag: string
}

export class OriginUploads {
  readonly #open = new Map<
    string,
    {
      readonly key: string
      readonly initiatedMs: number
      readonly metadata: Readonly<Record<string, string>>
      readonly parts: Map<number, Part>
    }
  >()
  #made = 0

  get count(): number {
    return this.#open.size
  }

  create(key: string, initiatedMs = Date.now(), metadata: Readonly<Record<string, string>> = {}): string {
    this.#made += 1
    const id = `upload-${this.#made}`
    this.#open.set(id, { key, initiatedMs, metadata, parts: new Map() })
    return id
  }

  /** A ListMultipartUploadsResult. */
  listing(prefix: string): string {
    const uploads = [...this.#open].filter(([, { key }]) => key.startsWith(prefix))
    const listed = uploads.map(
      ([id, { key, initiatedMs }]) =>
        `<Upload><Key>${encodeURIComponent(key)}</Key><UploadId>${id}</UploadId>` +
        `<Initiated>${new Date(initiatedMs).toISOString()}</Initiated></Upload>`,
    )
    return `<ListMultipartUploadsResult><EncodingType>url</EncodingType>${listed.join('')}</ListMultipartUploadsResult>`
  }

  has(id: string, key: string): boolean {
    return this.#open.get(id)?.key === key
  }

  /** The part's ETag. */
  addPart(id: string, number: number, body: Buffer): string {
    const etag = hash('md5', body)
    this.#open.get(id)?.parts.set(number, { body, etag })
    return etag
  }

  remove(id: string): void {
    this.#open.delete(id)
  }

  /**
   * The object, or the error code that this list of parts earns. Ends the upload when it is an
   * object.
   */
  complete(
    id: string,
    listed: readonly { readonly number: number; readonly etag: string }[],
  ): { body: Buffer; etag: string; metadata: Readonly<Record<string, string>> } | string {
    const parts: Part[] = []
    const { metadata = {} } = this.#open.get(id) ?? {}
    for (const [at, { number, etag }] of listed.entries()) {
      const part = this.#open.get(id)?.parts.get(number)
      if (part === undefined || part.etag !== etag || number <= (listed[at - 1]?.number ?? 0)) return 'InvalidPart'
      if (at < listed.length - 1 && part.body.length < partBytesMin) return 'EntityTooSmall'
      parts.push(part)
    }
    if (parts.length === 0) return 'InvalidPart'
    this.#open.delete(id)
    const digests = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag, 'hex')))
    const body = Buffer.concat(parts.map((part) => part.body))
    return { body, etag: `${hash('md5', digests)}-${parts.length}`, metadata }
  }
}
