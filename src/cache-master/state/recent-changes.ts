// Why: an answer of the store that was on its way while something was changed here must not undo
// that change when it comes in: what was persisted meanwhile is not in it, what was removed or
// moved still is. How: each inquiry at the store (inquiry.ts) is told the keys that are changed
// while it is under way, by the commands that pass through the log, and nothing is said of them.
// Nor of those of which a later question was answered first (answer-scope.ts). Answers that overlap
// are made known in turn, each when the one before it is applied: what an answer is held against is
// what it changes. So is a change of a namespace's definition, after which every question is asked
// anew. In memory only: an inquiry ends with its process. While nothing is asked, a change costs
// nothing but being kept in mind until the journal has it.
import type { CommandLog } from '../../journal/command-log.ts'
import type { Command, Effect } from '../../meta/commands/commands.ts'
import type { NamespaceRecord, Tables } from '../../meta/meta-tables.ts'
import { isLocalChange, type LocalChange, type Touch, touchesOf } from '../../meta/apply/touched-keys.ts'
import type { AnswerScope } from './answer-scope.ts'
import { Inquiry } from './inquiry.ts'
import type { Accepted } from './lmdb-tables.ts'
import { type Hold, PathLatch } from './path-latch.ts'

/** What the services need of the log of commands. */
export type Log = Pick<CommandLog<Command, Accepted, Effect>, 'submit' | 'close' | 'stopped'>

/** Keys that one inquiry gathers: beyond, it is outdated. */
const gatheredMaxDefault = 10_000

/** What it has to do with by now. */
type Change = () => readonly Touch[]

export class RecentChanges {
  readonly #tables: Tables
  readonly #gatheredMax: number
  readonly #inquiries = new Set<Inquiry>()
  /** Begun and not ended: inquiries that begin meanwhile may or may not see them. */
  readonly #underWay = new Set<Change>()
  /** What answers make known, until it is applied. */
  readonly #making = new Set<{ readonly inquiry: Inquiry; readonly keys: readonly string[] }>()
  readonly #turns = new PathLatch<undefined>()
  #asked = 0
  /** Pages that atomic loads put aside and that are not applied yet. */
  #stagings = 0

  constructor(tables: Tables, gatheredMax = gatheredMaxDefault) {
    this.#tables = tables
    this.#gatheredMax = gatheredMax
  }

  /** Inquiries that still gather. */
  get inquiries(): number {
    return this.#inquiries.size
  }

  /**
   * Before the store is asked; whoever begins it closes it. @param prefix of the keys that the
   * answer may speak of
   * @param afterKey the listing goes on behind it
   */
  begin(record: NamespaceRecord, prefix: string, isOfOne = false, afterKey?: string): Inquiry {
    const containersBefore = this.#tables.counter('containers')
    const end = (ended: Inquiry): void => void this.#inquiries.delete(ended)
    const options = {
      isOfOne,
      afterKey,
      order: (this.#asked += 1),
      containersBefore,
      gatheredMax: this.#gatheredMax,
      end,
    }
    const inquiry = new Inquiry(record, prefix, options)
    this.#inquiries.add(inquiry)
    for (const making of this.#making) inquiry.gatherOlder(making.inquiry, making.keys)
    for (const change of this.#underWay) for (const touch of change()) inquiry.gather(touch)
    return inquiry
  }

  /**
   * Waits until what was to be made known before of the key, or of anything below a prefix, is
   * applied. Whoever has the turn asks the store nothing.
   */
  async turn(record: NamespaceRecord, keyOrPrefix: string, signal: AbortSignal): Promise<Hold> {
    const keys = [keyOrPrefix]
    return (
      this.#turns.tryTake(record.id, keys, undefined) ?? (await this.#turns.take(record.id, keys, undefined, signal))
    )
  }

  /**
   * An answer about one object is made known. @param isNews it says something else than was known
   */
  answered(inquiry: Inquiry, key: string, isNews: boolean): void {
    for (const other of [...this.#inquiries]) other.gatherAnswer(inquiry, key, isNews)
  }

  /** A listing is made known, of these keys. */
  listed(inquiry: Inquiry, scope: AnswerScope): void {
    const others = [...this.#inquiries].filter((other) => other !== inquiry)
    if (others.length === 0) return
    const kept = { ...scope, afterKey: ownText(scope.afterKey), upToKey: ownText(scope.upToKey) }
    for (const other of others) other.gatherAnswers(inquiry, kept)
  }

  /**
   * What an answer makes known anew, or in another version. Questions that begin before it is
   * applied are later, too. @returns ends it
   */
  made(inquiry: Inquiry, keys: readonly string[]): () => void {
    const making = { inquiry, keys }
    this.#making.add(making)
    for (const other of [...this.#inquiries]) if (other !== inquiry) other.gatherOlder(inquiry, keys)
    return () => void this.#making.delete(making)
  }

  /**
   * For what takes a while at the store before there is a command: until its end no page says
   * anything of these keys. Who does it may still look at one of them.
   * @param keys directories, with all below them, end in `/` @returns ends it
   */
  changing({ id: namespaceId }: NamespaceRecord, keys: readonly string[]): () => void {
    const prefixes = keys.filter((key) => key.endsWith('/'))
    const touch = { namespaceId, keys: keys.filter((key) => !key.endsWith('/')), prefixes, isOfPages: true }
    return this.#begin(() => [touch])
  }

  /**
   * The log, with every change by users taken note of: when it is submitted, and when it is
   * applied.
   */
  watching(log: Log): Log {
    return {
      submit: (command) => {
        if (command.type === 'stage_listing') return this.#staging(log.submit(command))
        if (command.type === 'update_namespace') return this.#redefine(command.namespaceId, log.submit(command))
        if (!isLocalChange(command)) return log.submit(command)
        const result = log.submit(this.#unstaging(command))
        // It is applied later, in no case in this turn.
        const end = this.#begin(() => touchesOf(this.#tables, command))
        void result.then(end, end)
        return result
      },
      close: () => log.close(),
      get stopped() {
        return log.stopped
      },
    }
  }

  /**
   * What an atomic load has put aside is an answer on its way, too; it may wait for hours, so this
   * one is journaled.
   */
  #unstaging(command: LocalChange): Command {
    if (this.#stagings > 0) return { ...command, unstages: true }
    for (const { dropping, committed } of this.#tables.stagings())
      if (!dropping && committed !== true) return { ...command, unstages: true }
    return command
  }

  /** Until it is applied the tables do not show what it puts aside. */
  #staging<Result>(result: Promise<Result>): Promise<Result> {
    const end = (): void => void (this.#stagings -= 1)
    this.#stagings += 1
    void result.then(end, end)
    return result
  }

  /**
   * Questions that were asked before it is applied are asked anew; whoever submits it has the turn
   * of the whole namespace.
   */
  #redefine<Result>(namespaceId: string, result: Promise<Result>): Promise<Result> {
    const end = (): void => {
      for (const inquiry of [...this.#inquiries]) inquiry.redefined(namespaceId)
    }
    void result.then(end, () => undefined)
    return result
  }

  #begin(change: Change): () => void {
    this.#underWay.add(change)
    this.#note(change)
    return () => {
      this.#underWay.delete(change)
      this.#note(change)
    }
  }

  #note(change: Change): void {
    if (this.#inquiries.size === 0) return
    for (const touch of change()) for (const inquiry of [...this.#inquiries]) inquiry.gather(touch)
  }
}

/** A key that was cut out of a store's answer would keep the whole of it in memory. */
function ownText<Text extends string | undefined>(text: Text): Text {
  return (text === undefined ? undefined : Buffer.from(text).toString()) as Text
}
