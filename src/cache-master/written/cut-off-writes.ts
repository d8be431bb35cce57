// Why: a write to the store that was cut off (its worker lost, its caller gone, the master started
// anew) may still arrive, after its file was moved or removed: then it came back, or stood beside
// itself. How: each write is journaled before it is begun (meta/apply/store-writes.ts). One that
// was cut off holds up mv and rm of its path until it cannot arrive any more: workers that do not
// hear from the master stop asking the store (definition-holders.ts). Then the store is looked at,
// and what arrived is made known as the file's object: it is moved or removed with it. Only a
// worker that has the file's blocks can tell: while it may come back after a start, it is waited
// for. What nobody moves is looked at in the background, however late its worker comes.
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { fileAt, namespaceById } from '../../meta/resolve-path.ts'
import { type StoreWrite, storeWrites } from '../../meta/apply/store-writes.ts'
import type { FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import { definitionLeaseMs } from '../workers/definition-holders.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import type { Patience } from '../paths/path-holds.ts'

/** What the store was sent before may take so long to show. */
const arrivalMs = 10_000
const lookMs = 100
const settledPerPass = 100
/** Between two looks in the background for the worker of a file. */
const againMs = 60_000

/** `unknown`: an object is there, and no live worker has the blocks to compare it with. */
export type Adopted = 'adopted' | 'not_there' | 'unknown'

/** Makes known what the store has of an unpersisted file; the caller holds its key. */
export type AdoptWrite = (
  record: NamespaceRecord,
  key: string,
  file: FileInode,
  signal: AbortSignal,
) => Promise<Adopted>

export class CutOffWrites {
  readonly #context: MasterContext
  readonly #windowMs: number
  /** When what was cut off before the start cannot arrive any more. */
  readonly #fromBeforeMs: number
  /**
   * Of the monotonic clock, by namespace and key. Writes under way have none: their key is held.
   */
  readonly #untilMs = new Map<string, number>()
  /** When it is looked at again, of those of which nobody could tell. */
  readonly #againMs = new Map<string, number>()
  readonly #mayBlocksCome: () => boolean

  /** @param mayBlocksCome blocks may be on workers that have not said so yet */
  constructor(context: MasterContext, mayBlocksCome: () => boolean) {
    this.#context = context
    this.#mayBlocksCome = mayBlocksCome
    this.#windowMs = context.options.cutOffWriteMs ?? definitionLeaseMs + arrivalMs
    this.#fromBeforeMs = context.clock.monotonicMs() + this.#windowMs
  }

  /** The caller holds the key. */
  async begin({ id: namespaceId }: NamespaceRecord, key: string, fileId: number): Promise<void> {
    const { log, clock } = this.#context
    await log.submit({ type: 'begin_write', atMs: clock.nowMs(), namespaceId, key, fileId })
    this.#untilMs.set(nameOf({ namespaceId, key }), Number.POSITIVE_INFINITY)
  }

  /** It failed for good: nothing arrives. */
  async end({ namespaceId, key }: Pick<StoreWrite, 'namespaceId' | 'key'>): Promise<void> {
    const { log, clock } = this.#context
    this.#forget(nameOf({ namespaceId, key }))
    await log.submit({ type: 'end_write', atMs: clock.nowMs(), namespaceId, key })
  }

  /** What came of it is not known. */
  cutOff({ id: namespaceId }: NamespaceRecord, key: string): void {
    this.#untilMs.set(nameOf({ namespaceId, key }), this.#context.clock.monotonicMs() + this.#windowMs)
  }

  /** It is at the store, and journaled as that. */
  arrived({ id: namespaceId }: NamespaceRecord, key: string): void {
    this.#forget(nameOf({ namespaceId, key }))
  }

  /**
   * Waits until nothing can arrive at the key (or below it), and makes known what did. The caller
   * holds it.
   * @throws SkeinError deadline_exceeded (`path_busy`) when that is too long, and what the store
   *   says
   */
  async settle(record: NamespaceRecord, key: string, adopt: AdoptWrite, patience: Patience): Promise<void> {
    const { clock, tables } = this.#context
    for (const write of [...storeWrites(tables, { namespaceId: record.id, key })]) {
      for (;;) {
        const leftMs = this.#leftMs(write)
        const mayWait = this.#mayBlocksCome()
        if (leftMs <= 0 && (await this.#isSettled(record, write, adopt, { signal: patience.signal, mayWait }))) break
        const waitMs = leftMs > 0 ? Math.min(leftMs, lookMs) : lookMs
        if (patience.untilMs !== undefined && clock.monotonicMs() + waitMs > patience.untilMs)
          throw notYetSettled(record, write, leftMs)
        await clock.sleep(waitMs, patience.signal)
      }
    }
  }

  /**
   * What cannot arrive any more, and whose key nobody has. @param held takes a key, unless somebody
   * has it
   */
  async sweep(
    adopt: AdoptWrite,
    held: (record: NamespaceRecord, key: string) => { release(): void } | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    const { tables, logger } = this.#context
    const due: StoreWrite[] = []
    const nowMs = this.#context.clock.monotonicMs()
    for (const write of storeWrites(tables)) {
      if (this.#leftMs(write) > 0 || (this.#againMs.get(nameOf(write)) ?? nowMs) > nowMs) continue
      due.push(write)
      if (due.length >= settledPerPass) break
    }
    for (const write of due) {
      const record = namespaceById(tables, write.namespaceId)
      const hold = record === undefined ? { release: () => undefined } : held(record, write.key)
      if (hold === undefined) continue
      try {
        if (record === undefined) await this.end(write)
        else if (!(await this.#isSettled(record, write, adopt, { signal, mayWait: true })))
          this.#againMs.set(nameOf(write), this.#context.clock.monotonicMs() + againMs)
      } catch (error) {
        if (!signal.aborted)
          logger.warn('what came of a write that was cut off is not known yet', {
            key: write.key,
            error: toSkeinError(error),
          })
      } finally {
        hold.release()
      }
    }
  }

  /** @returns false when a worker may tell later, and that may be waited for */
  async #isSettled(
    record: NamespaceRecord,
    write: StoreWrite,
    adopt: AdoptWrite,
    { signal, mayWait }: { readonly signal: AbortSignal; readonly mayWait: boolean },
  ): Promise<boolean> {
    const file = fileAt(this.#context.tables, record.rootId, write.key)
    const isOpen = file?.id === write.fileId && !file.persisted
    const adopted = isOpen ? await adopt(record, write.key, file, signal) : 'not_there'
    if (adopted === 'unknown' && mayWait) return false
    if (adopted !== 'adopted') await this.end(write)
    return true
  }

  #forget(name: string): void {
    this.#untilMs.delete(name)
    this.#againMs.delete(name)
  }

  #leftMs(write: StoreWrite): number {
    return (this.#untilMs.get(nameOf(write)) ?? this.#fromBeforeMs) - this.#context.clock.monotonicMs()
  }
}

function notYetSettled(record: NamespaceRecord, { key }: StoreWrite, leftMs: number): SkeinError {
  const what = `${pathOf(record, key)} was being written to the store when that was cut off, and`
  const why =
    leftMs > 0
      ? `may arrive there for ${Math.ceil(leftMs / 1000)} s more`
      : 'only a worker that has not come back yet can tell whether it arrived'
  return new SkeinError('deadline_exceeded', `${what} ${why}; try again`, { reason: 'path_busy' })
}

function nameOf({ namespaceId, key }: Pick<StoreWrite, 'namespaceId' | 'key'>): string {
  return `${namespaceId}/${key}`
}
