// Why: addresses are `host:port` text everywhere. This file is the only one that parses and formats
// them, and that decides which hosts are local to this machine.
import { SkeinError } from '../base/errors.ts'

export interface Address {
  /** A name or an IP address, without brackets. */
  readonly host: string
  readonly port: number
}

const addressPattern = /^(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:/[\]]+)):(\d{1,5})$/

/**
 * Parses `host:port` or `[v6]:port`.
 * @throws SkeinError invalid_argument when it is neither, or the port is above 65535
 */
export function parseAddress(text: string): Address {
  const match = addressPattern.exec(text)
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535)
    throw new SkeinError('invalid_argument', `'${text}' is not an address: write host:port`)
  return { host, port }
}

/** The inverse of parseAddress. */
export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/**
 * The error when a server cannot listen: one line with the address. `code` is the system's, such as
 * EADDRINUSE.
 */
export function bindError(what: string, host: string, port: number, code: string, cause: unknown): SkeinError {
  const address = formatAddress(host, port)
  const why =
    code === 'EADDRINUSE'
      ? `port ${port} is in use (${address}): stop the other process or choose another port`
      : code === 'EACCES'
        ? `no permission to listen on port ${port} (${address})`
        : `cannot listen on ${address} (${code})`
  return new SkeinError('failed_precondition', `${what}: ${why}`, {
    reason: code === 'EADDRINUSE' ? 'port_taken' : 'cannot_listen',
    cause,
  })
}
