// Why: what the log of commands asks of the state that they are applied to.
import type { SkeinError } from '../base/errors.ts'
import type { Uncopied } from './state-table.ts'

/** What became of a command. A refused one has changed nothing. */
export type Applied<Result, Effect = never> =
  | { readonly result: Result; readonly effects?: readonly Effect[]; readonly refused?: never }
  | { readonly refused: SkeinError }

/** Where commands are applied. */
export interface CommandState<Command, Result, Effect = never> {
  /** The sequence of the last applied command; 0n when there is none. */
  readonly lastApplied: bigint
  /** What no snapshot has yet. */
  readonly uncopied: Uncopied
  /** What a snapshot has to copy. */
  sizeBytes(): number
  /**
   * Applies the commands in order and keeps `lastApplied`, all in one transaction; when it throws,
   * nothing of it has happened. `bytes`: of the commands in the journal.
   */
  apply(commands: readonly Command[], lastApplied: bigint, bytes: number): readonly Applied<Result, Effect>[]
  /** Makes a copy that survives a power loss; gives the sequence up to which it has everything. */
  snapshot(): Promise<bigint>
}
