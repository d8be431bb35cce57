// Why: many networks allow outgoing connections only through a proxy, except for some addresses.
// How: parse the proxy settings of the environment or a namespace once, and answer one pure
// question: which proxy does a request to this address use? The syntax is that of curl: a proxy is
// `http://user:password@host:port`; exceptions are a list of hosts, suffixes, `host:port`,
// addresses, CIDR ranges, or `*`. The key fs.cosn.http.proxy.ip sets one proxy for everything.
import { BlockList, isIP } from 'node:net'
import { SkeinError } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'

export interface ProxyServer {
  /** For messages: scheme, host and port, without credentials. */
  readonly name: string
  readonly host: string
  readonly port: number
  /** Whether the proxy itself speaks TLS. */
  readonly secure: boolean
  /** The value of Proxy-Authorization. */
  readonly authorization: Secret | undefined
  /** A namespace chose it, so the endpoint guard applies to its address. */
  readonly guarded: boolean
}

export interface ProxyRules {
  readonly http?: ProxyServer | undefined
  readonly https?: ProxyServer | undefined
  /** The syntax of NO_PROXY. */
  readonly except?: string | undefined
}

/**
 * @param setting the name of the setting, for the message
 * @throws SkeinError invalid_argument; the message never has the text, which may contain a password
 */
export function parseProxy(text: string, setting: string): ProxyServer {
  const spelled = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`
  const url = URL.canParse(spelled) ? new URL(spelled) : undefined
  if (url !== undefined && url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw invalid(
      `${setting}: a proxy of the kind ${url.protocol.slice(0, -1)} is not supported: write http://host:port`,
    )
  }
  if (url === undefined || url.hostname === '' || (url.pathname !== '/' && url.pathname !== '') || url.search !== '') {
    throw invalid(`${setting} is not a proxy: write http://host:port or http://user:password@host:port`)
  }
  const secure = url.protocol === 'https:'
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port)
  const user = url.username === '' ? undefined : decoded(url.username, setting)
  return proxyServer({
    host: url.hostname,
    port,
    secure,
    user,
    password: decoded(url.password, setting),
    guarded: false,
  })
}

export function proxyServer(parts: {
  readonly host: string
  readonly port: number
  readonly secure: boolean
  readonly user: string | undefined
  readonly password: string
  readonly guarded: boolean
}): ProxyServer {
  const { port, secure, user, password, guarded } = parts
  const host = parts.host.replace(/^\[|\]$/g, '')
  const shown = isIP(host) === 6 ? `[${host}]` : host
  const authorization =
    user === undefined ? undefined : new Secret(`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`)
  return Object.freeze({
    name: `${secure ? 'https' : 'http'}://${shown}:${port}`,
    host,
    port,
    secure,
    authorization,
    guarded,
  })
}

/** The proxy for requests to this origin; undefined: connect directly. */
export function proxyFor(origin: URL, { http, https, except }: ProxyRules): ProxyServer | undefined {
  const proxy = origin.protocol === 'https:' ? https : http
  if (proxy === undefined || (except !== undefined && isExcepted(origin, except))) return undefined
  return proxy
}

function isExcepted(origin: URL, except: string): boolean {
  const host = origin.hostname
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '')
    .toLowerCase()
  const port = origin.port === '' ? (origin.protocol === 'https:' ? '443' : '80') : origin.port
  return except.split(/[\s,]+/).some((entry) => entry !== '' && fits(entry.toLowerCase(), host, port))
}

function fits(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true
  const range = /^([0-9a-f.:]+)\/(\d{1,3})$/.exec(entry)
  if (range !== null) return isWithin(range[1] ?? '', Number(range[2]), host)
  const [, bracketed, name = '', wantedPort] = /^(?:\[([^\]]+)\]|([^:]*|.*:.*:.*?))(?::(\d{1,5}))?$/.exec(entry) ?? []
  if (wantedPort !== undefined && wantedPort !== port) return false
  const wanted = (bracketed ?? name)
    .replace(/^\*(?=\.)/, '')
    .replace(/^\./, '')
    .replace(/\.$/, '')
  if (wanted === '') return false
  if (isIP(host) !== 0 || isIP(wanted) !== 0) return isSameAddress(wanted, host)
  return host === wanted || host.endsWith(`.${wanted}`)
}

function isWithin(network: string, prefix: number, host: string): boolean {
  const family = isIP(network)
  if (family === 0 || isIP(host) !== family || prefix > (family === 4 ? 32 : 128)) return false
  const list = new BlockList()
  const type = family === 4 ? 'ipv4' : 'ipv6'
  list.addSubnet(network, prefix, type)
  return list.check(host, type)
}

function isSameAddress(wanted: string, host: string): boolean {
  return wanted === host || isWithin(wanted, isIP(wanted) === 4 ? 32 : 128, host)
}

function decoded(text: string, setting: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid(`${setting}: the user name or the password of the proxy is not percent-encoded well`)
  }
}

function invalid(message: string): SkeinError {
  return new SkeinError('invalid_argument', message)
}
