// Why: of two calls that begin a file at one path, one gives up what the other began. How: those of
// a path follow each other.

export class TurnsOfPaths {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Runs when no earlier one of this path does any more. */
  run<T>(path: string, act: () => Promise<T>): Promise<T> {
    const before = this.#last.get(path) ?? Promise.resolve()
    const turn = before.then(act, act)
    this.#last.set(path, turn)
    const forget = (): void => {
      if (this.#last.get(path) === turn) this.#last.delete(path)
    }
    turn.then(forget, forget)
    return turn
  }
}
