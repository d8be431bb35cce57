// Why: damage in the state appears as a value that does not match its checksum, or as an error of
// LMDB. Both are reported as one error. How: the code that finds damage gets the error from
// DamageWatch, which notifies the owner once and marks the state for the next start.
import { SkeinError } from '../../base/errors.ts'
import type { StateUse } from './state-use.ts'

/**
 * MDB_PAGE_NOTFOUND, CORRUPTED, VERSION_MISMATCH, INVALID, CURSOR_FULL, PAGE_FULL: the tree is
 * damaged.
 */
const damageCodes: ReadonlySet<number> = new Set([-30797, -30796, -30794, -30793, -30787, -30786])

export function damagedError(what: string, cause?: unknown): SkeinError {
  const next = 'its next start restores the state from the snapshot and the journal'
  const why = `${what} in the state is damaged: the master stops, and ${next}`
  return new SkeinError('data_loss', why, { reason: 'state_damaged', cause })
}

/** Whether LMDB reports that its file is damaged. */
export function isDamage(thrown: unknown): boolean {
  return thrown instanceof Error && damageCodes.has(Number((thrown as { code?: unknown }).code))
}

export class DamageWatch {
  readonly #use: Pick<StateUse, 'isDamaged' | 'markDamaged'>
  readonly #onDamage: ((error: SkeinError) => void) | undefined

  constructor(use: Pick<StateUse, 'isDamaged' | 'markDamaged'>, onDamage: ((error: SkeinError) => void) | undefined) {
    this.#use = use
    this.#onDamage = onDamage
  }

  /** Treats damage that LMDB reports like any other damage. */
  guarded<T>(what: string, work: () => T): T {
    try {
      return work()
    } catch (thrown) {
      if (isDamage(thrown)) throw this.found(what, thrown)
      throw thrown
    }
  }

  /**
   * Returns the error for damage. The first call notifies the owner and marks the state for the
   * next start.
   */
  found(what: string, cause?: unknown): SkeinError {
    const error = damagedError(what, cause)
    if (!this.#use.isDamaged) {
      this.#use.markDamaged()
      this.#onDamage?.(error)
    }
    return error
  }
}
