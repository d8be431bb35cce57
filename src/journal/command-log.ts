// Why: a change counts once the journal has it, and is applied in the journal's order; the state
// after a restart is the state that was acknowledged. Knows nothing of what commands mean. How:
// `submit` appends at once, so that many commands share one sync of the journal; what has become
// durable is applied in groups, one transaction each, with the last applied sequence in it. At a
// checkpoint the state is copied and then the journal forgets what the copy has: never before, for
// the live state need not survive a power loss. Modes: serving -> stopped, for good, when the
// journal refuses or cannot tell; only a restart, which reads the journal again, can find out what
// holds.
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
   * Why a command may not be journaled: one line that begins with the field; undefined when it may.
   * Whatever it lets through must be one that `state.apply` takes, for it is applied at every start
   * from then on.
   */
  readonly check: (command: Command) => string | undefined
  readonly encode: (command: Command) => Uint8Array
  readonly decode: (bytes: Uint8Array) => Command
  /** An entry that is left out where it cannot be applied, and the key that says so. */
  readonly skip?: JournalSkip
  /**
   * Called after the commit, in the commands' order, before the command's sender hears of it; when
   * replaying too.
   */
  readonly onEffect?: (effect: Effect) => void
  readonly logger: Logger
  /**
   * Commands, or bytes of them, between two checkpoints; more when the state is so big that copying
   * it would cost more.
   */
  readonly checkpointEntries: number
  readonly checkpointBytes: number
  /** Bytes of commands that wait for the journal. Default: 256 MiB. */
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

/** Of one transaction, unless a single command is larger: the event loop stands still for it. */
const groupMax = 512
const groupBytesMax = 1024 ** 2
const pendingBytesMaxDefault = 256 * 1024 ** 2
/**
 * Of one command: its rows and its transaction are of the same size. What older versions journaled
 * may be as large as an entry.
 */
const commandBytesMax = payloadBytesMax / 2
/**
 * A state of this size is copied at every checkpoint; a larger one when the journal has grown by
 * half of its size.
 */
const cheapCopyBytes = 16 * 1024 ** 2
const copyShare = 0.5
/**
 * However large the state is: a start after a power loss replays no more than this, and what comes
 * in while it is copied.
 */
const replayedBytesMax = 256 * 1024 ** 2

export class CommandLog<Command, Result, Effect = never> {
  readonly #options: CommandLogOptions<Command, Result, Effect>
  readonly #pending: Pending<Command, Result>[] = []
  readonly #stopped = new AbortController()
  #pendingBytes = 0
  #nextSeq: bigint
  /** Of the command submitted last; results come in order. */
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
   * Applies what the journal has beyond the state, and serves.
   * @throws SkeinError data_loss when the journal ends before the state does or lacks an entry, and
   *   what barrier and read throw
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
   * Aborts when commands can no longer be taken, the reason (SkeinError) says why; not by `close`.
   */
  get stopped(): AbortSignal {
    return this.#stopped.signal
  }

  /**
   * Makes a command durable, applies it, and gives its result once its effects have run.
   * @throws SkeinError the refusal of a command that could not hold; unavailable (reason
   *   `journal_stopped`) when it is not known whether the command was kept, (reason `overloaded`)
   *   when too many wait; invalid_argument when it may not be journaled or is too large
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
        new SkeinError('invalid_argument', `the change is refused (${typeOf(command)}): it cannot be written`, {
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
          else if (answer === 'unknown') this.#stop('the journal could not tell whether a change was kept')
          else this.#onDurable(pending)
        },
        (error: unknown) => this.#stop(`the journal could not be written: ${toSkeinError(error).message}`, error),
      )
    })
    this.#last = result.catch(() => undefined)
    return result
  }

  /** Takes no more, waits for what was submitted, and takes a last checkpoint if that is cheap. */
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
   * Before the command has a sequence: the journal's order has no place for one that it will not
   * take.
   */
  #refusalOf(bytes: number): SkeinError | undefined {
    if (bytes > commandBytesMax)
      return new SkeinError(
        'invalid_argument',
        `a change of ${bytes} bytes is above the journal's limit of ${commandBytesMax}`,
      )
    const { pendingBytesMax = pendingBytesMaxDefault } = this.#options
    if (this.#pending.length > 0 && this.#pendingBytes + bytes > pendingBytesMax)
      return new SkeinError('unavailable', 'too many changes wait for the journal: try again', { reason: 'overloaded' })
    return undefined
  }

  /**
   * Applies in the next microtask, so that entries that one sync made durable share a transaction.
   */
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
    // Others first: this was as long as one turn may be.
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
    // The journal is closed after this; that it ends then is no news.
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
  return new SkeinError('unavailable', `no change is taken any more: ${why}; restart the master`, {
    reason: 'journal_stopped',
    cause,
  })
}
