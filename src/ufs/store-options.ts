// Why: attributes and secrets of a namespace are free text until they are parsed here. How:
// store-keys.ts lists the keys. The error for an invalid value names its key, and the result is
// typed, with units in its names.
import { isIP } from 'node:net'
import { type WritePolicy, writePolicies, writePolicyNamed } from '../base/attributes/write-policy.ts'
import { parseBandwidth } from '../base/flow/bandwidth.ts'
import { parseBytes } from '../base/bytes.ts'
import { parseDuration } from '../base/durations.ts'
import { SkeinError } from '../base/errors.ts'
import type { Secret } from '../base/secret.ts'
import { credentialKeys, priceKeys, proxyPasswordKey } from './store-keys.ts'
import type { StoreUri } from './store-uri.ts'
import { proxyServer, type ProxyServer } from './transport/proxy-rules.ts'

/**
 * Process-wide values of `fs.cosn.*`, which attributes of a namespace override. They also set the
 * transport limits of `s3://` stores.
 */
export interface CosnDefaults {
  /** fs.cosn.block.size */
  readonly blockSizeBytes: number
  /** fs.cosn.read.ahead.block.size: bytes of one range request. */
  readonly readAheadBlockBytes: number
  /** fs.cosn.read.ahead.queue.size: ranges ahead per stream. */
  readonly readAheadQueueSize: number
  /** fs.cosn.upload_thread_pool: ranges in flight per process. */
  readonly uploadThreadPool: number
  /** fs.cosn.maxRetries: attempts after the first. */
  readonly maxRetries: number
  /** fs.cosn.client.socket.timeoutsec: longest silence on a connection. */
  readonly socketTimeoutMs: number
  /** fs.cosn.connection.timeout: longest time to connect. */
  readonly connectionTimeoutMs: number
  /** fs.cosn.max.connection.num */
  readonly connectionsMax: number
  /** fs.cosn.useHttps */
  readonly useHttps: boolean
  /** fs.cosn.bucket.region */
  readonly region?: string | undefined
  /** fs.cosn.bucket.endpoint_suffix: host, or host:port, that follows `bucket.`. */
  readonly endpointSuffix?: string | undefined
  /** fs.cosn.traffic.limit, bits per second and connection. */
  readonly trafficLimitBitsPerSecond?: number | undefined
  /** skein.ufs.read.rate.min: minimum bytes per second of a response; 0: no minimum. */
  readonly leastBytesPerSecond: number
  /** fs.cosn.http.proxy.*: the proxy for all stores. Overrides the environment. */
  readonly proxy?: ProxyServer | undefined
  readonly secretId?: Secret | undefined
  readonly secretKey?: Secret | undefined
  readonly sessionToken?: Secret | undefined
}

/** The defaults without a configuration file or attributes. */
export const cosnDefaults: CosnDefaults = Object.freeze({
  blockSizeBytes: 128 * 1024 ** 2,
  readAheadBlockBytes: 4 * 1024 ** 2,
  readAheadQueueSize: 8,
  uploadThreadPool: 8,
  maxRetries: 10,
  socketTimeoutMs: 30_000,
  connectionTimeoutMs: 10_000,
  connectionsMax: 1024,
  useHttps: true,
  leastBytesPerSecond: 1024,
})

/** All settings of one bucket for `s3.ts`. */
export interface S3Options {
  readonly kind: 'cosn' | 's3'
  readonly bucket: string
  readonly prefix: string
  /**
   * Scheme, authority without the bucket, and a path without a slash at its end, such as
   * `https://cos.ap-guangzhou.myqcloud.com`.
   */
  readonly endpoint: string
  readonly pathStyle: boolean
  readonly region: string
  readonly accessKeyId: Secret
  readonly secretAccessKey: Secret
  readonly sessionToken: Secret | undefined
  readonly maxRetries: number
  readonly socketTimeoutMs: number
  readonly connectionTimeoutMs: number
  readonly connectionsMax: number
  readonly trafficLimitBitsPerSecond: number | undefined
  readonly leastBytesPerSecond: number
  /** Undefined: use the proxies of the environment. */
  readonly proxy: ProxyServer | undefined
}

