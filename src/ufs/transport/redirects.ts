// Why: some stores answer a read with the address of the node that has the bytes. How: a pure
// function from a Location to the target, or to the reason why it is not followed. Only reads
// follow redirects, and never to another scheme: a request over TLS must not become plain text, and
// an endpoint that moved to https must be changed in the definition of the namespace.

/** The target: an origin, and the path and query unchanged. */
export interface RedirectTarget {
  readonly origin: URL
  readonly path: string
  readonly query: string
}

/** Maximum redirects of one request. */
export const redirectsMax = 5

const statuses: ReadonlySet<number> = new Set([301, 302, 307, 308])
const absolute = /^(https?:)?\/\/([^/?#]+)([^?#]*)(?:\?([^#]*))?(?:#.*)?$/i
const sameHost = /^(\/[^?#]*)(?:\?([^#]*))?(?:#.*)?$/

export function isRedirect(status: number): boolean {
  return statuses.has(status)
}

/** The target, or the reason why it is not followed. */
export function redirectTarget(location: string, from: URL): RedirectTarget | string {
  const text = location.trim()
  const whole = absolute.exec(text)
  const local = whole === null ? sameHost.exec(text) : null
  if (local !== null) return { origin: from, path: local[1] ?? '/', query: local[2] ?? '' }
  const [, scheme = from.protocol, authority = '', path = '', query = ''] = whole ?? []
  const spelled = `${scheme.toLowerCase()}//${authority}`
  const origin = whole !== null && URL.canParse(spelled) ? new URL(spelled) : undefined
  if (origin === undefined || /[^\x21-\x7e]/.test(text)) return 'its Location is malformed'
  if (origin.username !== '' || origin.password !== '') return 'its Location contains a user name'
  if (origin.protocol !== from.protocol)
    return `it redirects to ${origin.origin}, and Skein does not follow redirects to another scheme`
  return { origin, path: path === '' ? '/' : path, query }
}

/**
 * Whether the store has signed the address. Then the request must not carry our signature as well.
 */
export function isPresigned(query: string): boolean {
  return query.split('&').some((pair) => /^(?:x-amz-signature|signature|q-signature)=/i.test(pair))
}
