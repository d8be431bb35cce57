// Why: a failed connection to a store has one meaning everywhere, and a message that says what to
// do: start a server, trust a certificate, change the scheme. How: tables from the codes of
// sockets, TLS and proxies to a SkeinError with one line and the address of the store. s3-errors.ts
// covers responses.
import { SkeinError } from '../../base/errors.ts'
import { ProxyFault } from '../transport/open-socket.ts'
import { place, proxyAdvice, speaksTlsError, type StoreAddress } from './s3-errors.ts'

/** The reason of errors of a proxy: the store did not respond. */
export const proxyFailedReason = 'proxy_failed'

const silent: ReadonlySet<string> = new Set([
  'TimeoutError',
  'ETIMEDOUT',
  'CONNECT_TIMEOUT',
  'HEADERS_TIMEOUT',
  'BODY_TIMEOUT',
  'BODY_TOO_SLOW',
])
const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'no server listens at this address',
  ENOTFOUND: 'the host name is unknown',
  EAI_AGAIN: 'the host name cannot be resolved now',
  ECONNRESET: 'the connection was cut',
  CONNECTION_CUT: 'the connection was cut',
  CONNECT_TIMEOUT: 'the connection was not accepted in time',
  HEADERS_TIMEOUT: 'no response in time',
  BODY_TIMEOUT: 'the response stalled',
  BODY_TOO_SLOW: 'the response is slower than skein.ufs.read.rate.min',
  EHOSTUNREACH: 'the host is unreachable',
  ENETUNREACH: 'the network is unreachable',
  NOT_A_PROXY: 'it does not respond like a proxy',
}

/** TLS problems; for certificates, also what to do. */
const tlsReasons: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'the certificate has expired',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet: is the clock of this machine right?',
  CERT_REVOKED: 'the certificate was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host name',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'the certificate is self-signed: add it to NODE_EXTRA_CA_CERTS to trust it',
  SELF_SIGNED_CERT_IN_CHAIN: 'the authority of the certificate is unknown: add it to NODE_EXTRA_CA_CERTS to trust it',
  UNABLE_TO_GET_ISSUER_CERT: 'the authority of the certificate is unknown: add it to NODE_EXTRA_CA_CERTS to trust it',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    'the authority of the certificate is unknown: add it to NODE_EXTRA_CA_CERTS to trust it',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'the authority of the certificate is unknown: add it to NODE_EXTRA_CA_CERTS to trust it',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'the endpoint and this machine have no version of TLS in common',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the endpoint and this machine have no version of TLS in common',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: 'the endpoint and this machine have no cipher in common',
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: 'the server does not know this host name',
}

const speaksHttp: ReadonlySet<string> = new Set([
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
  'ERR_SSL_HTTP_REQUEST',
  'ERR_SSL_RECORD_LAYER_FAILURE',
])

function tlsError(address: StoreAddress, what: string, code: string): SkeinError {
  if (speaksHttp.has(code)) {
    const advice = 'set s3.endpoint=http://... (COS: fs.cosn.useHttps=false)'
    const message = `${place(address)}: ${what}: the endpoint speaks http, not https: ${advice} (${code})`
    return new SkeinError('failed_precondition', message, { reason: 'wrong_scheme' })
  }
  const isCertificate = /CERT|ALTNAME|SELF_SIGNED|UNABLE_TO/.test(code)
  const why = tlsReasons[code] ?? (isCertificate ? 'the certificate is not accepted' : 'TLS failed')
  return new SkeinError('failed_precondition', `${place(address)}: ${what}: ${why} (${code})`, {
    reason: isCertificate ? 'bad_certificate' : 'tls_failed',
  })
}

/** The error of a proxy that failed before the store was reached. */
function proxyError(address: StoreAddress, what: string, { proxy, code }: ProxyFault): SkeinError {
  const start = `${place(address)}: ${what}: the proxy ${proxy}`
  const status = Number(/^STATUS_(\d{3})$/.exec(code)?.[1] ?? 0)
  if (status === 0) {
    const isFinal = code === 'NOT_A_PROXY' || speaksHttp.has(code) || tlsReasons[code] !== undefined
    const why =
      reasons[code] ??
      tlsReasons[code] ??
      (speaksHttp.has(code) ? 'it speaks http, not https' : 'the connection failed')
    const errorCode = isFinal ? 'failed_precondition' : silent.has(code) ? 'deadline_exceeded' : 'unavailable'
    return new SkeinError(errorCode, `${start}: ${why} (${code})`, { reason: proxyFailedReason })
  }
  if (status === 407)
    return new SkeinError('failed_precondition', `${start} requires a user name and a password (407): ${proxyAdvice}`, {
      reason: 'proxy_refused',
    })
  if (status >= 500)
    return new SkeinError('unavailable', `${start} does not reach the store (${status})`, { reason: proxyFailedReason })
  return new SkeinError('failed_precondition', `${start} does not let the request through (${status})`, {
    reason: 'proxy_refused',
  })
}

/**
 * Converts a failed connection to a SkeinError. SkeinErrors (of the endpoint guard, or of an abort)
 * are returned unchanged.
 */
export function connectionError(address: StoreAddress, what: string, thrown: unknown): SkeinError {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 4; error = error.cause, depth += 1) {
    if (error instanceof SkeinError) return error
    if (error instanceof ProxyFault) return proxyError(address, what, error)
  }
  const raw = thrown as { readonly code?: unknown; readonly name?: string } | undefined
  const code =
    typeof raw?.code === 'string' && /^[A-Z0-9_]{1,64}$/.test(raw.code) ? raw.code : (raw?.name ?? 'Error').slice(0, 64)
  if (code === 'SPEAKS_TLS') return speaksTlsError(address, what)
  if (/CERT|SSL|TLS|ALTNAME|SELF_SIGNED|UNABLE_TO/.test(code)) return tlsError(address, what, code)
  return new SkeinError(
    silent.has(code) ? 'deadline_exceeded' : 'unavailable',
    `${place(address)}: ${what}: ${reasons[code] ?? 'the connection failed'} (${code})`,
  )
}
