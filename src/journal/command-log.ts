// Why: a change is acknowledged only after it is in the journal, and changes are applied in journal
// order, so the state after a restart is the acknowledged state. The meaning of commands is unknown
// here. How: `submit` appends at once, so that many commands share one sync of the journal. Durable
// commands are applied in groups, one transaction each, which also stores the last applied
// sequence. A checkpoint copies the state, and then the journal drops the entries that are in the
// copy. It never drops them before, because the live state may not survive a power loss. Modes:
// serving -> stopped (final), when the journal refuses an append or the result is unknown. Only a
// restart, which reads the journal again, can find out which changes are durable.
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { payloadBytesMax } from './log/entry-codec.ts'
import type { Journal, Term } from './journal.ts'
import type { Applied, CommandState } from './command-state.ts'
import type { Uncopied } from './state-table.ts'
import { type JournalSkip, replay, typeOf } from './replay.ts'

export interface CommandLogOptions<Command, Result, Effect = never> {
  readonly journal: Journal
  readonly term: Term
  /** Opened in this term: another master may have written until then. */
  readonly state: CommandState<Command, Result, Effect>
  /**
   * Why a command must not be journaled: one line that begins with the field; undefined when it is
   * valid. `state.apply` must accept every command that passes, because it applies the command at
   * every later start.
   */
  readonly check: (command: Command) => string | undefined
  readonly encode: (command: Command) => Uint8Array
  readonly decode: (bytes: Uint8Array) => Command
  /** An entry to skip if it cannot be applied, and the configuration key that names it. */
  readonly skip?: JournalSkip
  /**
   * Called after the commit, in the order of the commands, before the sender gets the result. Also
   * called during replay.
   */
  readonly onEffect?: (effect: Effect) => void
  readonly logger: Logger
  /**
   * Maximum commands, or bytes of commands, between two checkpoints. More if the state is so large
   * that copying it would cost more.
   */
  readonly checkpointEntries: number
  readonly checkpointBytes: number
  /** Maximum bytes of commands that wait for the journal. Default: 256 MiB. */
  readonly pendingBytesMax?: number
}

interface Pending<Command, Result> {
  readonly seq: bigint
  readonly command: Command
  readonly bytes: number
  durable: boolean
  readonly resolve: (result: Result) => void
  readonly reject: (error: SkeinError) => void
}

/**
 * Maximum of one transaction, unless a single command is larger. A transaction blocks the event
 * loop.
 */
const groupMax = 512
const groupBytesMax = 1024 ** 2
const pendingBytesMaxDefault = 256 * 1024 ** 2
/**
 * Maximum of one command, because its rows and its transaction have the same size. Entries of older
 * versions may be as large as the journal's limit.
 */
const commandBytesMax = payloadBytesMax / 2
/**
 * A state up to this size is copied at every checkpoint. A larger one is copied when the journal
 * has grown by half of its size.
 */
const cheapCopyBytes = 16 * 1024 ** 2
const copyShare = 0.5
/**
 * Limit for a state of any size: a start after a power loss replays no more than this, plus the
 * entries that arrive during the copy.
 */
const replayedBytesMax = 256 * 1024 ** 2

export class CommandLog<Command, Result, Effect = never> {
  readonly #options: CommandLogOptions<Command, Result, Effect>
  readonly #pending: Pending<Command, Result>[] = []
  readonly #stopped = new AbortController()
  #pendingBytes = 0
  #nextSeq: bigint
  /** The result of the last submitted command. Results come in order. */
  #last: Promise<unknown> = Promise.resolve()
  #draining = false
  #closing = false
  #checkpoint: Promise<void> | undefined

