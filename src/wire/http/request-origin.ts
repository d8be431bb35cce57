// Why: a web page in a user's browser can send requests to ports of the user's machine and network,
// either under the page's own name (an `Origin`) or under a name that points here (DNS rebinding).
// No client of Skein is a browser. How: a request is accepted only if its `Host` is an address or a
// name of this server, and if it has no sign that a page sent it. A request that changes something
// also needs a content type or header of our own: a page cannot send these without a preflight
// request, which is refused.
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { SkeinError } from '../../base/errors.ts'

/** A page cannot set this type in a form, nor in any request without a preflight. */
export const blocksContentType = 'application/x-skein-blocks'

export class OwnNames {
  readonly #names: ReadonlySet<string>
  /** Each with a dot before it. */
  readonly #suffixes: readonly string[]

  /**
   * @param names names of this server in Host headers, in addition to its addresses, `localhost`
   *   and the name of this machine
   * @param domains all names below them are names of this server, too
   */
  constructor(names: Iterable<string>, domains: readonly string[] = []) {
    this.#suffixes = domains.map((domain) => `.${domain.toLowerCase()}`)
    this.#names = new Set(['localhost', hostname(), ...names].map((name) => name.toLowerCase()))
  }

  /**
   * @throws SkeinError permission_denied when a page may have sent the request, or it is for
   *   another host
   */
  check(headers: IncomingHttpHeaders): void {
    const { host, origin } = headers
    const site = headers['sec-fetch-site']
    if (origin !== undefined || (site !== undefined && site !== 'none')) {
      throw new SkeinError('permission_denied', 'requests from web pages are refused (the request has an Origin)', {
        reason: 'foreign_origin',
      })
    }
    if (host !== undefined && this.has(nameOf(host))) return
    throw new SkeinError(
      'permission_denied',
      `the request is for host '${(host ?? '').slice(0, 100)}', which is not a name of this server; ` +
        'add it to skein.http.host.names if it is one',
      { reason: 'foreign_host' },
    )
  }

  has(name: string): boolean {
    const lower = name.toLowerCase()
    return isIP(name) !== 0 || this.#names.has(lower) || this.#suffixes.some((suffix) => lower.endsWith(suffix))
  }
}

/** @throws SkeinError invalid_argument when the body has another type */
export function checkBlocksType(headers: IncomingHttpHeaders): void {
  if (headers['content-type'] === blocksContentType) return
  throw new SkeinError('invalid_argument', `block frames require the content type ${blocksContentType}`, {
    reason: 'content_type',
  })
}

/** The name in a Host header, without port and brackets. */
function nameOf(host: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(host)
  return bracketed?.[1] ?? host.replace(/:\d*$/, '')
}
