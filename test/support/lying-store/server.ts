// Why: a store that lies must be an S3 store else: the client under test reaches it over HTTP, by
// its own requests. How: buckets with a truth each and the lies that it is told with; no signature
// is checked. Requests are counted, so that a client that asks for ever is seen.
import { hash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { compareKeys } from '../../../src/ufs/key-order.ts'
import { escapeXml } from '../origin/listing.ts'
import type { Asked, Lie, ObjectAnswer, Page, Truth } from './lies.ts'

export class LyingBucket {
  readonly truth = new Map<string, Truth>()
  /** All versions that an object had, whole. */
  readonly versions = new Map<string, Buffer[]>()
  readonly random: () => number
  lies: readonly Lie[] = []
  /** Left out of listings. */
  omitted: ReadonlySet<string> = new Set()
  pageSize = 3
  lists = 0
  #replaced = new Set<string>()

  constructor(random: () => number) {
    this.random = random
  }

  put(key: string, bytes: Buffer): void {
    this.truth.set(key, { key, bytes, etag: hash('md5', bytes) })
    this.versions.set(key, [...(this.versions.get(key) ?? []), bytes])
  }

  list(asked: Asked): Page {
    this.lists += 1
    const { order } = this.lies.find((lie) => lie.order !== undefined) ?? {}
    const keys = [...this.truth.keys()].filter((key) => key.startsWith(asked.prefix) && !this.omitted.has(key))
    const sorted = keys.sort(order ?? compareKeys)
    const from =
      asked.token === undefined
        ? sorted.findIndex((key) => compareKeys(key, asked.after) > 0)
        : tokenIndex(asked.token, sorted)
    const rest = asked.after === '' && asked.token === undefined ? sorted : from < 0 ? [] : sorted.slice(from)
    const size = Math.min(this.pageSize, asked.limit)
    const shown = rest.slice(0, size)
    const isTruncated = rest.length > size
    const page: Page = {
      entries: shown.map((key) => ({ key, fields: this.#fields(key) })),
      prefixes: [],
      truncated: String(isTruncated),
      token: isTruncated ? `k${shown.at(-1) ?? ''}` : undefined,
      more: '',
      body: undefined,
      status: 200,
    }
    for (const { list } of this.lies) list?.(page, asked, this.random)
    return page
  }

  answer(method: string, key: string, headers: IncomingMessage['headers']): ObjectAnswer {
    const ignoresMatch = this.lies.some((lie) => lie.ignoresMatch === true)
    if (
      method === 'GET' &&
      this.lies.some(({ replaces }) => replaces === true) &&
      !this.#replaced.has(key) &&
      this.random() < 0.3
    ) {
      this.#replaced.add(key)
      const old = this.truth.get(key)
      if (old !== undefined) this.put(key, Buffer.from(old.bytes.map((byte) => byte ^ 0xff)))
    }
    const object = this.truth.get(key)
    if (object === undefined) return failure(404, 'NoSuchKey')
    const match = headers['if-match']?.replaceAll('"', '')
    if (match !== undefined && match !== '*' && match !== object.etag && !ignoresMatch)
      return failure(412, 'PreconditionFailed')
    const common = {
      etag: `"${object.etag}"`,
      'last-modified': 'Thu, 20 Apr 2023 15:31:00 GMT',
      'content-length': String(object.bytes.length),
    }
    if (method === 'HEAD') {
      const answer: ObjectAnswer = { status: 200, headers: common, body: Buffer.alloc(0) }
      for (const { head } of this.lies) head?.(answer, object)
      return answer
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '')
    const [from, to] =
      range === null
        ? [0, object.bytes.length]
        : [Number(range[1]), Math.min(object.bytes.length, Number(range[2]) + 1)]
    if (from >= object.bytes.length && object.bytes.length > 0) return failure(416, 'InvalidRange')
    const body = object.bytes.subarray(from, to)
    const answer: ObjectAnswer = {
      status: range === null ? 200 : 206,
      headers: {
        ...common,
        'content-length': String(body.length),
        ...(range !== null && { 'content-range': `bytes ${from}-${to - 1}/${object.bytes.length}` }),
      },
      body,
    }
    for (const { get } of this.lies) get?.(answer, object, this.random)
    return answer
  }

  #fields(key: string): Record<string, string | undefined> {
    const object = this.truth.get(key)
    return {
      Key: key,
      LastModified: '2023-04-20T15:31:00.000Z',
      ETag: `"${object?.etag ?? ''}"`,
      Size: String(object?.bytes.length ?? 0),
      StorageClass: 'STANDARD',
    }
  }
}

export interface LyingStore {
  readonly url: string
  bucket(name: string, random: () => number): LyingBucket
  close(): Promise<void>
}

export async function startLyingStore(): Promise<LyingStore> {
  const buckets = new Map<string, LyingBucket>()
  const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
    const url = new URL(request.url ?? '/', 'http://store')
    const [, bucketName = '', ...rest] = url.pathname.split('/')
    const bucket = buckets.get(bucketName)
    const key = decodeURIComponent(rest.join('/'))
    if (bucket === undefined) send(response, request.method, failure(404, 'NoSuchBucket'))
    else if (key === '') send(response, request.method, written(bucket.list(askedOf(url.searchParams))))
    else send(response, request.method, bucket.answer(request.method ?? '', key, request.headers))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bucket: (name, random) => {
      const bucket = new LyingBucket(random)
      buckets.set(name, bucket)
      return bucket
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function askedOf(query: URLSearchParams): Asked {
  return {
    prefix: query.get('prefix') ?? '',
    limit: Number(query.get('max-keys') ?? 1000),
    after: query.get('start-after') ?? '',
    token: query.get('continuation-token') ?? undefined,
  }
}

/**
 * Behind the key that the token names, wherever that stands; a token that names none begins again.
 */
function tokenIndex(token: string, sorted: readonly string[]): number {
  const at = sorted.indexOf(token.slice(1))
  return at + 1 < sorted.length ? at + 1 : -1
}

function written(page: Page): ObjectAnswer {
  const element = (name: string, value: string | undefined): string =>
    value === undefined ? '' : `<${name}>${escapeXml(value)}</${name}>`
  const body =
    page.body ??
    [
      '<ListBucketResult>',
      element('IsTruncated', page.truncated),
      element('NextContinuationToken', page.token),
      page.more,
      ...page.entries.map(
        ({ fields }) =>
          `<Contents>${Object.entries(fields)
            .map(([name, value]) => element(name, value))
            .join('')}</Contents>`,
      ),
      ...page.prefixes.map((prefix) => `<CommonPrefixes>${element('Prefix', prefix)}</CommonPrefixes>`),
      '</ListBucketResult>',
    ].join('')
  const bytes = Buffer.from(page.status === -1 ? body.slice(0, body.length >> 1) : body)
  return {
    status: page.status === -1 ? 200 : page.status,
    headers: { 'content-length': String(bytes.length) },
    body: bytes,
  }
}

function failure(status: number, code: string): ObjectAnswer {
  const body = Buffer.from(`<Error><Code>${code}</Code></Error>`)
  return { status, headers: { 'content-length': String(body.length) }, body }
}

function send(
  response: ServerResponse,
  method: string | undefined,
  { status, headers, body, cutAfter }: ObjectAnswer,
): void {
  response.writeHead(status, headers)
  if (method === 'HEAD') response.end()
  else if (cutAfter === undefined) response.end(body)
  else {
    response.write(body.subarray(0, cutAfter))
    setTimeout(() => response.socket?.resetAndDestroy(), 5)
  }
}
