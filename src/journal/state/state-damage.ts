// Why: damage in the state shows as a value that does not match its checksum or as an error of
// LMDB's; it is told by one error. How: who finds damage asks DamageWatch for the error, and the
// watch tells the owner once and marks the state for the next start.
import { SkeinError } from '../../base/errors.ts'
import type { StateUse } from './state-use.ts'

/**
 * MDB_PAGE_NOTFOUND, CORRUPTED, VERSION_MISMATCH, INVALID, CURSOR_FULL, PAGE_FULL: the tree is not
 * one.
 */
const damageCodes: ReadonlySet<number> = new Set([-30797, -30796, -30794, -30793, -30787, -30786])

export function damagedError(what: string, cause?: unknown): SkeinError {
  const next = 'its next start brings the state back from the snapshot and the journal'
  const why = `${what} in the state is damaged: the master ends, and ${next}`
  return new SkeinError('data_loss', why, { reason: 'state_damaged', cause })
}

/** Whether LMDB says that its file is no whole tree. */
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

  /** What LMDB itself finds wrong is damage like any other. */
  guarded<T>(what: string, work: () => T): T {
    try {
      return work()
    } catch (thrown) {
      if (isDamage(thrown)) throw this.found(what, thrown)
      throw thrown
    }
  }

  /** The error for damage that was found; the first time its owner is told, and the next start. */
  found(what: string, cause?: unknown): SkeinError {
    const error = damagedError(what, cause)
    if (!this.#use.isDamaged) {
      this.#use.markDamaged()
      this.#onDamage?.(error)
    }
    return error
  }
}
