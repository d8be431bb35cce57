// Why: placement needs hashes that are equal on every machine and in every run, and that are fast.
// How: well-known non-cryptographic hash functions.

/** FNV-1a, 32 bit (Fowler, Noll, Vo), over UTF-16 units. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  return hash >>> 0
}

/** 32 well-mixed bits of a safe integer and another number (murmur3's finalizer). */
export function hashNumbers(value: number, other: number): number {
  return mix(mix(value >>> 0) ^ mix(Math.floor(value / 2 ** 32) + 0x9e3779b9) ^ Math.imul(other, 0x85ebca6b))
}

/** A number in (0, 1) from two 32-bit hashes. */
export function hashUnit(a: number, b: number): number {
  return (mix(a ^ Math.imul(b, 0x9e3779b1)) + 0.5) / 2 ** 32
}

function mix(value: number): number {
  let hash = value >>> 0
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
