// Why: every change is durable before it is visible, and the state after a restart is the state that was acknowledged.
// How: submit() appends a command to the journal; commands that are durable are applied in order, in groups, each group
// one transaction of the store, which keeps the last applied sequence beside the rows. After a restart the journal is
// replayed from there. Knows nothing of what commands mean: generic in command and effect.
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { Journal, Term } from '../journal/journal.ts'

/** Where commands are applied. */
export interface CommandStore<Command, Effect> {
  /** The sequence of the last applied command; 0n when there is none. */
  lastApplied(): bigint
  /** Applies the commands in order and keeps `seq` as the last applied one, all in one transaction. */
  apply(commands: readonly Command[], seq: bigint): Effect[]
  /** Resolves when everything applied before the call is on the disk. */
  flushed(): Promise<void>
}

export interface CommandLogOptions<Command, Effect> {
  readonly journal: Journal
  readonly term: Term
  readonly store: CommandStore<Command, Effect>
  readonly encode: (command: Command) => Uint8Array
  readonly decode: (bytes: Uint8Array) => Command
  /** Commands between checkpoints (store on disk, journal truncated). */
  readonly checkpointCommands: number
  /** Called once when the log can go on no longer: fenced, or the journal failed. */
  readonly onFailure: (error: SkeinError) => void
}

interface Pending<Command, Effect> {
  readonly command: Command
  readonly seq: bigint
  readonly resolve: (effect: Effect) => void
  readonly reject: (error: SkeinError) => void
  durable: boolean
  appended: Promise<void>
}

/** Commands applied in one transaction at most. */
const groupMax = 512

export class CommandLog<Command, Effect> {
  readonly #options: CommandLogOptions<Command, Effect>
  readonly #pending: Pending<Command, Effect>[] = []
  #nextSeq: bigint
  #sinceCheckpoint = 0
  #draining = false
  #failure: SkeinError | undefined
  #checkpointing: Promise<void> = Promise.resolve()

  private constructor(options: CommandLogOptions<Command, Effect>, nextSeq: bigint) {
    this.#options = options
    this.#nextSeq = nextSeq
  }

  /** Replays what the store lacks, then serves. @throws SkeinError data_loss from the journal */
  static async open<Command, Effect>(options: CommandLogOptions<Command, Effect>): Promise<CommandLog<Command, Effect>> {
    const { journal, store, decode } = options
    let last = store.lastApplied()
    let group: Command[] = []
    for await (const entry of journal.read(last + 1n)) {
      group.push(decode(entry.bytes))
      last = entry.seq
      if (group.length < groupMax) continue
      store.apply(group, last)
      group = []
    }
    if (group.length > 0) store.apply(group, last)
    return new CommandLog(options, last + 1n)
  }

  /** Resolves with the command's effect when it is durable and applied. @throws SkeinError unavailable when the log has stopped */
  submit(command: Command): Promise<Effect> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const seq = this.#nextSeq
    this.#nextSeq += 1n
    return new Promise<Effect>((resolve, reject) => {
      const pending: Pending<Command, Effect> = { command, seq, resolve, reject, durable: false, appended: Promise.resolve() }
      pending.appended = this.#append(pending)
      this.#pending.push(pending)
      if (!this.#draining) void this.#drain()
    })
  }

  async #append(pending: Pending<Command, Effect>): Promise<void> {
    const { journal, term, encode } = this.#options
    try {
      const outcome = await journal.append(term, pending.seq, encode(pending.command))
      if (outcome === 'ok') pending.durable = true
      else
        this.#fail(
          new SkeinError('unavailable', `the journal did not take entry ${pending.seq}: ${outcome}`, { reason: `journal_${outcome}` }),
        )
    } catch (thrown) {
      this.#fail(toSkeinError(thrown))
    }
  }

  async #drain(): Promise<void> {
    this.#draining = true
    for (let head = this.#pending[0]; head !== undefined && this.#failure === undefined; head = this.#pending[0]) {
      await head.appended
      const ready = this.#takeDurable()
      if (ready.length > 0) this.#applyGroup(ready)
    }
    this.#draining = false
  }

  #takeDurable(): Pending<Command, Effect>[] {
    let count = 0
    while (count < groupMax && this.#pending[count]?.durable === true) count += 1
    return this.#pending.splice(0, count)
  }

  #applyGroup(group: readonly Pending<Command, Effect>[]): void {
    const last = group.at(-1)
    if (last === undefined) return
    try {
      const commands = group.map((pending) => pending.command)
      const effects = this.#options.store.apply(commands, last.seq)
      group.forEach((pending, index) => pending.resolve(effects[index] as Effect))
    } catch (thrown) {
      const error = toSkeinError(thrown)
      for (const pending of group) pending.reject(error)
      this.#fail(error)
      return
    }
    this.#sinceCheckpoint += group.length
    if (this.#sinceCheckpoint < this.#options.checkpointCommands) return
    this.#sinceCheckpoint = 0
    this.#checkpointing = this.#checkpointing.then(() => this.checkpoint()).catch((thrown: unknown) => this.#fail(toSkeinError(thrown)))
  }

  /** Puts the store on the disk and lets the journal forget what it holds. */
  async checkpoint(): Promise<void> {
    const { journal, term, store } = this.#options
    const seq = store.lastApplied()
    await store.flushed()
    if (this.#failure === undefined) await journal.truncate(term, seq)
  }

  /** Waits for what was submitted, and takes a last checkpoint. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#pending.map((pending) => pending.appended))
    await this.#checkpointing
    if (this.#failure === undefined) {
      await this.checkpoint()
      this.#failure = new SkeinError('unavailable', 'the job master is shutting down')
    }
  }

  #fail(error: SkeinError): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    for (const pending of this.#pending.splice(0)) pending.reject(error)
    this.#options.onFailure(error)
  }
}
