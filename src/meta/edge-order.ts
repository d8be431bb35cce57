// Why: stores list in the order of the keys' UTF-8 bytes, JavaScript compares UTF-16 units; they
// differ where surrogates (U+10000 and up) meet U+E000-U+FFFF.

const surrogateFrom = 0xd800

/** Compares two strings as their UTF-8 bytes compare: below, at or above 0. */
export function compareKeys(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i += 1) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return lift(x) - lift(y)
  }
  return a.length - b.length
}

/** Moves surrogates above the rest of the basic plane, where their code points belong. */
function lift(unit: number): number {
  if (unit < surrogateFrom) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
