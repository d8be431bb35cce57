// Why: a change counts once the journal has it, and is applied in the journal's order. How: `submit` appends at once, so
// that many commands share one sync of the journal; what has become durable is applied in groups, one transaction each.
// Modes: serving -> stopped, for good, when the journal refuses or cannot tell; only a restart, which reads the journal
// again, can find out what holds.
import { assert } from '../base/assert.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { Journal, Term } from '../journal/journal.ts'
import { apply } from '../meta/apply.ts'
import type { Command, Effect, Outcome } from '../meta/commands.ts'
import type { Tables } from '../meta/tables.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { MetricRegistry } from '../telemetry/registry.ts'
import { decodeCommand, encodeCommand } from './command-codec.ts'

/** Tables with a transaction and a place for the last applied sequence. */
export interface DurableTables extends Tables {
  readonly lastApplied: bigint
  transact(lastApplied: bigint, change: () => void): void
  flush(): Promise<void>
}

export interface CommandLogOptions {
  /** Commands, or bytes of them, between two checkpoints. */
  readonly checkpointEntries: number
  readonly checkpointBytes: number
}

export interface CommandLogDependencies {
  readonly journal: Journal
  readonly tables: DurableTables
  /** Called after the commit, in order. */
  readonly onEffect: (effect: Effect) => void
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly options: CommandLogOptions
}

/** The journal's outcome of a command that held. */
export type Accepted = Exclude<Outcome, { readonly refused: object }>

interface Pending {
  readonly seq: bigint
  readonly command: Command
  readonly bytes: number
  durable: boolean
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: SkeinError) => void
}

const replayGroup = 256

export class CommandLog {
  readonly #deps: CommandLogDependencies
  readonly #term: Term
  readonly #pending: Pending[] = []
  readonly #stopped = new AbortController()
  #nextSeq: bigint
  /** Of the command submitted last; outcomes come in order. */
  #last: Promise<unknown> = Promise.resolve()
  #draining = false
  #closing = false
  #sinceCheckpoint = { entries: 0, bytes: 0 }
  #checkpoint: Promise<void> | undefined

