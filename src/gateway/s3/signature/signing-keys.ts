// Why: deriving a key takes four HMACs, and a client signs a day's requests with one. How: a few
// keys per secret are kept, and go with it. Source: "Derive a signing key" (AWS Signature Version
// 4).
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../../../base/secret.ts'

const keysPerSecretMax = 8

export class SigningKeys {
  readonly #keys = new WeakMap<Secret, Map<string, KeyObject>>()

  /** @param day `yyyymmdd` */
  keyOf(secret: Secret, day: string, region: string): KeyObject {
    const known = this.#keys.get(secret) ?? new Map<string, KeyObject>()
    this.#keys.set(secret, known)
    const scope = `${day}/${region}`
    const key = known.get(scope) ?? derived(secret.reveal(), day, region)
    // The most recently used key is the last one.
    known.delete(scope)
    known.set(scope, key)
    const [oldest] = known.keys()
    if (known.size > keysPerSecretMax && oldest !== undefined) known.delete(oldest)
    return key
  }
}

function derived(secret: string, day: string, region: string): KeyObject {
  const dayKey = createHmac('sha256', `AWS4${secret}`).update(day).digest()
  const regionKey = createHmac('sha256', dayKey).update(region).digest()
  const serviceKey = createHmac('sha256', regionKey).update('s3').digest()
  return createSecretKey(createHmac('sha256', serviceKey).update('aws4_request').digest())
}

export function signatureOf(key: KeyObject, stringToSign: string): string {
  return createHmac('sha256', key).update(stringToSign).digest('hex')
}

/** In constant time. Both have 64 hexadecimal digits. */
export function isSameSignature(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(one, 'latin1'), Buffer.from(other, 'latin1')]
  return a.length === b.length && timingSafeEqual(a, b)
}
