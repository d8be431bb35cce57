// Why: copies that workers were told to make, until they are reported, so that none is planned
// twice and no worker is told of more than it can do. How: two indexes over the same records, by
// block and by target.

export interface ReplicaCopy {
  readonly blockId: number
  readonly sourceId: string
  readonly targetId: string
  readonly bytes: number
  readonly durable: boolean
  readonly giveUpMonotonicMs: number
}

export class ReplicationCopies {
  readonly #byBlock = new Map<number, ReplicaCopy[]>()
  readonly #byTarget = new Map<string, Map<number, ReplicaCopy>>()
  #open = 0

  /** Copies on their way. */
  get open(): number {
    return this.#open
  }

  /** One copy of a block to a worker at a time; a second one is passed over. */
  add(copy: ReplicaCopy): void {
    const { blockId, targetId } = copy
    const target = this.#byTarget.get(targetId) ?? new Map<number, ReplicaCopy>()
    if (target.has(blockId)) return
    this.#byTarget.set(targetId, target.set(blockId, copy))
    this.#byBlock.set(blockId, [...(this.#byBlock.get(blockId) ?? []), copy])
    this.#open += 1
  }

  /** Ends a copy. @returns it; undefined when there is none */
  end(blockId: number, targetId: string): ReplicaCopy | undefined {
    const target = this.#byTarget.get(targetId)
    const copy = target?.get(blockId)
    if (target === undefined || copy === undefined) return undefined
    target.delete(blockId)
    if (target.size === 0) this.#byTarget.delete(targetId)
    const others = (this.#byBlock.get(blockId) ?? []).filter((other) => other !== copy)
    if (others.length === 0) this.#byBlock.delete(blockId)
    else this.#byBlock.set(blockId, others)
    this.#open -= 1
    return copy
  }

  targetsOf(blockId: number): string[] {
    return (this.#byBlock.get(blockId) ?? []).map((copy) => copy.targetId)
  }

  /** Copies to a worker, the oldest first. */
  to(targetId: string): ReplicaCopy[] {
    return [...(this.#byTarget.get(targetId)?.values() ?? [])]
  }

  openTo(targetId: string): number {
    return this.#byTarget.get(targetId)?.size ?? 0
  }

  /** Copies that are read from a worker. */
  openFrom(sourceId: string): number {
    let open = 0
    for (const copies of this.#byBlock.values()) for (const copy of copies) if (copy.sourceId === sourceId) open += 1
    return open
  }

  bytesTo(targetId: string): number {
    return this.to(targetId).reduce((sum, copy) => sum + copy.bytes, 0)
  }

  /** Ends and gives the copies whose time is over. */
  takeOverdue(nowMonotonicMs: number): ReplicaCopy[] {
    const overdue = [...this.#byTarget.values()].flatMap((target) =>
      [...target.values()].filter((copy) => copy.giveUpMonotonicMs <= nowMonotonicMs),
    )
    for (const { blockId, targetId } of overdue) this.end(blockId, targetId)
    return overdue
  }
}
