// Why: if a listing declares `encoding-type=url` but contains unencoded keys, two keys become one
// (`c%2Fd` and `c/d`), and one of them is silently lost. How: an encoder always writes a character
// in the same way. Two keys that decode to the same key write some character in different ways, so
// a listing with both ways is refused. The state is kept from page to page.

/** The ways to write a character, as bits. */
const ways = { raw: 1, percent: 2, plus: 4 }
/** The two cases of hex digits are ways of all characters together. */
const hexCases = { upper: 8, lower: 16 }
const [percentSign, plusSign, blank] = [0x25, 0x2b, 0x20]
/** Represents all non-ASCII characters: an encoder that encodes one of them encodes them all. */
const beyondAscii = 128
const anyHex = 129
const hexPair = /^[0-9A-Fa-f]{2}$/

/** The ways in which a store has encoded one kind of text (keys, or folded prefixes) so far. */
export class KeySpelling {
  readonly #seen = new Uint8Array(anyHex + 1)

  constructor() {
    this.forget()
  }

  /**
   * Adds a text that is declared to be URL-encoded.
   * @returns a character that was written in two ways; undefined if there is none
   */
  contradiction(text: string): string | undefined {
    for (let index = 0; index < text.length; index += 1) {
      const code = text.charCodeAt(index)
      if (code === percentSign) {
        const hex = text.slice(index + 1, index + 3)
        // This is not an encoded character. If it is not UTF-8 either, the key is reported as such.
        if (!hexPair.test(hex)) continue
        index += 2
        const byte = Number.parseInt(hex, 16)
        const isOdd = this.#isOdd(Math.min(byte, beyondAscii), ways.percent)
        if (isOdd || (/[A-Fa-f]/.test(hex) && this.#isOdd(anyHex, hexCaseOf(hex)))) return shownCharacter(byte)
      } else if (code === plusSign) {
        if (this.#isOdd(blank, ways.plus)) return shownCharacter(blank)
      } else if (this.#isOdd(Math.min(code, beyondAscii), ways.raw)) return shownCharacter(code)
    }
    return undefined
  }

  /** Resets the state. After a refusal, the store may have been replaced by another one. */
  forget(): void {
    this.#seen.fill(0)
    // No encoder encodes these (RFC 3986, section 2.3, forbids it).
    for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789')
      this.#seen[character.charCodeAt(0)] = ways.raw
  }

  #isOdd(character: number, way: number): boolean {
    const seen = (this.#seen[character] ?? 0) | way
    this.#seen[character] = seen
    return (seen & (seen - 1)) !== 0
  }
}

function hexCaseOf(hex: string): number {
  if (hex === hex.toUpperCase()) return hexCases.upper
  return hex === hex.toLowerCase() ? hexCases.lower : hexCases.upper | hexCases.lower
}

function shownCharacter(code: number): string {
  return code < beyondAscii ? String.fromCharCode(code) : 'a non-ASCII character'
}
