// Why: a web page that somebody opens in a browser can send requests to ports of that machine and
// of its network, under the page's own name (an `Origin`), or under a name of the page's owner that
// points here (DNS rebinding). No client of Skein is a browser. How: a request counts only when its
// `Host` is an address or a name of this server's own, and when nothing in it says that a page sent
// it. What changes something needs, beside that, a content type or a header of ours: a page cannot
// send either without asking first, and the question is refused.
import type { IncomingHttpHeaders } from 'node:http'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { SkeinError } from '../../base/errors.ts'

/** What a page cannot say of a form, nor of a request that needs no question first. */
export const blocksContentType = 'application/x-skein-blocks'

export class OwnNames {
  readonly #names: ReadonlySet<string>

  /**
   * @param names what clients may call this server, beside its addresses, `localhost` and this
   *   machine's name
   */
  constructor(names: Iterable<string>) {
    this.#names = new Set(['localhost', hostname(), ...names].map((name) => name.toLowerCase()))
  }

  /**
   * @throws SkeinError permission_denied when a page may have sent the request, or it is meant for
   *   somebody else
   */
  check(headers: IncomingHttpHeaders): void {
    const { host, origin } = headers
    const site = headers['sec-fetch-site']
    if (origin !== undefined || (site !== undefined && site !== 'none')) {
      throw new SkeinError('permission_denied', 'requests of web pages are refused (the request has an Origin)', {
        reason: 'foreign_origin',
      })
    }
    if (host !== undefined && this.has(nameOf(host))) return
    throw new SkeinError(
      'permission_denied',
      `the request is for host '${(host ?? '').slice(0, 100)}', which is no name of this server; ` +
        'add it to skein.http.host.names if it is one',
      { reason: 'foreign_host' },
    )
  }

  has(name: string): boolean {
    return isIP(name) !== 0 || this.#names.has(name.toLowerCase())
  }
}

/** @throws SkeinError invalid_argument when the body is of another type */
export function checkBlocksType(headers: IncomingHttpHeaders): void {
  if (headers['content-type'] === blocksContentType) return
  throw new SkeinError('invalid_argument', `block frames have the content type ${blocksContentType}`, {
    reason: 'content_type',
  })
}

/** The name in a Host header: without port and brackets. */
function nameOf(host: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(host)
  return bracketed?.[1] ?? host.replace(/:\d*$/, '')
}
