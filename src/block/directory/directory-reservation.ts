// Why: one block on its way into a directory. How: chunks gather until a MiB is there, then one
// vectored write goes out while the next MiB gathers; page checksums are computed as the chunks
// pass. The file is written under temp/ and renamed when it is whole, because a large block may be
// half written for a long time.
//
//   open --commit--> committing --done--> ended
//   open --abort---> aborting ---done--> ended
//   any failure on the way: the file is deleted, the bytes are given back, and the error is thrown
//   to the writer
import type { SkeinError } from '../../base/errors.ts'
import type { Budget } from '../../base/flow/budget.ts'
import { PageChecksummer } from '../../base/page-checksum.ts'
import { encodeFooter } from '../disk/block-file.ts'
import type { BlockHeader, BlockReservation } from '../block-store.ts'
import { closeFile, diskError, removeFile, statFile, syncFile, writeFully } from '../disk/disk-calls.ts'
import { SyncAhead } from '../disk/sync-ahead.ts'
import { checkForeignFile, endedAt, mustBeWhole, reservationEnded, tooManyBytes } from '../disk/reservation-checks.ts'

/** Bytes that gather before they are written; a writer may hold twice as many in memory. */
const writeBytes = 1024 * 1024

export interface ReservationTarget {
  readonly id: string
  readonly header: BlockHeader
  /** The temporary file, open as `fd`, which the reservation owns. */
  readonly path: string
  readonly fd: number
  /** For durable blocks (sync-ahead.ts). */
  readonly syncSlots: Pick<Budget, 'tryAcquire'>
  /**
   * Renames the whole file to the block's own name; a durable block's stays there over a power
   * failure.
   */
  readonly moveIn: () => Promise<void>
  /** Called once, without waiting: the block of this length is in place, or it is given up. */
  readonly committed: (length: number) => void
  readonly aborted: () => void
  readonly warn: (message: string, thrown: unknown) => void
}

export class DirectoryReservation implements BlockReservation {
  readonly id: string
  readonly header: BlockHeader
  readonly path: string
  readonly #target: ReservationTarget
  readonly #checksummer = new PageChecksummer()
  #mode: 'open' | 'committing' | 'aborting' | 'ended' = 'open'
  #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  #receivedBytes = 0
  #filePosition = 0
  #settledBytes = 0
  #writing: Promise<void> | undefined
  #failure: SkeinError | undefined
  readonly #ahead: SyncAhead | undefined

  constructor(target: ReservationTarget) {
    this.id = target.id
    this.header = target.header
    this.path = target.path
    this.#target = target
    if (target.header.durable === true)
      this.#ahead = new SyncAhead(target.fd, target.syncSlots, (error) => {
        this.#failure ??= diskError(error, `writing block ${target.header.blockId}`)
      })
  }

  get ended(): boolean {
    return this.#mode === 'ended'
  }

  get settledBytes(): number {
    return this.#settledBytes
  }

  async written(): Promise<number> {
    if (this.#receivedBytes > 0 || this.#mode !== 'open') return this.#receivedBytes
    // A writer in another process writes the file itself. It may end while the file is looked at.
    const stat = await statFile(this.#target.fd).catch(() => undefined)
    return stat?.size ?? 0
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#mustBeOpen()
    if (this.#receivedBytes + chunk.length > this.header.length) {
      await this.abort()
      throw tooManyBytes(this.header)
    }
    if (chunk.length === 0) return
    this.#receivedBytes += chunk.length
    this.#checksummer.update(chunk)
    this.#gathered.push(chunk)
    this.#gatheredBytes += chunk.length
    if (this.#gatheredBytes < writeBytes) return
    await this.#settle()
    // Once more, without waiting in between: an abort closes the descriptor.
    this.#mustBeOpen()
    this.#startWriting()
  }

  async commit(checksums?: readonly number[], length?: number): Promise<void> {
    this.#mustBeOpen()
    this.#mode = 'committing'
    let header = this.header
    try {
      header = endedAt(header, length)
      await this.#settle()
      const footer = encodeFooter(
        header,
        checksums === undefined ? this.#ownChecksums(header) : await this.#checkForeign(header, checksums),
      )
      await writeFully(
        this.#target.fd,
        [...this.#gathered, footer],
        checksums === undefined ? this.#filePosition : header.length,
      )
      await this.#ahead?.settle()
      if (this.#failure !== undefined) throw this.#failure
      if (this.header.durable === true) await syncFile(this.#target.fd)
      await closeFile(this.#target.fd)
    } catch (thrown) {
      await this.#giveUp()
      throw diskError(thrown, `writing block ${this.header.blockId}`)
    }
    try {
      await this.#target.moveIn()
    } catch (thrown) {
      await this.#giveUp({ closed: true })
      throw diskError(thrown, `committing block ${this.header.blockId}`)
    }
    this.#gathered = []
    this.#mode = 'ended'
    this.#target.committed(header.length)
  }

  async abort(): Promise<void> {
    if (this.#mode !== 'open') return
    this.#mode = 'aborting'
    await this.#giveUp()
  }

  #mustBeOpen(): void {
    if (this.#mode === 'open') return
    throw this.#failure ?? reservationEnded(this.header)
  }

  /** Waits for the write that is out. @throws its error, after giving the reservation up */
  async #settle(): Promise<void> {
    await this.#writing
    this.#writing = undefined
    if (this.#failure === undefined) {
      // The reservation may have been aborted as stale while this writer waited for the disk.
      if (this.#mode !== 'committing') this.#mustBeOpen()
      return
    }
    if (this.#mode === 'open') await this.abort()
    throw this.#failure
  }

  #startWriting(): void {
    const chunks = this.#gathered
    const position = this.#filePosition
    const end = position + this.#gatheredBytes
    this.#filePosition = end
    this.#gathered = []
    this.#gatheredBytes = 0
    // The error waits here until the writer comes back with more, or commits.
    this.#writing = writeFully(this.#target.fd, chunks, position).then(
      () => {
        this.#settledBytes = end
        this.#ahead?.wrote(end)
      },
      (thrown: unknown) => {
        this.#failure = diskError(thrown, `writing block ${this.header.blockId}`)
      },
    )
  }

  #ownChecksums(header: BlockHeader): number[] {
    mustBeWhole(header, this.#receivedBytes)
    return this.#checksummer.finish()
  }

  async #checkForeign(header: BlockHeader, checksums: readonly number[]): Promise<readonly number[]> {
    const { size } = await statFile(this.#target.fd)
    checkForeignFile(header, this.#receivedBytes === 0 ? size : undefined, checksums)
    return checksums
  }

  async #giveUp(options = { closed: false }): Promise<void> {
    await this.#writing
    await this.#ahead?.settle()
    this.#gathered = []
    try {
      if (!options.closed) await closeFile(this.#target.fd)
      await removeFile(this.path)
    } catch (thrown) {
      this.#target.warn('a temporary block file could not be deleted; the next start does it', thrown)
    }
    this.#mode = 'ended'
    this.#target.aborted()
  }
}
