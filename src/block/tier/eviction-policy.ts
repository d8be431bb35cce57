// Why: what has to go where when a tier is full is one decision over all tiers, and is made before
// anything is touched.
// How: pure. The tiers are looked at as they are, the moves and deletions that would make room are
// tried on paper, and the answer is a list of actions, or that it cannot be done. What is tried and
// leads nowhere is taken back.
//
//   room in tier n:     the emptiest directory, if it fits; else the coldest blocks of that
//                       directory go whose blocks make room first, coldest first
//   a block that goes:  down to tier n + 1, for which room is made there by the same rule; from the
//                       last tier, or where nothing below can take it, it is deleted, if the
//                       request may delete and the block may be deleted

/**
 * A block that may be moved: nobody reads it, nothing else is done with it, it is not pinned, it
 * can be read again.
 */
export interface Candidate {
  readonly blockId: number
  readonly bytes: number
  /** Index into the tier's directories. */
  readonly directory: number
  /** False: it may be moved, not deleted (a running load counts on it). */
  readonly deletable: boolean
}

export interface TierView {
  readonly directories: readonly { readonly quotaBytes: number; readonly freeBytes: number }[]
  /** Coldest first. */
  candidates(): Iterable<Candidate>
}

export interface Action {
  readonly kind: 'move' | 'delete'
  readonly blockId: number
  /** Where the block is; it moves to the next. */
  readonly level: number
}

export interface RoomRequest {
  readonly bytes: number
  /** Whether blocks may be deleted for it. */
  readonly mayDelete: boolean
}

export interface RoomPlan {
  /**
   * Deepest level first: each level has room by the time that blocks come down to it. Within a
   * level in any order.
   */
  readonly actions: readonly Action[]
  /** One a request: whether it has room once the actions are done. */
  readonly placed: readonly boolean[]
}

/** How to make room in tier `level` for blocks of these sizes, the first first. */
export function planRoom(tiers: readonly TierView[], level: number, requests: readonly RoomRequest[]): RoomPlan {
  const paper = new Paper(tiers)
  const placed = requests.map((request) => paper.attempt(() => paper.place(level, request.bytes, request.mayDelete)))
  return { actions: paper.ordered(), placed }
}

/** How to take about `bytes` of the coldest blocks out of tier `level`; as many as can go. */
export function planRelease(
  tiers: readonly TierView[],
  level: number,
  bytes: number,
  mayDelete: boolean,
): readonly Action[] {
  const paper = new Paper(tiers)
  paper.release(level, bytes, mayDelete)
  return paper.ordered()
}

interface TierPaper {
  readonly freeBytes: number[]
  readonly quotaBytes: readonly number[]
  /** Seen and not planned for yet, by directory, coldest first. */
  readonly seen: Candidate[][]
  readonly iterator: Iterator<Candidate>
}

class Paper {
  readonly #tiers: readonly TierPaper[]
  readonly #actions: Action[] = []
  /** How to take back, newest last. */
  readonly #undo: (() => void)[] = []

