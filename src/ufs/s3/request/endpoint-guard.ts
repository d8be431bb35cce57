// Why: the endpoint of a namespace is user input. Without a guard, whoever creates a namespace
// could reach services inside the network. How: IP literals are checked when the store is opened,
// and names when a connection is made, so a name whose address changes in between is still caught.
// `*.localhost` is always this machine (RFC 6761), independent of the resolver.
import { lookup as dnsLookup, type LookupAddress, type LookupOptions } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { SkeinError } from '../../../base/errors.ts'

const privateRanges: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 127, 'ipv6'],
  ['64:ff9b::', 96, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
]

/** Marks the guard's refusal among the errors of a connection attempt. */
const endpointRefusedReason = 'endpoint_not_allowed'

/**
 * Whether an IP address is not a public unicast address: loopback, link-local, private and so on.
 */
export function isPrivateAddress(address: string): boolean {
  const mapped = /^::ffff:(?:(\d+\.\d+\.\d+\.\d+)|([0-9a-f]{1,4}):([0-9a-f]{1,4}))$/i.exec(address)
  if (mapped !== null) {
    const [, dotted, high = '0', low = '0'] = mapped
    const [h, l] = [Number.parseInt(high, 16), Number.parseInt(low, 16)]
    return isPrivateAddress(dotted ?? `${h >> 8}.${h & 255}.${l >> 8}.${l & 255}`)
  }
  const family = isIP(address)
  if (family === 0) return true
  const list = new BlockList()
  for (const [net, prefix, type] of privateRanges) list.addSubnet(net, prefix, type)
  return list.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

/**
 * @throws SkeinError permission_denied (`endpoint_not_allowed`) when the host is a private IP
 *   literal, or a name that is always private
 */
export function checkEndpointHost(host: string, allowPrivate: boolean): void {
  if (allowPrivate) return
  const bare = host.replace(/^\[|\]$/g, '')
  if (isLocalName(bare) || (isIP(bare) !== 0 && isPrivateAddress(bare))) throw refusal(host)
}

/** Whether the error is the guard's refusal. */
export function refusedAddress(error: Error): boolean {
  return error instanceof SkeinError && error.reason === endpointRefusedReason
}

/**
 * A `lookup` function for connections. It refuses names that resolve to private addresses, unless
 * these are allowed. `resolve` is the system's resolver.
 */
export function guardedLookup(allowPrivate: boolean, resolve: typeof dnsLookup = dnsLookup): LookupFunction {
  return (hostname, options: LookupOptions, callback) => {
    const answer = (addresses: readonly LookupAddress[]): void => {
      const [first] = addresses
      if (!allowPrivate && addresses.some(({ address }) => isPrivateAddress(address))) callback(refusal(hostname), '')
      else if (first === undefined)
        callback(Object.assign(new Error(`no address for ${hostname}`), { code: 'ENOTFOUND' }), '')
      else if (options.all === true) callback(null, [...addresses])
      else callback(null, first.address, first.family)
    }
    if (isLocalName(hostname)) {
      process.nextTick(answer, [{ address: '127.0.0.1', family: 4 }])
      return
    }
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error === null) answer(addresses)
      else callback(error, '')
    })
  }
}

function isLocalName(host: string): boolean {
  return /(?:^|\.)localhost\.?$/i.test(host)
}

function refusal(host: string): SkeinError {
  return new SkeinError(
    'permission_denied',
    `the endpoint ${host} is a private or loopback address; set skein.ufs.allowPrivateEndpoints=true to allow it`,
    {
      reason: endpointRefusedReason,
    },
  )
}
