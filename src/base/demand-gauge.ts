// Why: a person who reads a file waits, a load that fills the cache does not: on the same store the reader goes first. How:
// who reads on demand says so for as long as the read lasts; whoever reads ahead of demand asks here, and stands aside for
// a moment at a time, so that demand without end slows it down and never stops it. One gauge for each process.

/** One read that somebody waits for. */
interface DemandRead {
  end(): void
}

export class DemandGauge {
  readonly #reads = new Map<string, number>()
  readonly #seen = new Map<string, number>()
  #idle: PromiseWithResolvers<void> | undefined

  /** Somebody waits for bytes of this namespace's store. */
  begin(namespaceId: string): DemandRead {
    this.#seen.set(namespaceId, (this.#seen.get(namespaceId) ?? 0) + 1)
    return this.#begin(namespaceId)
  }

  /** Somebody is about to read; it is not known yet of which store. */
  announce(): DemandRead {
    return this.#begin('')
  }

  #begin(namespaceId: string): DemandRead {
    this.#reads.set(namespaceId, (this.#reads.get(namespaceId) ?? 0) + 1)
    this.#idle ??= Promise.withResolvers<void>()
    let open = true
    return {
      end: () => {
        if (!open) return
        open = false
        const left = (this.#reads.get(namespaceId) ?? 1) - 1
        if (left > 0) this.#reads.set(namespaceId, left)
        else this.#reads.delete(namespaceId)
        if (this.#reads.size > 0) return
        this.#idle?.resolve()
        this.#idle = undefined
      },
    }
  }

  /** Whether somebody waits for any store: all stores share this process and its network. */
  get active(): boolean {
    return this.#idle !== undefined
  }

  /** Resolves when nobody waits any more. */
  idle(): Promise<void> {
    return this.#idle?.promise ?? Promise.resolve()
  }

  /** Reads that began since this was last asked, by namespace. */
  takeSeen(): ReadonlyMap<string, number> {
    const seen = new Map(this.#seen)
    this.#seen.clear()
    return seen
  }
}
