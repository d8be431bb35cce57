// Why: a person waits for a demand read, but not for a load that fills the cache, so reads go first
// on the same store. How: demand reads register here for their duration. Loads check here and pause
// for a short time, repeatedly, so that continuous demand slows them down but never stops them.
// There is one gauge per process. A reader takes its bytes in pieces, so demand lingers for a
// moment between two of them; otherwise all paused loads would resume each time.
import type { Clock } from '../clock.ts'

/** One read that a client waits for. */
interface DemandRead {
  end(): void
}

/** How long demand lingers after its last read. */
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

  /** Without `linger`, demand ends with its last read. */
  constructor(linger?: DemandLinger) {
    this.#linger = linger
  }

  /** Registers a read from the store of this namespace. */
  begin(namespaceId: string): DemandRead {
    this.#seen.set(namespaceId, (this.#seen.get(namespaceId) ?? 0) + 1)
    return this.#begin(namespaceId)
  }

  /** Registers a read whose store is not known yet. */
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

  /** Whether a client waits for any store. All stores share this process and its network. */
  get active(): boolean {
    return this.#active
  }

  /**
   * Calls `listener` once, when there is no more demand, unless the returned function is called
   * first. Call it only while `active`.
   */
  whenIdle(listener: () => void): () => void {
    this.#whenIdle.add(listener)
    return () => this.#whenIdle.delete(listener)
  }

  /** Reads that began since the last call, by namespace. */
  takeSeen(): ReadonlyMap<string, number> {
    const seen = new Map(this.#seen)
    this.#seen.clear()
    return seen
  }
}
