// Why: workers are numbers for GooseFS's clients and words here; the number is also what the hash
// ring is made of. How: a hash of the word, so that every role computes the same one.
import { createHash } from 'node:crypto'

/** A number above 0 below 2^63: the same for the same worker, here and everywhere. */
export function nativeWorkerId(workerId: string): bigint {
  const digest = createHash('sha256').update(workerId).digest()
  return (digest.readBigUInt64BE(0) >> 1n) | 1n
}
