// Why: a person who reads a file waits, a load that fills the cache does not: on the same store the
// reader goes first. How: who reads on demand says so for as long as the read lasts; whoever reads
// ahead of demand asks here, and stands aside for a moment at a time, so that demand without end
// slows it down and never stops it. One gauge for each process. A reader takes its bytes piece by
// piece: between two of them demand lasts on for a moment, or all that stood aside would begin
// anew.
import type { Clock } from '../clock.ts'

/** One read that somebody waits for. */
interface DemandRead {
  end(): void
}

/** How long demand lasts on after its last read. */
export interface DemandLinger {
  readonly clock: Pick<Clock, 'schedule'>
  readonly ms: number
}

export class DemandGauge {
  readonly #reads = new Map<string, number>()
  readonly #seen = new Map<string, number>()
  readonly #linger: DemandLinger | undefined
  #active = false
  readonly #whenIdle = new Set<() => void>()
  #stopLingering: (() => void) | undefined

  /** Without `linger` demand ends with its last read. */
  constructor(linger?: DemandLinger) {
    this.#linger = linger
  }

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
    this.#active = true
    this.#stopLingering?.()
    this.#stopLingering = undefined
    let open = true
    return {
      end: () => {
        if (!open) return
        open = false
        const left = (this.#reads.get(namespaceId) ?? 1) - 1
        if (left > 0) this.#reads.set(namespaceId, left)
        else this.#reads.delete(namespaceId)
        if (this.#reads.size > 0) return
        if (this.#linger === undefined) this.#end()
        else this.#stopLingering = this.#linger.clock.schedule(this.#linger.ms, () => this.#end())
      },
    }
  }

  #end(): void {
    this.#active = false
    const listeners = [...this.#whenIdle]
    this.#whenIdle.clear()
    for (const listener of listeners) listener()
  }

  /** Whether somebody waits for any store: all stores share this process and its network. */
  get active(): boolean {
    return this.#active
  }

  /**
   * Calls back once, when nobody waits any more, unless the returned function is called first.
   * While `active` only.
   */
  whenIdle(listener: () => void): () => void {
    this.#whenIdle.add(listener)
    return () => this.#whenIdle.delete(listener)
  }

  /** Reads that began since this was last asked, by namespace. */
  takeSeen(): ReadonlyMap<string, number> {
    const seen = new Map(this.#seen)
    this.#seen.clear()
    return seen
  }
}
