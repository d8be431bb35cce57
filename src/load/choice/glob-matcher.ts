// Why: globs are written by anybody and held against every key of a dataset, so no pattern may make
// that slow. How: the places in the pattern that the name so far may have reached are marked, and
// all advance by one character together. Of two places that could only lead to the same later one,
// the later one is enough: behind a `*` that is reached, nothing before it in the same segment
// matters any more, and behind a `**` nothing at all.

/** In UTF-16 units. */
export const slash = 47

export type Token =
  | { readonly kind: 'one'; readonly accepts: (code: number) => boolean }
  /** `*`: any characters but `/`. */
  | { readonly kind: 'some' }
  /** `**` at the end: any characters. */
  | { readonly kind: 'rest' }
  /**
   * `**` and a `/`: no directory, or any number of them. Takes two places: before, and within, a
   * directory's name.
   */
  | { readonly kind: 'directories' }
  | { readonly kind: 'within' }

/** Whether a name fits the tokens. */
export function matcherOf(tokens: readonly Token[]): (name: string) => boolean {
  const matcher = new Matcher(tokens)
  return (name) => matcher.fits(name)
}

class Matcher {
  readonly #tokens: readonly Token[]
  /** By place: where the part before it begins that takes no `/`. */
  readonly #runStart: readonly number[]
  /**
   * By place: whether the name so far may have reached it; before, and after the character that is
   * being looked at.
   */
  #now: Uint8Array
  #next: Uint8Array
  /** The last place of `#next` that is marked. */
  #highest = -1

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
    this.#now = new Uint8Array(tokens.length + 2)
    this.#next = new Uint8Array(tokens.length + 2)
    let start = 0
    this.#runStart = tokens.map((token, at) => {
      const runStart = start
      if (takesSlash(token)) start = at + 1
      return runStart
    })
  }

  fits(name: string): boolean {
    this.#next.fill(0)
    this.#highest = -1
    this.#reach(0)
    for (let at = 0; at < name.length && this.#highest >= 0; at += 1) this.#advance(name.charCodeAt(at))
    return this.#next[this.#tokens.length] === 1
  }

  #advance(code: number): void {
    const from = this.#highest
    ;[this.#now, this.#next] = [this.#next, this.#now]
    this.#next.fill(0)
    this.#highest = -1
    for (let place = from; place >= 0; place -= 1) {
      const token = this.#now[place] === 1 ? this.#tokens[place] : undefined
      if (token === undefined) continue
      if (token.kind === 'one') {
        if (token.accepts(code)) this.#reach(place + 1)
      } else if (token.kind === 'some') {
        if (code !== slash) this.#reach(place)
        place = this.#runStart[place] ?? 0
      } else if (token.kind === 'rest') {
        this.#reach(place)
        return
      } else {
        const within = token.kind === 'within' ? place : place + 1
        this.#mark(within)
        if (code === slash) this.#reach(within + 1)
      }
    }
  }

  /** Marks a place, and those behind it that need no character. */
  #reach(place: number): void {
    for (let at = place; this.#next[at] === 0;) {
      this.#mark(at)
      const kind = this.#tokens[at]?.kind
      if (kind === 'some' || kind === 'rest') at += 1
      else if (kind === 'directories') at += 2
      else return
    }
  }

  #mark(place: number): void {
    this.#next[place] = 1
    if (place > this.#highest) this.#highest = place
  }
}

function takesSlash(token: Token): boolean {
  return token.kind === 'one' ? token.accepts(slash) : token.kind !== 'some'
}