  private constructor(options: CommandLogOptions<Command, Result, Effect>, nextSeq: bigint) {
    this.#options = options
    this.#nextSeq = nextSeq
    options.term.signal.addEventListener('abort', () => this.#stop('another master has taken over'), { once: true })
  }

  /**
   * Applies the journal entries after the state's last one, and starts to serve.
   * @throws SkeinError data_loss when the journal ends before the state does or an entry is
   *   missing, and the errors of barrier and read
   */
  static async open<Command, Result, Effect = never>(
    options: CommandLogOptions<Command, Result, Effect>,
  ): Promise<CommandLog<Command, Result, Effect>> {
    const last = await options.journal.barrier(options.term)
    const from = options.state.lastApplied
    if (last < from) {
      throw new SkeinError(
        'data_loss',
        `the journal ends at entry ${last} but the state at ${from}: ` +
          'put the journal directory back, or restore a backup of both',
      )
    }
    if (last > from) await replay(options, last)
    return new CommandLog(options, last + 1n)
  }

  /**
   * Aborts when the log accepts no more commands, with a SkeinError as the reason. `close` does not
   * abort it.
   */
  get stopped(): AbortSignal {
    return this.#stopped.signal
  }

  /**
   * Makes a command durable, applies it, and returns its result after its effects have run.
   * @throws SkeinError the refusal of an invalid command; unavailable (reason `journal_stopped`)
   *   when it is unknown whether the command is durable, (reason `overloaded`) when too many are
   *   waiting; invalid_argument when it must not be journaled or is too large
   */
  submit(command: Command): Promise<Result> {
    if (this.#stopped.signal.aborted) return Promise.reject(toSkeinError(this.#stopped.signal.reason))
    if (this.#closing) return Promise.reject(stopError('the master is closing'))
    const { journal, term, encode, check } = this.#options
    const problem = check(command)
    if (problem !== undefined)
      return Promise.reject(
        new SkeinError('invalid_argument', `the change is refused (${typeOf(command)}): ${problem}`),
      )
    let bytes: Uint8Array
    try {
      bytes = encode(command)
    } catch (cause) {
      return Promise.reject(
        new SkeinError('invalid_argument', `the change is refused (${typeOf(command)}): it cannot be encoded`, {
          cause,
        }),
      )
    }
    const refusal = this.#refusalOf(bytes.length)
    if (refusal !== undefined) return Promise.reject(refusal)
    const seq = this.#nextSeq
    this.#nextSeq += 1n
    const result = new Promise<Result>((resolve, reject) => {
      const pending: Pending<Command, Result> = { seq, command, bytes: bytes.length, durable: false, resolve, reject }
      this.#pending.push(pending)
      this.#pendingBytes += bytes.length
      journal.append(term, seq, bytes).then(
        (answer) => {
          if (answer === 'fenced') this.#stop('another master has taken over')
          else if (answer === 'unknown') this.#stop('it is unknown whether the journal stored a change')
          else this.#onDurable(pending)
        },
        (error: unknown) => this.#stop(`the journal could not be written: ${toSkeinError(error).message}`, error),
      )
    })
    this.#last = result.catch(() => undefined)
    return result
  }

  /**
   * Accepts no more commands, waits for the submitted ones, and makes a last checkpoint if that is
   * cheap.
   */
  async close(): Promise<void> {
    this.#closing = true
    await this.#last
    await this.#checkpoint
    if (this.#stopped.signal.aborted) return
    const { state, logger } = this.#options
    const { uncopied } = state
    if (uncopied.entries === 0 || !this.#isCopyCheap(uncopied)) return
    await this.#runCheckpoint().catch((error: unknown) => {
      logger.error('the last checkpoint failed; the journal keeps its entries', { error })
    })
  }

  /**
   * Checks a command before it gets a sequence, because the journal cannot leave out a sequence.
   */
  #refusalOf(bytes: number): SkeinError | undefined {
    if (bytes > commandBytesMax)
      return new SkeinError(
        'invalid_argument',
        `the change has ${bytes} bytes, which exceeds the journal's limit of ${commandBytesMax}`,
      )
    const { pendingBytesMax = pendingBytesMaxDefault } = this.#options
    if (this.#pending.length > 0 && this.#pendingBytes + bytes > pendingBytesMax)
      return new SkeinError('unavailable', 'too many changes are waiting for the journal: try again', {
        reason: 'overloaded',
      })
    return undefined
  }

  /** Applies in the next microtask, so that entries of one sync share a transaction. */
  #onDurable(pending: Pending<Command, Result>): void {
    pending.durable = true
    if (this.#draining || this.#pending[0]?.durable !== true) return
    this.#draining = true
    queueMicrotask(() => this.#drain())
  }

  #drain(): void {
    this.#draining = false
    if (this.#stopped.signal.aborted) return
    this.#applyGroup(this.#takeDurable())
    if (this.#stopped.signal.aborted || this.#pending[0]?.durable !== true) return
    // The turn has reached its maximum length. Let other work run first.
    this.#draining = true
    setImmediate(() => this.#drain())
  }

  #takeDurable(): Pending<Command, Result>[] {
    let count = 0
    let bytes = 0
    for (const pending of this.#pending) {
      bytes += pending.bytes
      if (!pending.durable || count === groupMax || (count > 0 && bytes > groupBytesMax)) break
      count += 1
    }
    return this.#pending.splice(0, count)
  }

  #applyGroup(group: readonly Pending<Command, Result>[]): void {
    const last = group.at(-1)
    if (last === undefined) return
    const { state, onEffect } = this.#options
    const bytes = bytesOf(group)
    let applied: readonly Applied<Result, Effect>[]
    try {
      applied = state.apply(
        group.map((pending) => pending.command),
        last.seq,
        bytes,
      )
    } catch (error) {
      this.#pending.unshift(...group)
      this.#stop(`a change could not be applied: ${toSkeinError(error).message}`, error)
      return
    }
    this.#pendingBytes -= bytes
    group.forEach((pending, index) => {
      const one = applied[index]
      if (one === undefined) pending.reject(new SkeinError('internal', `entry ${pending.seq} has no result`))
      else if (one.refused !== undefined) pending.reject(one.refused)
      else {
        for (const effect of one.effects ?? []) onEffect?.(effect)
        pending.resolve(one.result)
      }
    })
    this.#checkpointWhenDue()
  }

  #checkpointWhenDue(): void {
    const { checkpointEntries, checkpointBytes, state, logger } = this.#options
    if (this.#checkpoint !== undefined) return
    const { uncopied } = state
    if (uncopied.entries < checkpointEntries && uncopied.bytes < checkpointBytes) return
    if (!this.#isCopyCheap(uncopied)) return
    this.#checkpoint = this.#runCheckpoint()
      .catch((error: unknown) => logger.error('checkpoint failed; the journal keeps its entries', { error }))
      .finally(() => {
        this.#checkpoint = undefined
      })
  }

  #isCopyCheap({ bytes }: Uncopied): boolean {
    const sizeBytes = this.#options.state.sizeBytes()
    return sizeBytes <= cheapCopyBytes || bytes >= Math.min(sizeBytes * copyShare, replayedBytesMax)
  }

  async #runCheckpoint(): Promise<void> {
    const { journal, term, state } = this.#options
    const upTo = await state.snapshot()
    if (!this.#stopped.signal.aborted) await journal.truncate(term, upTo)
  }

  #stop(why: string, cause?: unknown): void {
    // The journal is closed next, so its end is expected.
    if (this.#stopped.signal.aborted || (this.#closing && this.#pending.length === 0)) return
    const error = stopError(why, cause)
    this.#options.logger.error(error.message, { error: cause })
    this.#stopped.abort(error)
    for (const pending of this.#pending.splice(0)) pending.reject(error)
  }
}

function bytesOf(group: readonly { readonly bytes: number }[]): number {
  return group.reduce((sum, { bytes }) => sum + bytes, 0)
}

function stopError(why: string, cause?: unknown): SkeinError {
  return new SkeinError('unavailable', `the master accepts no more changes: ${why}; restart it`, {
    reason: 'journal_stopped',
    cause,
  })
}