/** The attribute with the bytes of one range request. */
export const rangeAttribute = 'fs.cosn.read.ahead.block.size'

/** Block size and read-ahead of a namespace. */
export interface StoreTuning {
  readonly blockSizeBytes: number
  readonly readAheadBlockBytes: number
  readonly readAheadQueueSize: number
}

type Attributes = Readonly<Record<string, string>>
type Secrets = Readonly<Record<string, Secret>>

const readPolicies = ['CACHE', 'NO_CACHE'] as const

/** What may be written below a namespace, and where it is stored. */
export interface NamespacePolicy {
  /** The store must not be changed. */
  readonly readOnly: boolean
  readonly writePolicy: WritePolicy
  /** Whether blocks that are read from the store are cached. */
  readonly readPolicy: (typeof readPolicies)[number]
}

/** @throws SkeinError invalid_argument, which names the attribute and the valid values */
export function namespacePolicy(attributes: Attributes): NamespacePolicy {
  const readOnly = value(attributes, 'readOnly', parseBoolean) ?? false
  const word = attributes['writePolicy'] ?? 'MUST_CACHE'
  const writePolicy = writePolicyNamed(word)
  if (writePolicy === undefined)
    throw invalid(`writePolicy '${word.slice(0, 50)}' is none of ${writePolicies.join(', ')}`)
  // The job master applies the bandwidth limit. Check it here, so that an invalid value is refused.
  parseBandwidth(attributes['bandwidth'] ?? '', 'bandwidth')
  for (const key of priceKeys) {
    const price = attributes[key] ?? '0'
    if (!/^\d{1,12}(\.\d{1,12})?$/.test(price))
      throw invalid(`${key} '${price.slice(0, 50)}' is not a price: write a number such as 0.01`)
  }
  if (readOnly && writePolicy !== 'MUST_CACHE')
    throw invalid(`writePolicy ${writePolicy} cannot be used with readOnly=true`)
  const reading = attributes['readPolicy'] ?? 'CACHE'
  const readPolicy = readPolicies.find((policy) => policy === reading)
  if (readPolicy === undefined)
    throw invalid(`readPolicy '${reading.slice(0, 50)}' is none of ${readPolicies.join(', ')}`)
  return Object.freeze({ readOnly, writePolicy, readPolicy })
}

/**
 * Block size and read-ahead of a namespace. Its attributes override the defaults of the process.
 * @throws SkeinError invalid_argument
 */
export function storeTuning(attributes: Attributes, defaults: CosnDefaults): StoreTuning {
  return Object.freeze({
    blockSizeBytes: positive(attributes, 'fs.cosn.block.size', parseBytes) ?? defaults.blockSizeBytes,
    readAheadBlockBytes: positive(attributes, rangeAttribute, parseBytes) ?? defaults.readAheadBlockBytes,
    readAheadQueueSize:
      positive(attributes, 'fs.cosn.read.ahead.queue.size', parseCount) ?? defaults.readAheadQueueSize,
  })
}

/**
 * @throws SkeinError invalid_argument, which names the missing or invalid key, but never a secret
 *   value
 */
export function s3Options(
  uri: Extract<StoreUri, { bucket: string }>,
  attributes: Attributes,
  secrets: Secrets,
  defaults: CosnDefaults,
): S3Options {
  const transport = {
    maxRetries: value(attributes, 'fs.cosn.maxRetries', parseCount) ?? defaults.maxRetries,
    socketTimeoutMs: positive(attributes, 'fs.cosn.client.socket.timeoutsec', parseSeconds) ?? defaults.socketTimeoutMs,
    connectionTimeoutMs:
      positive(attributes, 'fs.cosn.connection.timeout', parseDuration) ?? defaults.connectionTimeoutMs,
    connectionsMax: positive(attributes, 'fs.cosn.max.connection.num', parseCount) ?? defaults.connectionsMax,
    leastBytesPerSecond: value(attributes, 'skein.ufs.read.rate.min', parseBytes) ?? defaults.leastBytesPerSecond,
    proxy: ownProxy(attributes, secrets) ?? defaults.proxy,
  }
  const place = uri.kind === 'cosn' ? cosnPlace(attributes, defaults) : s3Place(attributes)
  const host = new URL(place.endpoint).hostname
  if (!place.pathStyle && isIpLiteral(host))
    throw invalid(`${place.endpoint} is an IP address: use a host name, or set s3.forcePathStyle=true`)
  if (!place.pathStyle && !/^[a-z0-9.-]+$/.test(uri.bucket))
    throw invalid(`'${uri.bucket}' cannot be part of a host name: set s3.forcePathStyle=true`)
  return Object.freeze({
    kind: uri.kind,
    bucket: uri.bucket,
    prefix: uri.prefix,
    ...place,
    ...credentials(uri.kind, secrets, defaults),
    ...transport,
  })
}

