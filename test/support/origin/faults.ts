// Why: an origin that is never ill tests little. How: a list of rules; the first that fits a
// request and has times left is applied.
export type RequestKind =
  | 'list'
  | 'head'
  | 'get'
  | 'put'
  | 'delete'
  | 'other'
  | 'create_upload'
  | 'part'
  | 'complete_upload'
  | 'abort_upload'

export type FaultKind =
  /** 503 SlowDown, or with `status` 429. */
  | 'slow_down'
  /** 500 InternalError. */
  | 'internal'
  /**
   * The connection is reset after `afterBytes` of the body: of the answer's, for a PUT of the
   * request's.
   */
  | 'cut'
  /** The body stops after `afterBytes`, the connection stays. */
  | 'stall'
  /** No answer at all, the connection stays. */
  | 'silent'
  /** The object is overwritten just before the request is looked at. */
  | 'overwrite'
  /** 403 InvalidObjectState, whatever the storage class. */
  | 'archived'
  /** 404 NoSuchKey. */
  | 'missing'
  /** 403 AccessDenied. */
  | 'denied'
  /** Status 200 and an error document in place of data. */
  | 'error_document'
  /** The bytes and the Content-Range of another place. */
  | 'wrong_range'
  /** The body ends early, in good order, with a Content-Length that fits it. */
  | 'short'
  /** Another ETag than the object's. */
  | 'stale_etag'
  /** The answer waits `delayMs`. */
  | 'delay'
  /** A write is carried out, and the connection reset in place of the answer. */
  | 'lost_answer'
  /** 501 NotImplemented when the write has a condition. */
  | 'unconditional'
  /** No version in If-Match is the right one for a write. */
  | 'misread'

export interface Fault {
  readonly kind: FaultKind
  /** Only these requests; all when undefined. */
  readonly on?: RequestKind
  /** Only this key. */
  readonly key?: string
  /** How often; 1 when undefined. */
  times?: number
  /** Of the requests that fit, the share that is hit; 1 when undefined. */
  readonly share?: number
  readonly afterBytes?: number
  readonly delayMs?: number
  readonly status?: number
}

export class Faults {
  readonly #rules: Fault[] = []
  readonly #random: () => number
  /** How often each kind was applied. */
  readonly applied: Partial<Record<FaultKind, number>> = {}

  constructor(random: () => number) {
    this.#random = random
  }

  add(...faults: readonly Fault[]): void {
    this.#rules.push(...faults.map((fault) => ({ ...fault, times: fault.times ?? 1 })))
  }

  clear(): void {
    this.#rules.length = 0
  }

  /** The fault for this request, counted as applied. */
  take(kind: RequestKind, key: string): Fault | undefined {
    if (this.#rules.length === 0) return undefined
    for (const rule of this.#rules) {
      const fits =
        (rule.on === undefined || rule.on === kind) &&
        (rule.key === undefined || rule.key === key) &&
        (rule.times ?? 0) > 0
      if (!fits || (rule.share !== undefined && this.#random() >= rule.share)) continue
      rule.times = (rule.times ?? 0) - 1
      this.applied[rule.kind] = (this.applied[rule.kind] ?? 0) + 1
      return rule
    }
    return undefined
  }
}
