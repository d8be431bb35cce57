// Why: the one contract for making commands durable before they are applied. LocalJournal (one
// master, files) here; an etcd journal (several masters) is the second implementation of the same
// contract, and passes the same suite. Owns: the order of the entries. Does not know what they
// mean.

/** The right to append, until `signal` aborts. */
export interface Term {
  readonly epoch: bigint
  /** Aborts when the right is lost. */
  readonly signal: AbortSignal
  leaseLeftMs(): number
}

export interface JournalEntry {
  readonly seq: bigint
  readonly epoch: bigint
  readonly bytes: Uint8Array
}

export interface Journal {
  /**
   * Waits for the right to append. @throws SkeinError failed_precondition when another process
   * holds it for good
   */
  campaign(id: string, signal: AbortSignal): Promise<Term>
  /**
   * Appends entry `seq` (one more than the last). `ok`: durable. `fenced`: another term has begun;
   * stop. `unknown`: it may or may not be durable; only read() can tell. Calls may overlap; they
   * become durable in order.
   */
  append(term: Term, seq: bigint, bytes: Uint8Array): Promise<'ok' | 'fenced' | 'unknown'>
  /**
   * The entries from `from` on, in order, up to the end at the time of the call. @throws SkeinError
   * data_loss on a gap or rot before the tail
   */
  read(from: bigint): AsyncIterable<JournalEntry>
  /**
   * The seq of the last durable entry (0n when there is none), with everything before it durable.
   */
  barrier(term: Term): Promise<bigint>
  /** Entries up to and including `upTo` may be forgotten. */
  truncate(term: Term, upTo: bigint): Promise<void>
  close(): Promise<void>
}
