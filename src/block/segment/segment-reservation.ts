// Why: one small block that comes in pieces. How: the pieces are kept until commit, which appends
// them as one record; the bytes are out of the quota meanwhile. A writer in another process needs a
// file: it is made when its path is first asked for, which writers in this process never do, and
// read in at commit.
//
//   open --commit--> committing --done--> ended          as a DirectoryReservation
//   open --abort---> aborting ---done--> ended
import { closeSync, openSync } from 'node:fs'
import { PageChecksummer } from '../../base/page-checksum.ts'
import type { BlockHeader, BlockReservation } from '../block-store.ts'
import {
  closeFile,
  diskError,
  newFileFlags,
  openFile,
  readFileFlags,
  readFully,
  removeFile,
} from '../disk/disk-calls.ts'
import { checkForeignFile, endedAt, mustBeWhole, reservationEnded, tooManyBytes } from '../disk/reservation-checks.ts'

export interface SegmentReservationTarget {
  readonly id: string
  readonly header: BlockHeader
  /** For a writer in another process; nothing is there yet. */
  readonly path: string
  /** Appends the block's record; makes the block visible. @throws SkeinError */
  readonly append: (header: BlockHeader, data: readonly Uint8Array[], checksums: readonly number[]) => Promise<void>
  /** Called once, without waiting. */
  readonly ended: (how: 'committed' | 'aborted') => void
  readonly warn: (message: string, thrown: unknown) => void
}

export class SegmentReservation implements BlockReservation {
  readonly id: string
  readonly header: BlockHeader
  readonly #target: SegmentReservationTarget
  readonly #checksummer = new PageChecksummer()
  #mode: 'open' | 'committing' | 'aborting' | 'ended' = 'open'
  #chunks: Uint8Array[] = []
  #receivedBytes = 0
  #hasFile = false

  constructor(target: SegmentReservationTarget) {
    this.id = target.id
    this.header = target.header
    this.#target = target
  }

  /** Makes the file at the first call. @throws SkeinError as diskError when it cannot be made */
  get path(): string {
    const { path } = this.#target
    if (!this.#hasFile && this.#mode === 'open') {
      try {
        closeSync(openSync(path, newFileFlags, 0o600))
      } catch (thrown) {
        throw diskError(thrown, `reserving block ${this.header.blockId}`)
      }
      this.#hasFile = true
    }
    return path
  }

  get ended(): boolean {
    return this.#mode === 'ended'
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
    this.#chunks.push(chunk)
  }

  async commit(checksums?: readonly number[], length?: number): Promise<void> {
    this.#mustBeOpen()
    this.#mode = 'committing'
    try {
      const header = endedAt(this.header, length)
      if (checksums === undefined) await this.#target.append(header, this.#received(header), this.#checksummer.finish())
      else await this.#target.append(header, await this.#readForeign(header, checksums), checksums)
    } catch (thrown) {
      await this.#end('aborted')
      throw diskError(thrown, `writing block ${this.header.blockId}`)
    }
    await this.#end('committed')
  }

  async abort(): Promise<void> {
    if (this.#mode !== 'open') return
    this.#mode = 'aborting'
    await this.#end('aborted')
  }

  #mustBeOpen(): void {
    if (this.#mode !== 'open') throw reservationEnded(this.header)
  }

  #received(header: BlockHeader): readonly Uint8Array[] {
    mustBeWhole(header, this.#receivedBytes)
    return this.#chunks
  }

  async #readForeign(header: BlockHeader, checksums: readonly number[]): Promise<readonly Uint8Array[]> {
    const isForeign = this.#hasFile && this.#receivedBytes === 0
    const bytes = isForeign ? await readUpTo(this.#target.path, header.length + 1) : Buffer.alloc(0)
    checkForeignFile(header, bytes.length, checksums)
    return [bytes]
  }

  async #end(how: 'committed' | 'aborted'): Promise<void> {
    this.#chunks = []
    if (this.#hasFile) {
      await removeFile(this.#target.path).catch((thrown: unknown) => {
        this.#target.warn('a temporary block file could not be deleted; the next start does it', thrown)
      })
    }
    this.#mode = 'ended'
    this.#target.ended(how)
  }
}

async function readUpTo(path: string, bytes: number): Promise<Buffer> {
  const fd = await openFile(path, readFileFlags)
  try {
    const into = Buffer.allocUnsafeSlow(bytes)
    return into.subarray(0, await readFully(fd, into, 0))
  } finally {
    await closeFile(fd)
  }
}
