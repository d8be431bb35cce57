// Why: every request to a store is signed for the host that it goes to, and some stores redirect
// reads to another host. How: one object that knows the bucket's host and the hosts of redirects,
// each with its connections and its signer. The endpoint guard applies to every host. Redirects are
// followed a limited number of times.
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
  /** Signs the headers of object reads, too. */
  readonly readSigner: RequestSigner
}

/** Where a request goes. */
export interface StorePlace {
  readonly host: Host
  /** As it is sent and signed. */
  readonly path: string
  readonly query: string
  readonly presigned: boolean
  /** The number of redirects so far. */
  readonly hops: number
}

export interface StoreRequestsOptions {
  readonly address: StoreAddress
  readonly credentials: SigningCredentials
  readonly transport: S3Transport
  readonly clock: Clock
  /** Additional headers of object reads (sigv4.ts). */
  readonly readHeaders: readonly (readonly [string, string])[]
}

export interface DocumentRequest {
  /** The name of the request in messages. */
  readonly what: string
  readonly method: HttpMethod
  /** The key in the bucket, with the namespace's prefix. Empty: the bucket itself. */
  readonly key: string
  readonly query?: Readonly<Record<string, string | undefined>>
  /** Sent and signed. The names are in lower case. */
  readonly headers?: readonly (readonly [string, string])[]
  readonly body?: Uint8Array | undefined
  readonly payloadHash?: string | undefined
}

/** Maximum hosts of redirects with open connections. */
const hostsMax = 64

export class StoreRequests {
  readonly #options: StoreRequestsOptions
  readonly #home: Host
  readonly #hosts = new Map<string, Host>()
  /** The offset of the store's clock from ours. */
  #clockOffsetMs = 0

  constructor(options: StoreRequestsOptions) {
    this.#options = options
    this.#home = this.#hostOf(options.transport.origin)
  }

  /** The connections to the bucket's own host. */
  get homePool(): HttpPool {
    return this.#home.pool
  }

  /** Where an object is requested first. */
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
   * The target of a redirect.
   * @throws SkeinError when the redirect is not followed or not allowed
   */
  sentOn(place: StorePlace, what: string, status: number, location: string | undefined): StorePlace {
    const { address } = this.#options
    if (location === undefined) throw redirectError(address, what, status, 'it has no Location')
    if (place.hops >= redirectsMax)
      throw redirectError(address, what, status, `it was redirected ${redirectsMax} times already`)
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

  /** The current time of the store's clock, as far as its responses tell. */
  storeNowMs(): number {
    return this.#options.clock.nowMs() + this.#clockOffsetMs
  }

  /**
   * The complete response to a request. Reads follow redirects.
   * @throws the errors of HttpPool, unchanged; the signal's reason; the SkeinErrors of `sentOn`
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
          `it redirects a write${location === undefined ? '' : ` to ${originOf(location)}`}, ` +
            'and Skein follows redirects only for reads',
        )
      // The document explains a redirect to another region.
      if (location === undefined) return answer
      place = this.sentOn(place, what, answer.status, location)
    }
  }

  /** Takes the time from the Date header when the store refused a request because of its time. */
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
    // The map is in order of last use.
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

/** Scheme and host of a Location. Never its query, which may contain credentials. */
function originOf(location: string): string {
  return URL.canParse(location) ? new URL(location).origin : 'another place'
}
