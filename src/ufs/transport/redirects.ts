// Why: some stores answer a read with the address of the node that has the bytes. How: what a
// Location means, as a pure function: where to ask instead, or why that is not done. Only reads are
// sent on, and never to another scheme: what was asked over TLS is not asked in the open, and an
// endpoint that became https is for the definition of the namespace.

/** Where to ask: an origin, and the path and query as they are spelled. */
export interface RedirectTarget {
  readonly origin: URL
  readonly path: string
  readonly query: string
}

/** A request is sent on so often at most. */
export const redirectsMax = 5

const statuses: ReadonlySet<number> = new Set([301, 302, 307, 308])
const absolute = /^(https?:)?\/\/([^/?#]+)([^?#]*)(?:\?([^#]*))?(?:#.*)?$/i
const sameHost = /^(\/[^?#]*)(?:\?([^#]*))?(?:#.*)?$/

export function isRedirect(status: number): boolean {
  return statuses.has(status)
}

/** The target, or in words why it is not gone to. */
export function redirectTarget(location: string, from: URL): RedirectTarget | string {
  const text = location.trim()
  const whole = absolute.exec(text)
  const local = whole === null ? sameHost.exec(text) : null
  if (local !== null) return { origin: from, path: local[1] ?? '/', query: local[2] ?? '' }
  const [, scheme = from.protocol, authority = '', path = '', query = ''] = whole ?? []
  const spelled = `${scheme.toLowerCase()}//${authority}`
  const origin = whole !== null && URL.canParse(spelled) ? new URL(spelled) : undefined
  if (origin === undefined || /[^\x21-\x7e]/.test(text)) return 'its Location cannot be read'
  if (origin.username !== '' || origin.password !== '') return 'its Location holds a user name'
  if (origin.protocol !== from.protocol)
    return `it sends the request to ${origin.origin}, and another scheme is not followed`
  return { origin, path: path === '' ? '/' : path, query }
}

/**
 * Whether the store has signed the address itself: then a signature of ours would be one too many.
 */
export function isPresigned(query: string): boolean {
  return query.split('&').some((pair) => /^(?:x-amz-signature|signature|q-signature)=/i.test(pair))
}
