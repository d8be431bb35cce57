// Why: a single master makes commands durable in its own files. How: checksummed append-only
// segments (entry-codec.ts, journal-segment.ts). Appends queue up while a group is written. The
// next group is everything that is waiting: one write and one fdatasync for many commands, in
// order. After a failed write or sync, the end of the file is unknown, so the journal refuses all
// further appends until it is opened again. So there is no gap, and no second fsync of pages that
// the kernel has dropped. The journal locks its directory until close().
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { assert } from '../../base/assert.ts'
import { type Clock, throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { MetricRegistry } from '../../telemetry/registry.ts'
import { type Checksum, crcChecksum, encodeEntries, entryHeaderBytes, payloadBytesMax } from './entry-codec.ts'
import { readEpoch, writeEpoch } from './epoch-file.ts'
import { diskFileSystem, type JournalFileSystem } from '../disk/journal-files.ts'
import type { Journal, JournalEntry, Term } from '../journal.ts'
import { closedError, diskError, errorCodeOf, fencedError } from './journal-errors.ts'
import { readEntries } from './journal-read.ts'
import { createSegment, type OpenSegment, reopenSegment, segmentFirstSeqs, segmentName } from './journal-segment.ts'

export interface LocalJournalOptions {
  readonly directory: string
  /** A new segment begins when the current one has reached this size. */
  readonly segmentBytesMax: number
  readonly logger: Logger
  readonly metrics: MetricRegistry
  readonly clock: Clock
  /** Default: the disk. Tests use one that simulates power loss. */
  readonly fileSystem?: JournalFileSystem
  /** Default: CRC-32. Tests weaken it to show that it is needed. */
  readonly checksum?: Checksum
}

/** Maximum bytes of one group, unless a single entry is larger. */
const groupBytesMax = 4 * 1024 * 1024
const slowSyncMs = 1000

/**
 * Opens the journal in `directory` (creates it with mode 0700) and locks it. A torn tail is cut off
 * and logged.
 * @throws SkeinError failed_precondition when another process has it open, data_loss when a durable
 *   entry is damaged, permission_denied when the directory cannot be written
 */
export async function openLocalJournal(options: LocalJournalOptions): Promise<Journal> {
  const { directory, fileSystem = diskFileSystem, checksum = crcChecksum, logger } = options
  await fileSystem.makeDirectory(directory).catch((thrown: unknown) => {
    const message = `cannot make the journal directory ${directory}: ${errorCodeOf(thrown)}`
    throw new SkeinError('permission_denied', message, { cause: thrown })
  })
  const unlock = await fileSystem.lock(directory)
  try {
    const lastGivenEpoch = await readEpoch(fileSystem, directory)
    const firstSeqs = segmentFirstSeqs(await fileSystem.names(directory))
    let lastFirstSeq = firstSeqs.at(-1)
    let reopened =
      lastFirstSeq === undefined ? undefined : await reopenSegment(fileSystem, directory, lastFirstSeq, checksum)
    if (lastFirstSeq !== undefined && reopened === undefined) {
      firstSeqs.pop()
      lastFirstSeq = firstSeqs.at(-1)
      reopened =
        lastFirstSeq === undefined ? undefined : await reopenSegment(fileSystem, directory, lastFirstSeq, checksum)
    }
    if (reopened === undefined) {
      const segment = await createSegment(fileSystem, directory, { firstSeq: 1n, nonce: newNonce() })
      return new LocalJournal(options, { unlock, firstSeqs: [1n], segment, lastSeq: 0n, epoch: lastGivenEpoch })
    }
    const { segment, lastSeq, lastEpoch, cutBytes } = reopened
    if (cutBytes > 0)
      logger.warn('cut off a torn tail of the journal', {
        directory,
        segment: segmentName(segment.firstSeq),
        lastSeq,
        cutBytes,
      })
    const epoch = lastEpoch > lastGivenEpoch ? lastEpoch : lastGivenEpoch
    return new LocalJournal(options, { unlock, firstSeqs, segment, lastSeq, epoch })
  } catch (thrown) {
    unlock()
    throw thrown
  }
}

interface OpenedState {
  readonly unlock: () => void
  readonly firstSeqs: bigint[]
  readonly segment: OpenSegment
  readonly lastSeq: bigint
  readonly epoch: bigint
}

interface PendingAppend extends JournalEntry {
  readonly done: (result: 'ok' | 'unknown') => void
}

/**
 * Modes: `open` -> `broken` (a write or sync failed; reads still work) | `closed`; `broken` ->
 * `closed`. Leaving `open` aborts the term's signal.
 */
class LocalJournal implements Journal {
  readonly #directory: string
  readonly #segmentBytesMax: number
  readonly #fileSystem: JournalFileSystem
  readonly #checksum: Checksum
  readonly #logger: Logger
  readonly #metrics: MetricRegistry
  readonly #clock: Clock
  readonly #unlock: () => void
  /** The first seqs of the segments on disk, oldest first. Never empty. */
  readonly #firstSeqs: bigint[]
  #segment: OpenSegment
  #pending: PendingAppend[] = []
  #flushing: Promise<void> | undefined
  /** Campaigns and truncations run one after the other. */
  #chores: Promise<void> = Promise.resolve()
  #lastSeq: bigint
  #durableSeq: bigint
  #epoch: bigint
  #term: { readonly term: Term; readonly end: AbortController } | undefined
  #failure: SkeinError | undefined
  #closing: Promise<void> | undefined

  constructor(options: LocalJournalOptions, state: OpenedState) {
    this.#directory = options.directory
    this.#segmentBytesMax = options.segmentBytesMax
    this.#fileSystem = options.fileSystem ?? diskFileSystem
    this.#checksum = options.checksum ?? crcChecksum
    this.#logger = options.logger
    this.#metrics = options.metrics
    this.#clock = options.clock
    this.#unlock = state.unlock
    this.#firstSeqs = state.firstSeqs
    this.#segment = state.segment
    this.#lastSeq = state.lastSeq
    this.#durableSeq = state.lastSeq
    this.#epoch = state.epoch
  }

  /**
   * The lock of the directory is already the right to append. A new campaign ends the term before
   * it.
   */
  async campaign(id: string, signal: AbortSignal): Promise<Term> {
    return this.#chore(async () => {
      throwIfAborted(signal)
      this.#refuseUnlessOpen()
      const epoch = this.#epoch + 1n
      this.#endTerm(fencedError())
      await this.#flushed()
      this.#refuseUnlessOpen()
      await writeEpoch(this.#fileSystem, this.#directory, epoch, id).catch((thrown: unknown) => {
        throw diskError(this.#directory, thrown)
      })
      this.#epoch = epoch
      const end = new AbortController()
      const term: Term = { epoch, signal: end.signal, leaseLeftMs: () => (end.signal.aborted ? 0 : Infinity) }
      this.#term = { term, end }
      return term
    })
  }

  /**
   * @throws SkeinError resource_exhausted (disk full) or unavailable once a write has failed,
   *   failed_precondition when closed
   */
  async append(term: Term, seq: bigint, bytes: Uint8Array): Promise<'ok' | 'fenced' | 'unknown'> {
    this.#refuseUnlessOpen()
    if (this.#term?.term !== term) return 'fenced'
    assert(seq === this.#lastSeq + 1n, `append of seq ${seq} after ${this.#lastSeq}`)
    if (bytes.length > payloadBytesMax) {
      throw new SkeinError(
        'invalid_argument',
        `the journal entry has ${bytes.length} bytes, which exceeds the limit of ${payloadBytesMax}`,
      )
    }
    this.#lastSeq = seq
    return new Promise((done) => {
      this.#pending.push({ seq, epoch: term.epoch, bytes, done })
      this.#flushing ??= this.#flush()
    })
  }

  read(from: bigint): AsyncIterable<JournalEntry> {
    const source = { fileSystem: this.#fileSystem, directory: this.#directory, checksum: this.#checksum }
    return readEntries(source, [...this.#firstSeqs], from, this.#durableSeq)
  }

  /** @throws SkeinError aborted (reason `fenced`) when another term has begun */
  async barrier(term: Term): Promise<bigint> {
    this.#refuseUnlessOpen()
    this.#refuseFenced(term)
    await this.#flushed()
    this.#refuseUnlessOpen()
    return this.#durableSeq
  }

  /**
   * Removes the segments that have nothing above `upTo`, except the one being written.
   * @throws SkeinError aborted (reason `fenced`)
   */
  async truncate(term: Term, upTo: bigint): Promise<void> {
    await this.#chore(async () => {
      this.#refuseUnlessOpen()
      this.#refuseFenced(term)
      for (let next = this.#firstSeqs[1]; next !== undefined && next - 1n <= upTo; next = this.#firstSeqs[1]) {
        const oldest = this.#firstSeqs.shift() ?? 1n
        await this.#fileSystem.remove(join(this.#directory, segmentName(oldest)))
      }
      // If a power loss undoes a removal, only unneeded entries come back. The sync frees the disk
      // space.
      await this.#fileSystem.syncDirectory(this.#directory)
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const closed = closedError(this.#directory)
    await this.#chores
    await this.#flushed()
    this.#failure ??= closed
    this.#endTerm(closed)
    await this.#segment.file.close().catch(() => undefined)
    this.#unlock()
  }

  async #flush(): Promise<void> {
    // All appends of one turn of the event loop belong to the first group.
    await Promise.resolve()
    for (let group = this.#takeGroup(); group.length > 0; group = this.#takeGroup()) {
      let result: 'ok' | 'unknown' = 'unknown'
      try {
        if (this.#failure === undefined) {
          await this.#write(group)
          result = 'ok'
        }
      } catch (thrown) {
        this.#break(thrown)
      }
      for (const { done } of group) done(result)
    }
    this.#flushing = undefined
  }

  #takeGroup(): PendingAppend[] {
    let bytes = 0
    let count = 0
    for (const entry of this.#pending) {
      bytes += entryHeaderBytes + entry.bytes.length
      if (count > 0 && bytes > groupBytesMax) break
      count += 1
    }
    return this.#pending.splice(0, count)
  }

  async #write(group: readonly PendingAppend[]): Promise<void> {
    if (this.#segment.sizeBytes >= this.#segmentBytesMax) await this.#startSegment(group[0]?.seq ?? 0n)
    const segment = this.#segment
    const bytes = encodeEntries(group, this.#durableSeq, segment.nonce, this.#checksum)
    await segment.file.write(bytes, segment.sizeBytes)
    const beforeMs = this.#clock.monotonicMs()
    await segment.file.sync()
    const syncMs = this.#clock.monotonicMs() - beforeMs
    if (syncMs >= slowSyncMs)
      this.#logger.warn('the journal disk is slow', { directory: this.#directory, syncMs: Math.round(syncMs) })
    segment.sizeBytes += bytes.length
    this.#durableSeq += BigInt(group.length)
    this.#metrics.add('skein_journal_appends_total', group.length)
    this.#metrics.record('skein_journal_sync_duration_seconds', syncMs / 1000)
  }

  async #startSegment(firstSeq: bigint): Promise<void> {
    const before = this.#segment.file
    this.#segment = await createSegment(this.#fileSystem, this.#directory, { firstSeq, nonce: newNonce() })
    this.#firstSeqs.push(firstSeq)
    await before.close()
  }

  /** The only transition to mode `broken`. */
  #break(thrown: unknown): void {
    this.#failure ??= diskError(this.#directory, thrown)
    this.#logger.error(this.#failure.message, { error: this.#failure })
    this.#endTerm(this.#failure)
  }

  #endTerm(reason: SkeinError): void {
    this.#term?.end.abort(reason)
    this.#term = undefined
  }

  async #flushed(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
  }

  #chore<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#chores.then(work)
    this.#chores = result.then(
      () => undefined,
      () => undefined,
    )
    return result
  }

  #refuseUnlessOpen(): void {
    if (this.#failure !== undefined) throw this.#failure
    if (this.#closing !== undefined) throw closedError(this.#directory)
  }

  #refuseFenced(term: Term): void {
    if (this.#term?.term !== term) throw fencedError()
  }
}

/**
 * Not secret and not against replay attacks. It only prevents that bytes of another segment are
 * read as entries of this one.
 */
function newNonce(): number {
  return randomInt(2 ** 32)
}