function ownProxy(attributes: Attributes, secrets: Secrets): ProxyServer | undefined {
  const host = attributes['fs.cosn.http.proxy.ip']
  const port = positive(attributes, 'fs.cosn.http.proxy.port', parseCount)
  const user = attributes['fs.cosn.http.proxy.username']
  return proxyOfKeys({ host, port, user, password: secrets[proxyPasswordKey], guarded: true })
}

/**
 * The proxy of the keys fs.cosn.http.proxy.*; undefined when they are not set.
 * @throws SkeinError invalid_argument
 */
export function proxyOfKeys(parts: {
  readonly host: string | undefined
  readonly port: number | undefined
  readonly user: string | undefined
  readonly password: Secret | undefined
  readonly guarded: boolean
}): ProxyServer | undefined {
  const { host, port, user, password, guarded } = parts
  if (host === undefined && port === undefined) {
    if (user !== undefined || password !== undefined)
      throw invalid('fs.cosn.http.proxy.ip is missing: a user name or password needs it')
    return undefined
  }
  if (host === undefined) throw invalid('fs.cosn.http.proxy.ip is missing: fs.cosn.http.proxy.port needs it')
  if (port === undefined) throw invalid('fs.cosn.http.proxy.port is missing: fs.cosn.http.proxy.ip needs it')
  if (port > 65_535) throw invalid('fs.cosn.http.proxy.port is not a port')
  const bare = host.replace(/^\[|\]$/g, '')
  if (!/^[A-Za-z0-9._-]{1,253}$/.test(bare) && isIP(bare) !== 6)
    throw invalid('fs.cosn.http.proxy.ip is neither an address nor a host name')
  if (user === undefined && password !== undefined)
    throw invalid('fs.cosn.http.proxy.username is missing: a password needs it')
  return proxyServer({ host: bare, port, secure: false, user, password: password?.reveal() ?? '', guarded })
}

type Place = Pick<S3Options, 'endpoint' | 'pathStyle' | 'region' | 'trafficLimitBitsPerSecond'>

function cosnPlace(attributes: Attributes, defaults: CosnDefaults): Place {
  const regionGiven =
    attributes['fs.cosn.bucket.region'] ??
    (attributes['fs.cosn.bucket.endpoint_suffix'] === undefined ? defaults.region : undefined)
  const suffix =
    attributes['fs.cosn.bucket.endpoint_suffix'] ??
    (attributes['fs.cosn.bucket.region'] === undefined ? defaults.endpointSuffix : undefined)
  if (suffix === undefined && regionGiven === undefined)
    throw invalid('fs.cosn.bucket.region is missing: set the region of the bucket, such as ap-guangzhou')
  const region = checkRegion(
    'fs.cosn.bucket.region',
    regionGiven ?? /^cos\.([a-z0-9-]+)\./.exec(suffix ?? '')?.[1] ?? defaults.region ?? 'us-east-1',
  )
  const secure = value(attributes, 'fs.cosn.useHttps', parseBoolean) ?? defaults.useHttps
  const authority = (suffix ?? `cos.${region}.myqcloud.com`).replace(/^\./, '')
  const limit = positive(attributes, 'fs.cosn.traffic.limit', parseCount) ?? defaults.trafficLimitBitsPerSecond
  if (limit !== undefined && (limit < 819_200 || limit > 838_860_800))
    throw invalid('fs.cosn.traffic.limit must be between 819200 and 838860800 bits per second')
  return {
    endpoint: parseEndpoint('fs.cosn.bucket.endpoint_suffix', `${secure ? 'https' : 'http'}://${authority}`),
    pathStyle: false,
    region,
    trafficLimitBitsPerSecond: limit,
  }
}

