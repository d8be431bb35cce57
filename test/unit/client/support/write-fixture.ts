// Why: files are written against a master and workers in this process that may fail at any step.
// How: workers are FakeTargets, the master places block n on the n-th one that is not excluded, and
// every call is noted.
import { expect } from 'vitest'
import { blockCount, blockIdOf, blockLength, fileIdOf } from '../../../../src/base/block-id.ts'
import { systemClock } from '../../../../src/base/clock.ts'
import { SkeinError } from '../../../../src/base/errors.ts'
import { Budget } from '../../../../src/base/flow/budget.ts'
import { PiecePool } from '../../../../src/base/flow/piece-pool.ts'
import { gatherBytes, type WrittenFile } from '../../../../src/client/write/file-output.ts'
import { FileWriter, type FileWriterOptions } from '../../../../src/client/write/file-writer.ts'
import { silentLogger } from '../../../../src/telemetry/logger.ts'
import type { CreateFileRequest, PlaceBlockRequest } from '../../../../src/wire/generated/lifecycle.ts'
import { FakeTarget } from '../../job-worker/support/fakes.ts'

export const mebibyte = 1024 * 1024
export const blockSizeBytes = 3 * mebibyte
export const fileId = fileIdOf(5)
export const signal = new AbortController().signal

export class WriteFixture {
  readonly workers = ['w0', 'w1', 'w2'].map((id) => new FakeTarget(id))
  readonly calls: string[] = []
  readonly created: CreateFileRequest[] = []
  readonly placed: PlaceBlockRequest[] = []
  readonly kept: Budget
  readonly pieces = new PiecePool({ pieceBytes: gatherBytes, idleMax: 8, clock: systemClock })
  writePolicy = 'MUST_CACHE'
  freeFailure: SkeinError | undefined
  readonly lifecycle: { -readonly [M in keyof FileWriterOptions['lifecycle']]: FileWriterOptions['lifecycle'][M] }
  readonly writer: FileWriter

  constructor(keptBytes = 64 * mebibyte) {
    const { workers, calls, created, placed } = this
    this.kept = new Budget('kept', keptBytes)
    this.lifecycle = {
      createFile: async (request) => {
        created.push(request)
        return { fileId, namespaceId: 'ns-1', key: 'a/b', blockSizeBytes, writePolicy: this.writePolicy }
      },
      placeBlock: async (request) => {
        placed.push(request)
        const left = workers.filter(({ workerId }) => !request.excludedWorkerIds.includes(workerId))
        const worker = left[request.blockIndex % Math.max(1, left.length)]
        if (worker === undefined) throw new SkeinError('unavailable', 'no worker can store the block')
        return { workerId: worker.workerId, hostname: 'h', rpcAddress: 'r', dataAddress: 'd' }
      },
      completeFile: async ({ length }) => {
        calls.push(`complete ${length}`)
        return {}
      },
      abandonFile: async () => {
        calls.push('abandon')
        return {}
      },
      persist: async ({ path }) => {
        calls.push(`persist ${path}`)
        return { persisted: 1, already: 0, failures: [] }
      },
    }
    this.writer = new FileWriter({
      lifecycle: this.lifecycle,
      master: {
        free: async ({ path, force }) => {
          calls.push(`free ${path} ${force}`)
          if (this.freeFailure !== undefined) throw this.freeFailure
          return { paths: [path], freedBytes: 0 }
        },
      },
      targets: {
        targetFor: ({ workerId }) => {
          const found = workers.find((worker) => worker.workerId === workerId)
          if (found === undefined) throw new Error(`no worker ${workerId}`)
          return found
        },
      },
      kept: this.kept,
      pieces: this.pieces,
      uniqueId: () => `unique-${created.length}`,
      clock: systemClock,
      random: () => 0,
      logger: silentLogger,
      retry: { attemptsMax: 5, initialMs: 1, maxMs: 2 },
    })
  }

  /** Writes a file of known length. */
  async write(length: number, chunks: AsyncIterable<Uint8Array>, until = signal): Promise<WrittenFile> {
    const output = await this.writer.create('/ns/a/b', { length }, until)
    try {
      for await (const chunk of chunks) await output.write(chunk)
      return await output.close()
    } finally {
      await output.abort()
    }
  }

  /** Every block of the file is on a worker, with its header. */
  expectBlocks(bytes: Buffer): void {
    for (let index = 0; index < blockCount(bytes.length, blockSizeBytes); index += 1) {
      const length = blockLength(bytes.length, blockSizeBytes, index)
      const offset = index * blockSizeBytes
      const blockId = blockIdOf(fileId, index)
      const block = this.workers.map(({ blocks }) => blocks.get(blockId)).find((found) => found !== undefined)
      const names = { namespaceId: 'ns-1', key: 'a/b', etag: '' }
      expect(block?.header).toEqual({ blockId, length, ...names, offset, durable: true })
      expect(block?.bytes.equals(bytes.subarray(offset, offset + length)), `block ${index}`).toBe(true)
    }
  }

  /** No block is being written, and no bytes are kept. */
  expectNothingOpen(): void {
    for (const { openSinks } of this.workers) expect(openSinks).toBe(0)
    expect(this.kept.used).toBe(0)
  }
}
