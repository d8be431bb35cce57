// Why: an answer of the store that was on its way while something was changed here must not undo that change when it comes
// in: what was persisted meanwhile is not in it, what was removed or moved still is. How: each inquiry at the store gathers
// the keys that are changed while it is under way, by the commands that pass through the log, and nothing is said of them.
// In memory only: an inquiry ends with its process. One that has gathered too many is outdated, and the store is asked anew.
// While nothing is asked, a change costs nothing but being kept in mind until the journal has it.
import type { CommandLog } from '../journal/command-log.ts'
import type { Command, Effect } from '../meta/commands.ts'
import type { NamespaceRecord, Tables } from '../meta/tables.ts'
import { isLocalChange, type LocalChange, type Touch, touchesOf } from '../meta/touched-keys.ts'
import type { Accepted } from './lmdb-tables.ts'

/** What the services need of the log of commands. */
export type Log = Pick<CommandLog<Command, Accepted, Effect>, 'submit' | 'close' | 'stopped'>

/** Keys that one inquiry gathers: beyond, it is outdated. */
const gatheredMaxDefault = 10_000

/** What it has to do with by now. */
type Change = () => readonly Touch[]

interface InquiryOptions {
  /** It asks for one object, not for a page. */
  readonly isOfOne: boolean
  readonly containersBefore: number
  readonly gatheredMax: number
  readonly end: (inquiry: Inquiry) => void
}

/** A question to the store that is under way, or whose answer is still held against what is known. */
export class Inquiry {
  readonly #record: NamespaceRecord
  readonly #prefix: string
  readonly #isOfOne: boolean
  readonly #gatheredMax: number
  readonly #end: (inquiry: Inquiry) => void
  readonly #keys = new Set<string>()
  readonly #prefixes = new Set<string>()
  /** What the containers' counter said when it began: younger files are newer than the answer. */
  readonly containersBefore: number
  #isOutdated = false

  /** @param prefix of the keys that the answer may speak of */
  constructor(record: NamespaceRecord, prefix: string, { isOfOne, containersBefore, gatheredMax, end }: InquiryOptions) {
    this.#isOfOne = isOfOne
    this.#record = record
    this.#prefix = prefix
    this.containersBefore = containersBefore
    this.#gatheredMax = gatheredMax
    this.#end = end
  }

  /** Too much was changed to tell what the answer is still good for: it must be asked for again. */
  get isOutdated(): boolean {
    return this.#isOutdated
  }

  /** Whether a key was changed since; undefined while none was. */
  get changed(): ((key: string) => boolean) | undefined {
    if (!this.#isOutdated && this.#keys.size === 0 && this.#prefixes.size === 0) return undefined
    return (key) => this.isChanged(key)
  }

  /** Also when that cannot be told any more. */
  isChanged(key: string): boolean {
    if (this.#isOutdated || this.#keys.has(key)) return true
    for (const prefix of this.#prefixes) if (key.startsWith(prefix)) return true
    return false
  }

  /** Whether a directory (`key` is empty or ends in `/`) or anything in it was changed since. */
  isChangedBelow(key: string): boolean {
    if (this.isChanged(key)) return true
    for (const changed of this.#keys) if (changed.startsWith(key)) return true
    for (const prefix of this.#prefixes) if (prefix.startsWith(key)) return true
    return false
  }

  /** For the log's side alone. */
  gather({ namespaceId, keys, prefixes, isOfPages = false }: Touch): void {
    if (namespaceId !== this.#record.id || this.#isOutdated || (isOfPages && this.#isOfOne)) return
    for (const prefix of prefixes) if (prefix.startsWith(this.#prefix) || this.#prefix.startsWith(prefix)) this.#prefixes.add(prefix)
    for (const key of keys) if (key.startsWith(this.#prefix) && !this.isChanged(key)) this.#keys.add(key)
    if (this.#keys.size + this.#prefixes.size <= this.#gatheredMax) return
    this.#isOutdated = true
    this.#keys.clear()
    this.#prefixes.clear()
    this.#end(this)
  }

  /** Once the answer was submitted, or is not wanted. */
  close(): void {
    this.#end(this)
  }
}

export class RecentChanges {
  readonly #tables: Tables
  readonly #gatheredMax: number
  readonly #inquiries = new Set<Inquiry>()
  /** Begun and not ended: inquiries that begin meanwhile may or may not see them. */
  readonly #underWay = new Set<Change>()
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

  /** Before the store is asked; whoever begins it closes it. @param prefix of the keys that the answer may speak of */
  begin(record: NamespaceRecord, prefix: string, isOfOne = false): Inquiry {
    const containersBefore = this.#tables.counter('containers')
    const end = (ended: Inquiry): void => void this.#inquiries.delete(ended)
    const inquiry = new Inquiry(record, prefix, { isOfOne, containersBefore, gatheredMax: this.#gatheredMax, end })
    this.#inquiries.add(inquiry)
    for (const change of this.#underWay) for (const touch of change()) inquiry.gather(touch)
    return inquiry
  }

  /**
   * For what takes a while at the store before there is a command: until its end no page says anything of these keys. Who does
   * it may still look at one of them.
   * @param keys directories, with all below them, end in `/` @returns ends it
   */
  changing({ id: namespaceId }: NamespaceRecord, keys: readonly string[]): () => void {
    const prefixes = keys.filter((key) => key.endsWith('/'))
    const touch = { namespaceId, keys: keys.filter((key) => !key.endsWith('/')), prefixes, isOfPages: true }
    return this.#begin(() => [touch])
  }

  /** The log, with every change by users taken note of: when it is submitted, and when it is applied. */
  watching(log: Log): Log {
    return {
      submit: (command) => {
        if (command.type === 'stage_listing') return this.#staging(log.submit(command))
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

  /** What an atomic load has put aside is an answer on its way, too; it may wait for hours, so this one is journaled. */
  #unstaging(command: LocalChange): Command {
    if (command.type === 'remove_file') return command
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
