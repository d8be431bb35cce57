// Why: what an answer of the store says becomes commands in the journal, and no command may say
// what was overtaken while others had their turn. How: one command for a page; where very many
// files are removed, more of them, and before each it is seen again what is still true.
import type { ApplyListing } from '../../meta/commands/commands.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import { namespaceById } from '../../meta/resolve-path.ts'
import type { MasterContext } from '../master-context.ts'
import type { Inquiry } from '../state/inquiry.ts'
import { blockSizeOf } from './namespace-definition.ts'

/** Files that one command removes: the event loop stands still for it. */
const removalsPerCommand = 300

type Change = Partial<Omit<ApplyListing, 'type' | 'atMs' | 'namespaceId' | 'blockSizeBytes'>>

export class ListingCommands {
  readonly #context: Pick<MasterContext, 'changes' | 'clock' | 'log' | 'options' | 'tables'>

  constructor(context: Pick<MasterContext, 'changes' | 'clock' | 'log' | 'options' | 'tables'>) {
    this.#context = context
  }

  /** @returns the file ids of the upserts; nothing is journaled when there is nothing to say */
  async submit(record: NamespaceRecord, inquiry: Inquiry, change: Change): Promise<readonly number[]> {
    const { removals = [], childrenListed = [], treeListed = [], ...news } = change
    // A directory that was removed or moved since is not the one that was listed; and by another
    // definition of the namespace, the pages before were perhaps of another store.
    const isSame = (key: string): boolean =>
      !inquiry.isChanged(key) && namespaceById(this.#context.tables, record.id)?.version === record.version
    const listed = { childrenListed: childrenListed.filter(isSame), treeListed: treeListed.filter(isSame) }
    const none = { upserts: [], directories: [], unmarked: [], childrenListed: [], treeListed: [] }
    if (Object.values({ ...news, ...listed, removals }).every((part) => part.length === 0)) return []
    const { upserts = [], directories = [] } = news
    const applied = this.#context.changes.made(
      inquiry,
      [...upserts, ...directories].map(({ key }) => key),
    )
    const submit: MasterContext['log']['submit'] = (command) => this.#context.log.submit(command).finally(applied)
    const blockSizeBytes = blockSizeOf(record, this.#context.options.blockSizeBytesDefault)
    const head = { type: 'apply_listing', namespaceId: record.id, blockSizeBytes } as const
    const atMs = this.#context.clock.nowMs()
    if (removals.length <= removalsPerCommand)
      return (await submit({ ...head, atMs, ...none, ...news, ...listed, removals })).fileIds
    const { fileIds } = await submit({
      ...head,
      atMs,
      ...none,
      ...news,
      removals: removals.slice(0, removalsPerCommand),
    })
    for (let at = removalsPerCommand; at < removals.length; at += removalsPerCommand) {
      // Others had their turn: what they changed stays. What is left of an outdated answer is
      // listed again.
      if (inquiry.isOutdated) return fileIds
      const some = removals.slice(at, at + removalsPerCommand).filter((key) => !inquiry.isNewerKnown(key))
      const ends = at + removalsPerCommand >= removals.length
      const last = ends
        ? { childrenListed: listed.childrenListed.filter(isSame), treeListed: listed.treeListed.filter(isSame) }
        : {}
      await submit({ ...head, atMs, ...none, ...last, removals: some })
    }
    return fileIds
  }
}
