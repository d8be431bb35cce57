// Why: a write to the store that was cut off (its worker lost, its caller gone, the master started
// anew) may still arrive, after its file was moved or removed: then it came back, or stood beside
// itself. How: each write is journaled before it is begun (meta/apply/store-writes.ts). One that
// was cut off holds up mv and rm of its path until it cannot arrive any more: workers that do not
// hear from the master stop asking the store (definition-holders.ts). Then the store is looked at,
// and what arrived is made known as the file's object: it is moved or removed with it. What nobody
// moves is looked at in the background.
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { fileAt, namespaceById } from '../../meta/resolve-path.ts'
import { type StoreWrite, storeWrites } from '../../meta/apply/store-writes.ts'
import type { FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import { definitionLeaseMs } from '../workers/definition-holders.ts'
import type { MasterContext } from '../master-context.ts'
import type { Patience } from '../paths/path-holds.ts'
import { pathOf } from '../paths/tree-pages.ts'

/** What the store was sent before may take so long to show. */
const arrivalMs = 10_000
const lookMs = 100
const settledPerPass = 100

/**
 * Makes known what the store has of an unpersisted file; the caller holds its key. @returns whether
 * it has it
 */
export type AdoptWrite = (
  record: NamespaceRecord,
  key: string,
  file: FileInode,
  signal: AbortSignal,
) => Promise<boolean>

export class CutOffWrites {
  readonly #context: MasterContext
  readonly #windowMs: number
  /** When what was cut off before the start cannot arrive any more. */
  readonly #fromBeforeMs: number
  /**
   * Of the monotonic clock, by namespace and key. Writes under way have none: their key is held.
   */
  readonly #untilMs = new Map<string, number>()

  constructor(context: MasterContext) {
    this.#context = context
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
    this.#untilMs.delete(nameOf({ namespaceId, key }))
    await log.submit({ type: 'end_write', atMs: clock.nowMs(), namespaceId, key })
  }

  /** What came of it is not known. */
  cutOff({ id: namespaceId }: NamespaceRecord, key: string): void {
    this.#untilMs.set(nameOf({ namespaceId, key }), this.#context.clock.monotonicMs() + this.#windowMs)
  }

  /** It is at the store, and journaled as that. */
  arrived({ id: namespaceId }: NamespaceRecord, key: string): void {
    this.#untilMs.delete(nameOf({ namespaceId, key }))
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
      for (let leftMs = this.#leftMs(write); leftMs > 0; leftMs = this.#leftMs(write)) {
        if (patience.untilMs !== undefined && clock.monotonicMs() + Math.min(leftMs, lookMs) > patience.untilMs) {
          const seconds = Math.ceil(leftMs / 1000)
          const message =
            `${pathOf(record, write.key)} was being written to the store when that was cut off, ` +
            `and may arrive there for ${seconds} s more`
          throw new SkeinError('deadline_exceeded', `${message}; try again`, { reason: 'path_busy' })
        }
        await clock.sleep(Math.min(leftMs, lookMs), patience.signal)
      }
      await this.#settleOne(record, write, adopt, patience.signal)
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
    for (const write of storeWrites(tables)) {
      if (this.#leftMs(write) > 0) continue
      due.push(write)
      if (due.length >= settledPerPass) break
    }
    for (const write of due) {
      const record = namespaceById(tables, write.namespaceId)
      const hold = record === undefined ? { release: () => undefined } : held(record, write.key)
      if (hold === undefined) continue
      try {
        if (record === undefined) await this.end(write)
        else await this.#settleOne(record, write, adopt, signal)
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

  async #settleOne(record: NamespaceRecord, write: StoreWrite, adopt: AdoptWrite, signal: AbortSignal): Promise<void> {
    const file = fileAt(this.#context.tables, record.rootId, write.key)
    if (file?.id === write.fileId && !file.persisted && (await adopt(record, write.key, file, signal))) return
    await this.end(write)
  }

  #leftMs(write: StoreWrite): number {
    return (this.#untilMs.get(nameOf(write)) ?? this.#fromBeforeMs) - this.#context.clock.monotonicMs()
  }
}

function nameOf({ namespaceId, key }: Pick<StoreWrite, 'namespaceId' | 'key'>): string {
  return `${namespaceId}/${key}`
}
