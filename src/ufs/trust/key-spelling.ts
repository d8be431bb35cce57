// Why: a listing that says `encoding-type=url` and holds keys as they are makes one key of two
// (`c%2Fd` and `c/d`), and one of them is missed in silence. How: whoever encodes writes each
// character in one way, always; two keys that are decoded to one differ in the way of a character,
// so a listing with both ways is refused. What was seen is kept from page to page.

/** The ways to write a character, as bits. */
const ways = { raw: 1, percent: 2, plus: 4 }
const [percentSign, plusSign, blank] = [0x25, 0x2b, 0x20]
/** Stands for all characters beyond ASCII: whoever encodes one of them encodes them all. */
const beyondAscii = 128
const hexPair = /^[0-9A-Fa-f]{2}$/

/** How a store's encoded texts of one kind (keys, or folded prefixes) were written so far. */
export class KeySpelling {
  readonly #seen = new Uint8Array(beyondAscii + 1)

  constructor() {
    this.forget()
  }

  /**
   * Takes up a text that is said to be URL-encoded. @returns the character that was written in two
   * ways; undefined: each in one
   */
  contradiction(text: string): string | undefined {
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index)
      if (code === percentSign) {
        const hex = text.slice(index + 1, index + 3)
        // Nothing was encoded here: no UTF-8, which is said of the key.
        if (!hexPair.test(hex)) continue
        index += 2
        const byte = Number.parseInt(hex, 16)
        if (this.#isOdd(Math.min(byte, beyondAscii), ways.percent)) return shownCharacter(byte)
      } else if (code === plusSign) {
        if (this.#isOdd(blank, ways.plus)) return shownCharacter(blank)
      } else if (this.#isOdd(Math.min(code, beyondAscii), ways.raw)) return shownCharacter(code)
    }
    return undefined
  }

  /** A store may be exchanged for another: after a refusal it begins anew. */
  forget(): void {
    this.#seen.fill(0)
    // Nobody encodes these (RFC 3986, section 2.3: they are never to be, in any form of encoding).
    for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789')
      this.#seen[character.charCodeAt(0)] = ways.raw
  }

  #isOdd(character: number, way: number): boolean {
    const seen = (this.#seen[character] ?? 0) | way
    this.#seen[character] = seen
    return (seen & (seen - 1)) !== 0
  }
}

function shownCharacter(code: number): string {
  return code < beyondAscii ? String.fromCharCode(code) : 'a character beyond ASCII'
}
