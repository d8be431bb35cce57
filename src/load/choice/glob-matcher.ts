// Why: users write globs, and each one is matched against every key of a dataset, so no pattern may
// make matching slow. How: the matcher keeps the set of pattern positions that the name so far can
// reach, and advances all of them by one character at a time. A position is dropped when a later
// one covers it: after a reached `*`, earlier positions in the same segment do not matter; after a
// `**`, no earlier position does.

/** As a UTF-16 code unit. */
export const slash = 47

export type Token =
  | { readonly kind: 'one'; readonly accepts: (code: number) => boolean }
  /** `*`: any characters except `/`. */
  | { readonly kind: 'some' }
  /** `**` at the end: any characters. */
  | { readonly kind: 'rest' }
  /**
   * `**` and a `/`: any number of directories, also none. Takes two positions: before, and inside,
   * the name of a directory.
   */
  | { readonly kind: 'directories' }
  | { readonly kind: 'within' }

/** Returns a function that tells whether a name matches the tokens. */
export function matcherOf(tokens: readonly Token[]): (name: string) => boolean {
  const matcher = new Matcher(tokens)
  return (name) => matcher.fits(name)
}

class Matcher {
  readonly #tokens: readonly Token[]
  /** For each position: start of the run of positions before it that accept no `/`. */
  readonly #runStart: readonly number[]
  /**
   * For each position: whether the name so far can reach it, before (`#now`) and after (`#next`)
   * the current character.
   */
  #now: Uint8Array
  #next: Uint8Array
  /** Highest marked position of `#next`. */
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

  /** Marks a position, and the positions after it that need no character. */
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