function s3Place(attributes: Attributes): Place {
  const region = checkRegion('s3.region', attributes['s3.region'] ?? 'us-east-1')
  const given = attributes['s3.endpoint'] ?? `https://s3.${region}.amazonaws.com`
  const endpoint = parseEndpoint('s3.endpoint', /^[a-z]+:\/\//i.test(given) ? given : `https://${given}`)
  const pathStyle = value(attributes, 's3.forcePathStyle', parseBoolean) ?? isIpLiteral(new URL(endpoint).hostname)
  return { endpoint, pathStyle, region, trafficLimitBitsPerSecond: undefined }
}

function credentials(
  kind: 'cosn' | 's3',
  secrets: Secrets,
  defaults: CosnDefaults,
): Pick<S3Options, 'accessKeyId' | 'secretAccessKey' | 'sessionToken'> {
  const [idKey, secretKey, tokenKey] = credentialKeys[kind]
  const own = secrets[idKey] !== undefined || secrets[secretKey] !== undefined
  const fallback = kind === 'cosn' && !own ? defaults : undefined
  const accessKeyId = secrets[idKey] ?? fallback?.secretId
  const secretAccessKey = secrets[secretKey] ?? fallback?.secretKey
  if (accessKeyId === undefined) throw invalid(`the secret ${idKey} is missing`)
  if (secretAccessKey === undefined) throw invalid(`the secret ${secretKey} is missing`)
  const sessionToken = secrets[tokenKey] ?? fallback?.sessionToken
  const all: readonly (readonly [string, Secret | undefined])[] = [
    [idKey, accessKeyId],
    [secretKey, secretAccessKey],
    [tokenKey, sessionToken],
  ]
  for (const [name, secret] of all) {
    if (secret !== undefined && !/^[\x21-\x7e]+$/.test(secret.reveal()))
      throw invalid(`the secret ${name} is empty or has blanks or control characters`)
  }
  return { accessKeyId, secretAccessKey, sessionToken }
}

function parseEndpoint(key: string, text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const plain =
    url !== undefined &&
    (url.protocol === 'https:' || url.protocol === 'http:') &&
    url.username === '' &&
    url.password === '' &&
    url.search === '' &&
    url.hash === ''
  if (!plain || url.hostname === '')
    throw invalid(`${key} is not an endpoint: write https://host, https://host:port or https://host/path`)
  const path = url.pathname.replace(/\/$/, '')
  if (!/^(?:\/[A-Za-z0-9._~-]+)*$/.test(path))
    throw invalid(`${key}: the path of an endpoint has only letters, digits, '.', '_', '~' and '-' between its slashes`)
  return url.origin + path
}

function isIpLiteral(host: string): boolean {
  return host.startsWith('[') || /^\d+\.\d+\.\d+\.\d+$/.test(host)
}

function checkRegion(key: string, text: string): string {
  if (!/^[A-Za-z0-9-]{1,64}$/.test(text)) throw invalid(`${key} '${text.slice(0, 64)}' is not a region name`)
  return text
}

function value<T>(attributes: Attributes, key: string, parse: (text: string) => T): T | undefined {
  const text = attributes[key]
  if (text === undefined) return undefined
  try {
    return parse(text)
  } catch (thrown) {
    throw invalid(`${key}: ${thrown instanceof Error ? thrown.message : 'bad value'}`)
  }
}

function positive(attributes: Attributes, key: string, parse: (text: string) => number): number | undefined {
  const number = value(attributes, key, parse)
  if (number !== undefined && number <= 0) throw invalid(`${key} must be above 0`)
  return number
}

function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text.trim())) throw invalid(`'${text}' is not a whole number`)
  return Number(text)
}

function parseSeconds(text: string): number {
  return /^\d+(?:\.\d+)?$/.test(text.trim()) ? parseDuration(`${text.trim()}s`) : parseDuration(text)
}

function parseBoolean(text: string): boolean {
  const word = text.trim().toLowerCase()
  if (word !== 'true' && word !== 'false') throw invalid(`'${text}' is not true or false`)
  return word === 'true'
}

function invalid(message: string): SkeinError {
  return new SkeinError('invalid_argument', message)
}
