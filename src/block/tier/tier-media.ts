// Why: people ask how much of a file is in memory, and the master is told which blocks are. How:
// the directories of a tier are usually of one medium, which is looked up once; only in a mixed
// tier is the block's directory asked for.
import type { TierStore } from './tier-room.ts'

export class TierMedia {
  readonly #tiers: readonly TierStore[]
  /** Of each directory of each tier. */
  readonly #memory: readonly (readonly boolean[])[]

  constructor(tiers: readonly TierStore[]) {
    this.#tiers = tiers
    this.#memory = tiers.map((tier) => tier.usage().map(({ mediumType }) => mediumType === 'MEM'))
  }

  /** Whether a block that is in this tier is in memory. */
  isMemory(level: number, blockId: number): boolean {
    const directories = this.#memory[level] ?? []
    const [first = false] = directories
    if (directories.every((one) => one === first)) return first
    return directories[this.#tiers[level]?.directoryOf(blockId) ?? 0] ?? false
  }
}
