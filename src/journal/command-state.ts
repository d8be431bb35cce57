// Why: the interface between the command log and the state to which commands are applied.
import type { SkeinError } from '../base/errors.ts'
import type { Uncopied } from './state-table.ts'

/** The result of a command. A refused command has changed nothing. */
export type Applied<Result, Effect = never> =
  | { readonly result: Result; readonly effects?: readonly Effect[]; readonly refused?: never }
  | { readonly refused: SkeinError }

/** The state to which commands are applied. */
export interface CommandState<Command, Result, Effect = never> {
  /** The sequence of the last applied command; 0n when there is none. */
  readonly lastApplied: bigint
  /** The changes that no snapshot has yet. */
  readonly uncopied: Uncopied
  /** Bytes that a snapshot has to copy. */
  sizeBytes(): number
  /**
   * Applies the commands in order and stores `lastApplied`, all in one transaction. When it throws,
   * nothing has changed. `bytes`: size of the commands in the journal.
   */
  apply(commands: readonly Command[], lastApplied: bigint, bytes: number): readonly Applied<Result, Effect>[]
  /**
   * Makes a copy that survives a power loss. Returns the sequence up to which the copy is complete.
   */
  snapshot(): Promise<bigint>
}
