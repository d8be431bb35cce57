// Why: every request to a store is signed for the host that it goes to, and some stores send reads
// on to another host. How: one object that knows the bucket's place and the places that it was sent
// on to, each with its connections and its signer. A place is asked under the endpoint guard, and
// its answer may send on again, a few times.
import type { Clock } from '../../../base/clock.ts'
import { sendDocument, type StoreDocument } from './document-get.ts'
import { errorCodeOf, redirectError, type StoreAddress } from '../../trust/s3-errors.ts'
import type { S3Transport } from './s3-transport.ts'
import { canonicalQuery, canonicalSpelling, encodeKey, RequestSigner, type SigningCredentials } from './sigv4.ts'
import type { HttpMethod, HttpPool } from '../../transport/http-pool.ts'
import { isPresigned, isRedirect, redirectsMax, redirectTarget } from '../../transport/redirects.ts'

interface Host {
  readonly origin: URL
  readonly pool: HttpPool
  readonly signer: RequestSigner
  /** With the headers of object reads. */
  readonly readSigner: RequestSigner
}

/** Where a request goes. */
export interface StorePlace {
  readonly host: Host
  /** As it is sent and signed. */
  readonly path: string
  readonly query: string
  readonly presigned: boolean
  /** How often it was sent on. */
  readonly hops: number
}

export interface StoreRequestsOptions {
  readonly address: StoreAddress
  readonly credentials: SigningCredentials
  readonly transport: S3Transport
  readonly clock: Clock
  /** Further headers of object reads (sigv4.ts). */
  readonly readHeaders: readonly (readonly [string, string])[]
}

export interface DocumentRequest {
  /** For messages. */
  readonly what: string
  readonly method: HttpMethod
  /** In the bucket, with the namespace's prefix; empty: the bucket itself. */
  readonly key: string
  readonly query?: Readonly<Record<string, string | undefined>>
  /** Sent and signed, names in lower case. */
  readonly headers?: readonly (readonly [string, string])[]
  readonly body?: Uint8Array | undefined
  readonly payloadHash?: string | undefined
}

/** Hosts that reads were sent on to, with open connections. */
const hostsMax = 64

export class StoreRequests {
  readonly #options: StoreRequestsOptions
  readonly #home: Host
  readonly #hosts = new Map<string, Host>()
  /** Of the store's clock to ours. */
  #clockOffsetMs = 0

  constructor(options: StoreRequestsOptions) {
    this.#options = options
    this.#home = this.#hostOf(options.transport.origin)
  }

  /** The connections to the bucket's own host. */
  get homePool(): HttpPool {
    return this.#home.pool
  }

  /** Where an object is asked for first. */
  placeOf(key: string): StorePlace {
    return {
      host: this.#home,
      path: this.#options.transport.pathPrefix + encodeKey(key),
      query: '',
      presigned: false,
      hops: 0,
    }
  }

  /** Signed headers of an object read. */
  readHeaders({ host, path, query, presigned }: StorePlace): string[] {
    return presigned ? ['host', host.origin.host] : host.readSigner.sign('GET', path, query)
  }

  /**
   * Where an answer sends a read on to. @throws SkeinError where it is not followed, or not allowed
   */
  sentOn(place: StorePlace, what: string, status: number, location: string | undefined): StorePlace {
    const { address } = this.#options
    if (location === undefined) throw redirectError(address, what, status, 'it does not say where to')
    if (place.hops >= redirectsMax)
      throw redirectError(address, what, status, `it was sent on ${redirectsMax} times already`)
    const target = redirectTarget(location, place.host.origin)
    if (typeof target === 'string') throw redirectError(address, what, status, target)
    const presigned = isPresigned(target.query)
    const spelled = presigned ? target : canonicalSpelling(target.path, target.query)
    return {
      host: this.#hostAt(target.origin),
      path: spelled.path,
      query: spelled.query,
      presigned,
      hops: place.hops + 1,
    }
  }

  /** What the store's clock says now, as far as its answers tell. */
  storeNowMs(): number {
    return this.#options.clock.nowMs() + this.#clockOffsetMs
  }

  /**
   * The whole answer to a request. Reads are sent on. @throws as HttpPool's errors come; the
   * signal's reason; SkeinError of `sentOn`
   */
  async document(request: DocumentRequest, signal: AbortSignal): Promise<StoreDocument> {
    const { what, method, body, headers = [], payloadHash } = request
    const isRead = method === 'GET' || method === 'HEAD'
    let place: StorePlace = { ...this.placeOf(request.key), query: canonicalQuery(request.query ?? {}) }
    for (;;) {
      const { host, path, query, presigned } = place
      const signed = presigned
        ? ['host', host.origin.host, ...headers.flat()]
        : host.signer.signAny(method, path, query, headers, payloadHash)
      if (body !== undefined || method === 'PUT' || method === 'POST')
        signed.push('content-length', String(body?.length ?? 0))
      const answer = await sendDocument(
        host.pool,
        { method, path: query === '' ? path : `${path}?${query}`, headers: signed, body },
        signal,
      )
      const dateMs = Date.parse(answer.headers.get('date') ?? '')
      if (Number.isFinite(dateMs)) this.#clockOffsetMs = dateMs - this.#options.clock.nowMs()
      if (answer.status >= 400) this.noteClock(place, errorCodeOf(answer.text), answer.headers.get('date'))
      if (!isRedirect(answer.status)) return answer
      const location = answer.headers.get('location')
      if (!isRead)
        throw redirectError(
          this.#options.address,
          what,
          answer.status,
          `it sends a write on${location === undefined ? '' : ` to ${originOf(location)}`}, ` +
            'and only reads are followed',
        )
      // A region's redirect has its meaning in the document.
      if (location === undefined) return answer
      place = this.sentOn(place, what, answer.status, location)
    }
  }

  /** A store that refused a request for its time says what time it is. */
  noteClock({ host }: StorePlace, code: string | undefined, date: string | undefined): void {
    const storeMs = code === 'RequestTimeTooSkewed' ? Date.parse(date ?? '') : Number.NaN
    if (!Number.isFinite(storeMs)) return
    host.signer.correctClock(storeMs)
    host.readSigner.correctClock(storeMs)
  }

  close(): void {
    for (const { pool } of [this.#home, ...this.#hosts.values()]) pool.close()
    this.#hosts.clear()
  }

  #hostAt(origin: URL): Host {
    if (origin.origin === this.#home.origin.origin) return this.#home
    const known = this.#hosts.get(origin.origin)
    const host = known ?? this.#hostOf(origin)
    // In order of last use.
    this.#hosts.delete(origin.origin)
    this.#hosts.set(origin.origin, host)
    for (const [name, { pool }] of this.#hosts) {
      if (this.#hosts.size <= hostsMax) break
      if (!pool.isIdle || name === origin.origin) continue
      pool.close()
      this.#hosts.delete(name)
    }
    return host
  }

  #hostOf(origin: URL): Host {
    const { credentials, transport, clock, readHeaders } = this.#options
    return {
      origin,
      pool: transport.connect(origin),
      signer: new RequestSigner(credentials, origin.host, [], clock),
      readSigner: new RequestSigner(credentials, origin.host, readHeaders, clock),
    }
  }
}

/** Scheme and host of a Location; never its query, which may be a key to something. */
function originOf(location: string): string {
  return URL.canParse(location) ? new URL(location).origin : 'another place'
}
