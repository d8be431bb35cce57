// Why: writes the bytes of a block for the short circuit. How: chunks are collected up to 1 MiB,
// then written with one vectored write while the next MiB is collected. Page checksums are computed
// on the way.
import type { FileHandle } from 'node:fs/promises'
import { SkeinError, toSkeinError } from '../../base/errors.ts'
import { PageChecksummer } from '../../base/page-checksum.ts'
import type { BlockHeader, WorkerServiceDefinition } from '../../wire/generated/worker.ts'
import type { Service } from '../../wire/service.ts'
import type { BlockSink } from './block-target.ts'

const writeBytes = 1024 * 1024
const abortDeadlineMs = 5000

export interface ReservedFile {
  readonly worker: Pick<Service<WorkerServiceDefinition>, 'commitBlock' | 'abortBlock'>
  readonly header: BlockHeader
  readonly reservation: string
  /** Open for writing; the sink closes it. */
  readonly file: FileHandle
  readonly signal: AbortSignal
  /** Called once when the sink has ended, after commit or abort. */
  readonly ended: () => void
}

/** Writes one reserved file. Owns the handle and the reservation until commit or abort. */
export class ReservedFileSink implements BlockSink {
  readonly #target: ReservedFile
  readonly #checksums = new PageChecksummer()
  #gathered: Uint8Array[] = []
  #gatheredBytes = 0
  #receivedBytes = 0
  #filePosition = 0
  #settledBytes = 0
  #writing: Promise<SkeinError | undefined> | undefined
  #mode: 'open' | 'ended' = 'open'

  constructor(target: ReservedFile) {
    this.#target = target
  }

  async write(chunk: Uint8Array): Promise<void> {
    const { header } = this.#target
    if (this.#mode === 'ended')
      throw new SkeinError('failed_precondition', `block ${header.blockId} is no longer being written`)
    this.#receivedBytes += chunk.length
    if (this.#receivedBytes > header.length) {
      throw new SkeinError('invalid_argument', `block ${header.blockId} got more than its ${header.length} bytes`)
    }
    this.#checksums.update(chunk)
    this.#gathered.push(chunk)
    this.#gatheredBytes += chunk.length
    if (this.#gatheredBytes >= writeBytes) await this.#flush()
  }

  get settledBytes(): number {
    return this.#settledBytes
  }

  async commit(length = this.#target.header.length): Promise<void> {
    const { header, worker, reservation, signal, file } = this.#target
    if (this.#mode === 'ended')
      throw new SkeinError('failed_precondition', `block ${header.blockId} is no longer being written`)
    try {
      if (this.#receivedBytes !== length)
        throw new SkeinError('data_loss', `block ${header.blockId} has ${this.#receivedBytes} of ${length} bytes`)
      await this.#flush()
      await this.#settle()
      await file.close()
      await worker.commitBlock(
        {
          blockId: header.blockId,
          reservation,
          pageChecksums: this.#checksums.finish(),
          ...(length === header.length ? {} : { length }),
        },
        { signal },
      )
      this.#end()
    } catch (thrown) {
      await this.abort()
      throw toSkeinError(thrown)
    }
  }

  async abort(): Promise<void> {
    if (this.#mode === 'ended') return
    this.#end()
    const { header, worker, reservation, file } = this.#target
    this.#gathered = []
    await this.#writing
    await file.close().catch(() => undefined)
    // Uses its own signal, because the caller's signal is often the reason for the abort. If the
    // call is lost, the worker's timeout ends the reservation.
    await worker
      .abortBlock(
        { blockId: header.blockId, reservation },
        { signal: new AbortController().signal, deadlineMs: abortDeadlineMs },
      )
      .catch(() => undefined)
  }

  #end(): void {
    this.#mode = 'ended'
    this.#target.ended()
  }

  /** Waits for the previous write, then starts to write the collected chunks. */
  async #flush(): Promise<void> {
    await this.#settle()
    if (this.#gatheredBytes === 0) return
    const chunks = this.#gathered
    const position = this.#filePosition
    const end = position + this.#gatheredBytes
    this.#filePosition = end
    this.#gathered = []
    this.#gatheredBytes = 0
    this.#writing = writeAll(this.#target.file, chunks, position).then((error) => {
      if (error === undefined) this.#settledBytes = end
      return error
    })
  }

  async #settle(): Promise<void> {
    const error = await this.#writing
    if (error !== undefined) throw error
  }
}

/**
 * Writes every byte. Returns the error instead of throwing it, because the promise may not be
 * awaited yet.
 */
async function writeAll(
  file: FileHandle,
  chunks: readonly Uint8Array[],
  position: number,
): Promise<SkeinError | undefined> {
  try {
    let pending = [...chunks]
    for (let at = position; pending.length > 0;) {
      const { bytesWritten } = await file.writev(pending, at)
      at += bytesWritten
      pending = withoutFirst(pending, bytesWritten)
    }
    return undefined
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException
    return code === 'ENOSPC' || code === 'EDQUOT'
      ? new SkeinError('resource_exhausted', 'the disk of the reserved file is full', {
          reason: 'no_capacity',
          cause: thrown,
        })
      : new SkeinError('unavailable', `cannot write the reserved file: ${message}`, { cause: thrown })
  }
}

function withoutFirst(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes
  const rest: Uint8Array[] = []
  for (const chunk of chunks) {
    if (skip >= chunk.length) skip -= chunk.length
    else {
      rest.push(skip === 0 ? chunk : chunk.subarray(skip))
      skip = 0
    }
  }
  return rest
}