  private constructor(deps: CommandLogDependencies, term: Term, nextSeq: bigint) {
    this.#deps = deps
    this.#term = term
    this.#nextSeq = nextSeq
    term.signal.addEventListener('abort', () => this.#stop('another master has taken over'), { once: true })
  }

  /**
   * Applies what the journal has beyond the tables, and serves. The tables must have been opened in this term.
   * @throws SkeinError data_loss when the journal ends before the tables do, and what barrier and read throw
   */
  static async open(deps: CommandLogDependencies, term: Term): Promise<CommandLog> {
    const last = await deps.journal.barrier(term)
    const from = deps.tables.lastApplied
    if (last < from) {
      throw new SkeinError(
        'data_loss',
        `the journal ends at entry ${last} but the state at ${from}: put the journal directory back, or restore a backup of both`,
      )
    }
    if (last > from) await replay(deps, from)
    return new CommandLog(deps, term, last + 1n)
  }

  /** Aborts when commands can no longer be taken, the reason says why; not by `close`. */
  get stopped(): AbortSignal {
    return this.#stopped.signal
  }

  /**
   * Makes a command durable, applies it, and gives its outcome once its effects have run.
   * @throws SkeinError the refusal of a command that could not hold; unavailable (reason `journal_stopped`) when it is
   *   not known whether the command was kept
   */
  submit(command: Command): Promise<Accepted> {
    if (this.#stopped.signal.aborted) return Promise.reject(toSkeinError(this.#stopped.signal.reason))
    if (this.#closing) return Promise.reject(stopError('the master is closing'))
    const bytes = encodeCommand(command)
    const seq = this.#nextSeq
    this.#nextSeq += 1n
    const outcome = new Promise<Outcome>((resolve, reject) => {
      const pending: Pending = { seq, command, bytes: bytes.length, durable: false, resolve, reject }
      this.#pending.push(pending)
      this.#deps.metrics.add('journal.appends')
      this.#deps.journal.append(this.#term, seq, bytes).then(
        (result) => {
          if (result === 'fenced') this.#stop('another master has taken over')
          else if (result === 'unknown') this.#stop('the journal could not tell whether a change was kept')
          else this.#onDurable(pending)
        },
        (error: unknown) => this.#stop(`the journal could not be written: ${toSkeinError(error).message}`, error),
      )
    })
    this.#last = outcome.catch(() => undefined)
    return outcome.then(accepted)
  }

  /** Takes no more, waits for what was submitted, flushes the tables and lets the journal forget. */
  async close(): Promise<void> {
    this.#closing = true
    await this.#last
    await this.#checkpoint
    if (this.#stopped.signal.aborted) return
    await this.#runCheckpoint()
  }

  /** Applies in the next microtask, so that entries that one sync made durable share a transaction. */
  #onDurable(pending: Pending): void {
    pending.durable = true
    if (this.#draining || this.#pending[0]?.durable !== true) return
    this.#draining = true
    queueMicrotask(() => {
      this.#draining = false
      this.#applyDurable()
    })
  }

  #applyDurable(): void {
    if (this.#stopped.signal.aborted) return
    const waiting = this.#pending.findIndex((pending) => !pending.durable)
    const group = this.#pending.splice(0, waiting < 0 ? this.#pending.length : waiting)
    const last = group.at(-1)
    if (last === undefined) return
    const done: { pending: Pending; outcome: Outcome; effects: readonly Effect[] }[] = []
    try {
      this.#deps.tables.transact(last.seq, () => {
        for (const pending of group) done.push({ pending, ...apply(this.#deps.tables, pending.command) })
      })
    } catch (error) {
      this.#pending.unshift(...group)
      this.#stop(`a change could not be applied: ${toSkeinError(error).message}`, error)
      return
    }
    for (const { pending, outcome, effects } of done) {
      for (const effect of effects) this.#deps.onEffect(effect)
      pending.resolve(outcome)
      this.#sinceCheckpoint.entries += 1
      this.#sinceCheckpoint.bytes += pending.bytes
    }
    this.#checkpointWhenDue()
  }

  #checkpointWhenDue(): void {
    const { checkpointEntries, checkpointBytes } = this.#deps.options
    const { entries, bytes } = this.#sinceCheckpoint
    if (this.#checkpoint !== undefined || (entries < checkpointEntries && bytes < checkpointBytes)) return
    this.#checkpoint = this.#runCheckpoint()
      .catch((error: unknown) => this.#deps.logger.error('checkpoint failed; the journal keeps its entries', { error }))
      .finally(() => {
        this.#checkpoint = undefined
      })
  }

  async #runCheckpoint(): Promise<void> {
    this.#sinceCheckpoint = { entries: 0, bytes: 0 }
    const upTo = this.#deps.tables.lastApplied
    await this.#deps.tables.flush()
    if (upTo > 0n) await this.#deps.journal.truncate(this.#term, upTo)
  }

  #stop(why: string, cause?: unknown): void {
    // The journal is closed after this; that it ends then is no news.
    if (this.#stopped.signal.aborted || (this.#closing && this.#pending.length === 0)) return
    const error = stopError(why, cause)
    this.#deps.logger.error(error.message, { error: cause })
    this.#stopped.abort(error)
    for (const pending of this.#pending.splice(0)) pending.reject(error)
  }
}

async function replay(deps: CommandLogDependencies, from: bigint): Promise<void> {
  let group: { seq: bigint; command: Command }[] = []
  let expected = from + 1n
  const applyGroup = (): void => {
    const last = group.at(-1)
    if (last === undefined) return
    const effects: Effect[] = []
    deps.tables.transact(last.seq, () => {
      for (const { command } of group) effects.push(...apply(deps.tables, command).effects)
    })
    for (const effect of effects) deps.onEffect(effect)
    group = []
  }
  for await (const entry of deps.journal.read(expected)) {
    assert(entry.seq === expected, `journal entry ${entry.seq} where ${expected} was due`)
    expected += 1n
    group.push({ seq: entry.seq, command: decodeCommand(entry.bytes) })
    if (group.length >= replayGroup) applyGroup()
  }
  applyGroup()
  deps.logger.info('journal replayed', { from: from + 1n, to: expected - 1n })
}

function stopError(why: string, cause?: unknown): SkeinError {
  return new SkeinError('unavailable', `the master takes no changes any more: ${why}; restart it`, { reason: 'journal_stopped', cause })
}

function accepted(outcome: Outcome): Accepted {
  if (outcome.refused !== undefined) throw new SkeinError(outcome.refused.code, outcome.refused.message)
  return outcome
}