  constructor(tiers: readonly TierView[]) {
    this.#tiers = tiers.map((tier) => ({
      freeBytes: tier.directories.map((directory) => directory.freeBytes),
      quotaBytes: tier.directories.map((directory) => directory.quotaBytes),
      seen: tier.directories.map(() => []),
      iterator: tier.candidates()[Symbol.iterator](),
    }))
  }

  ordered(): readonly Action[] {
    return this.#actions.toSorted((a, b) => b.level - a.level)
  }

  /** Runs a step; what it did is taken back when it fails. */
  attempt(step: () => boolean): boolean {
    const before = this.#undo.length
    if (step()) return true
    while (this.#undo.length > before) this.#undo.pop()?.()
    return false
  }

  /** Takes `bytes` out of a directory of the tier, after making room if need be. */
  place(level: number, bytes: number, mayDelete: boolean): boolean {
    const tier = this.#tiers[level]
    if (tier === undefined) return false
    const directory = emptiest(tier.freeBytes)
    if (at(tier.freeBytes, directory) >= bytes) {
      this.#addFree(tier, directory, -bytes)
      return true
    }
    // Without deletions all bytes stay somewhere below this tier, or in it.
    if (!mayDelete && (level === this.#tiers.length - 1 || this.#freeFrom(level) < bytes)) return false
    const chosen = this.#makeRoom(tier, level, bytes, mayDelete)
    if (chosen === undefined) return false
    this.#addFree(tier, chosen, -bytes)
    return true
  }

  release(level: number, bytes: number, mayDelete: boolean): void {
    const tier = this.#tiers[level]
    if (tier === undefined) return
    for (let left = bytes; left > 0;) {
      const next = tier.iterator.next()
      if (next.done === true) return
      if (this.attempt(() => this.#takeOut(tier, level, next.value, mayDelete))) left -= next.value.bytes
      // Nothing below has room for this one, and deletion is not asked for: colder luck is not to
      // be expected further on.
      else if (!mayDelete) return
    }
  }

  /** The directory that has room now; undefined when none can. */
  #makeRoom(tier: TierPaper, level: number, bytes: number, mayDelete: boolean): number | undefined {
    for (;;) {
      const directory = this.#choose(tier, bytes)
      if (directory === undefined) return undefined
      const queue = tier.seen[directory] ?? []
      while (at(tier.freeBytes, directory) < bytes) {
        const victim = queue.shift()
        // The rest of this directory's are not enough any more, since some could not go: choose
        // again.
        if (victim === undefined) break
        const gone = this.attempt(() => this.#takeOut(tier, level, victim, mayDelete))
        if (gone) this.#undo.push(() => queue.unshift(victim))
      }
      if (at(tier.freeBytes, directory) >= bytes) return directory
    }
  }

  /** The directory that the coldest blocks make room in first. */
  #choose(tier: TierPaper, bytes: number): number | undefined {
    const possible = tier.seen.map(
      (seen, directory) =>
        at(tier.freeBytes, directory) + seen.reduce((total, candidate) => total + candidate.bytes, 0),
    )
    const isEnough = (directory: number): boolean =>
      at(tier.quotaBytes, directory) >= bytes && at(possible, directory) >= bytes
    const already = possible.findIndex((_, directory) => isEnough(directory))
    if (already >= 0) return already
    for (let next = tier.iterator.next(); next.done !== true; next = tier.iterator.next()) {
      const { directory } = next.value
      tier.seen[directory]?.push(next.value)
      possible[directory] = at(possible, directory) + next.value.bytes
      if (isEnough(directory)) return directory
    }
    return undefined
  }

  #takeOut(
    tier: TierPaper,
    level: number,
    { blockId, bytes, directory, deletable }: Candidate,
    mayDelete: boolean,
  ): boolean {
    if (this.attempt(() => this.place(level + 1, bytes, mayDelete))) this.#act({ kind: 'move', blockId, level })
    else if (mayDelete && deletable) this.#act({ kind: 'delete', blockId, level })
    else return false
    this.#addFree(tier, directory, bytes)
    return true
  }

  #act(action: Action): void {
    this.#actions.push(action)
    this.#undo.push(() => this.#actions.pop())
  }

  #addFree(tier: TierPaper, directory: number, bytes: number): void {
    tier.freeBytes[directory] = at(tier.freeBytes, directory) + bytes
    this.#undo.push(() => (tier.freeBytes[directory] = at(tier.freeBytes, directory) - bytes))
  }

  #freeFrom(level: number): number {
    return this.#tiers
      .slice(level)
      .reduce((total, tier) => total + tier.freeBytes.reduce((sum, bytes) => sum + bytes, 0), 0)
  }
}

function emptiest(freeBytes: readonly number[]): number {
  let best = 0
  for (let directory = 1; directory < freeBytes.length; directory += 1)
    if (at(freeBytes, directory) > at(freeBytes, best)) best = directory
  return best
}

function at(values: readonly number[], index: number): number {
  return values[index] ?? Number.NEGATIVE_INFINITY
}
