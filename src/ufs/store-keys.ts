// Why: one table lists the attributes and secrets that a namespace may have. An unknown name is
// refused; the known ones appear in the help of the commands. Pure.
import { SkeinError } from '../base/errors.ts'
import type { StoreUri } from './store-uri.ts'

type StoreKind = StoreUri['kind']

export interface StoreKey {
  /** The kinds of stores that accept the key. */
  readonly kinds: readonly StoreKind[]
  readonly doc: string
  /** A different value may refer to a different store. */
  readonly names?: 'store'
}

const all = ['cosn', 's3', 'file'] as const
const remote = ['cosn', 's3'] as const
const cosn = ['cosn'] as const
const s3 = ['s3'] as const

export const credentialKeys = {
  cosn: ['fs.cosn.userinfo.secretId', 'fs.cosn.userinfo.secretKey', 'fs.cosn.userinfo.sessionToken'],
  s3: ['s3.accessKeyId', 's3.secretAccessKey', 's3.sessionToken'],
} as const
export const proxyPasswordKey = 'fs.cosn.http.proxy.password'
export const priceKeys = ['skein.price.get.per10k', 'skein.price.list.per10k', 'skein.price.egress.per.gb'] as const

/** Keys for `--attribute`. */
export const storeAttributes: Readonly<Record<string, StoreKey>> = {
  's3.endpoint': {
    kinds: s3,
    names: 'store',
    doc: 'URL of the store, such as https://host or http://host:9000/path; default: AWS in s3.region',
  },
  's3.region': { kinds: s3, names: 'store', doc: 'region; default us-east-1' },
  's3.forcePathStyle': {
    kinds: s3,
    names: 'store',
    doc: 'true: put the bucket in the path, not in the host name; default: true if the endpoint is an IP address',
  },
  'fs.cosn.bucket.region': { kinds: cosn, names: 'store', doc: 'region of the bucket, such as ap-guangzhou' },
  'fs.cosn.bucket.endpoint_suffix': {
    kinds: cosn,
    names: 'store',
    doc: 'host[:port] that follows the bucket name; replaces the region',
  },
  'fs.cosn.useHttps': { kinds: cosn, names: 'store', doc: 'use https for COS; default true' },
  'fs.cosn.traffic.limit': { kinds: cosn, doc: 'maximum bits per second of one connection, 819200 to 838860800' },
  readOnly: { kinds: all, doc: 'true: refuse writes to the store' },
  writePolicy: {
    kinds: all,
    doc: 'MUST_CACHE (default), CACHE_THROUGH, ASYNC_THROUGH or THROUGH: when new files are written to the store',
  },
  readPolicy: {
    kinds: all,
    doc: 'CACHE (default) or NO_CACHE: whether blocks that clients read from the store are cached',
  },
  bandwidth: { kinds: all, doc: "maximum read rate of all loads: 200MB/s, or '08:00-20:00=200MB/s,else=unlimited'" },
  'fs.cosn.block.size': { kinds: all, doc: 'block size of new files, such as 128MB' },
  'fs.cosn.read.ahead.block.size': { kinds: all, doc: 'bytes per range request' },
  'fs.cosn.read.ahead.queue.size': { kinds: all, doc: 'range requests ahead per stream' },
  'fs.cosn.maxRetries': { kinds: remote, doc: 'maximum retries of a request' },
  'fs.cosn.client.socket.timeoutsec': { kinds: remote, doc: 'a request fails after this many seconds without a byte' },
  'fs.cosn.connection.timeout': { kinds: remote, doc: 'connect timeout in milliseconds, or with a unit, such as 10s' },
  'fs.cosn.max.connection.num': { kinds: remote, doc: 'maximum connections to the bucket' },
  'skein.ufs.read.rate.min': { kinds: remote, doc: 'minimum bytes per second of a response; 0: no minimum' },
  'fs.cosn.http.proxy.ip': { kinds: remote, doc: 'host of the HTTP proxy for the store' },
  'fs.cosn.http.proxy.port': { kinds: remote, doc: 'port of the HTTP proxy' },
  'fs.cosn.http.proxy.username': { kinds: remote, doc: 'user name for the HTTP proxy' },
  'skein.price.get.per10k': { kinds: all, doc: 'price of 10,000 GET requests, for plans' },
  'skein.price.list.per10k': { kinds: all, doc: 'price of 10,000 LIST requests, for plans' },
  'skein.price.egress.per.gb': { kinds: all, doc: 'price of 1 GB read from the store, for plans' },
  'skein.price.currency': { kinds: all, doc: 'currency of the prices' },
}

/** Keys for `--secret`, `--secret-file` and `--secret-stdin`. */
export const storeSecrets: Readonly<Record<string, StoreKey>> = {
  's3.accessKeyId': { kinds: s3, doc: 'access key id' },
  's3.secretAccessKey': { kinds: s3, doc: 'secret access key' },
  's3.sessionToken': { kinds: s3, doc: 'session token of a temporary key' },
  'fs.cosn.userinfo.secretId': {
    kinds: cosn,
    doc: 'COS secret id; default: the configuration key of the same name on the master',
  },
  'fs.cosn.userinfo.secretKey': { kinds: cosn, doc: 'COS secret key' },
  'fs.cosn.userinfo.sessionToken': { kinds: cosn, doc: 'COS session token of a temporary key' },
  [proxyPasswordKey]: { kinds: remote, doc: 'password for the HTTP proxy' },
}

/**
 * Whether the attributes may refer to two different stores. Different credentials for the same
 * store show the same objects.
 */
export function mayBeOtherStore(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  return Object.entries(storeAttributes).some(([key, { names }]) => names === 'store' && a[key] !== b[key])
}

/**
 * @throws SkeinError invalid_argument, which names the first attribute or secret that this kind of
 *   store does not know, and the nearest known one
 */
export function checkStoreKeys(
  kind: StoreKind,
  attributes: Readonly<Record<string, unknown>>,
  secrets: Readonly<Record<string, unknown>>,
): void {
  const knownAttributes = keysOf(storeAttributes, kind)
  const knownSecrets = keysOf(storeSecrets, kind)
  for (const key of Object.keys(attributes)) {
    if (knownSecrets.includes(key)) throw invalid(`'${key}' is a secret: give it as a secret, not as an attribute`)
    if (!knownAttributes.includes(key)) throw unknownKey('attribute', key, kind, knownAttributes)
  }
  for (const key of Object.keys(secrets)) {
    if (knownAttributes.includes(key)) throw invalid(`'${key}' is not a secret: give it as an attribute`)
    if (!knownSecrets.includes(key)) throw unknownKey('secret', key, kind, knownSecrets)
  }
}

function keysOf(table: Readonly<Record<string, StoreKey>>, kind: StoreKind): string[] {
  return Object.entries(table).flatMap(([key, { kinds }]) => (kinds.includes(kind) ? [key] : []))
}

function invalid(message: string): SkeinError {
  return new SkeinError('invalid_argument', message)
}

function unknownKey(what: string, key: string, kind: string, known: readonly string[]): SkeinError {
  const [nearest] = [...known].sort((a, b) => editDistance(key, a) - editDistance(key, b))
  const hint = nearest === undefined ? `${kind} stores take no ${what}s` : `did you mean ${nearest}?`
  return invalid(`${JSON.stringify(key.slice(0, 100))} is not a known ${what} of ${kind} stores; ${hint}`)
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      next.push(
        Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)),
      )
    }
    row = next
  }
  return row[b.length] ?? 0
}
