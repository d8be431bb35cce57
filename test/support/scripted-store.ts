// Why: a store that answers oddly must do so in every field, and the origin cannot write what it
// holds to be wrong. How: an HTTP server whose answers the test writes itself; requests are kept,
// so that a test can say how many there were.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ScriptedRequest {
  readonly method: string
  /** Decoded, with the bucket: `/data/a/b`. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
}

export interface ScriptedAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

export interface ScriptedStore {
  readonly url: string
  readonly requests: ScriptedRequest[]
  /** Writes the answers from now on. */
  answer(script: (request: ScriptedRequest) => ScriptedAnswer): void
  close(): Promise<void>
}

export async function startScriptedStore(script: (request: ScriptedRequest) => ScriptedAnswer): Promise<ScriptedStore> {
  let current = script
  const requests: ScriptedRequest[] = []
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://store')
    const asked = {
      method: request.method ?? '',
      path: decodeURIComponent(url.pathname),
      query: url.searchParams,
      headers: request.headers,
    }
    requests.push(asked)
    send(response, asked.method, current(asked))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer: (next) => (current = next),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function send(
  response: ServerResponse,
  method: string,
  { status = 200, headers = {}, body = '' }: ScriptedAnswer,
): void {
  const bytes = Buffer.from(body)
  response.writeHead(status, { 'content-length': bytes.length, ...headers })
  response.end(method === 'HEAD' ? undefined : bytes)
}

export interface ListedEntry {
  readonly key?: string
  /** As it is written; undefined: the field is missing. */
  readonly size?: string | number | undefined
  readonly etag?: string | undefined
  readonly modified?: string | undefined
  readonly storageClass?: string
}

export interface ListedPage {
  readonly entries?: readonly (ListedEntry | string)[]
  readonly prefixes?: readonly string[]
  /** Written as IsTruncated; undefined: missing. */
  readonly truncated?: string | boolean | undefined
  readonly token?: string
  /** More elements, such as `<Marker></Marker>`. */
  readonly more?: string
}

/**
 * A listing as a store writes it, plainly spelled; a key alone stands for an object of 10 bytes.
 */
export function listingOf(page: ListedPage): ScriptedAnswer {
  const { entries = [], prefixes = [], token, more = '' } = page
  const truncated = 'truncated' in page ? page.truncated : false
  const body = [
    '<ListBucketResult><Name>data</Name>',
    element('IsTruncated', truncated),
    element('NextContinuationToken', token),
    more,
    ...entries.map((entry) => (typeof entry === 'string' ? contents({ key: entry }) : contents(entry))),
    ...prefixes.map((prefix) => `<CommonPrefixes>${element('Prefix', prefix)}</CommonPrefixes>`),
    '</ListBucketResult>',
  ].join('')
  return { headers: { 'content-type': 'application/xml' }, body: `<?xml version="1.0" encoding="UTF-8"?>${body}` }
}

function contents(entry: ListedEntry): string {
  const given = { size: 10, etag: '"e"', modified: '2023-04-20T15:31:00Z', ...entry }
  const fields = [
    element('Key', given.key),
    element('LastModified', given.modified),
    element('ETag', given.etag),
    element('Size', given.size),
    element('StorageClass', given.storageClass),
  ]
  return `<Contents>${fields.join('')}</Contents>`
}

function element(name: string, value: string | number | boolean | undefined): string {
  return value === undefined
    ? ''
    : `<${name}>${String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</${name}>`
}
