// Why: clients that read slowly must not take the gateway's memory, at whichever door. How: files
// whose bytes are in lent memory only, and a limit of one piece for all doors: a read that does not
// give its memory back keeps the next one waiting for ever.
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import type { FileHandle } from '../../../src/client/file-system.ts'
import type { RunningDoor } from '../../../src/gateway/door-port.ts'
import { startS3Door } from '../../../src/gateway/s3/s3-door.ts'
import { lentStream, sentMemory } from '../../../src/gateway/sent-memory.ts'
import { startWebHdfsDoor } from '../../../src/gateway/webhdfs/webhdfs-door.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../src/telemetry/registry.ts'
import { MemoryFileSystem } from '../../support/memory-file-system.ts'
import { plainly } from './support/plain-requests.ts'

const pieceBytes = 1024 * 1024
const length = 3 * pieceBytes + 5
const never = new AbortController().signal

const doors: RunningDoor[] = []
afterEach(async () => {
  await Promise.all(doors.splice(0).map((door) => door.close(0)))
})

/** A file system whose streams are in lent memory, and fail without it. */
function lendingFiles(): MemoryFileSystem {
  const files = new MemoryFileSystem(systemClock, ['data'])
  files.plant('/data/file', { bytes: Buffer.alloc(length, 'x'), etag: 'e' })
  const open = files.open.bind(files)
  files.open = async (path, options): Promise<FileHandle> => {
    const handle = await open(path, options)
    const stream: FileHandle['stream'] = async function* (range, { memory, signal = never } = {}) {
      if (memory === undefined) throw new Error('the door lends no memory')
      for (let left = range?.length ?? handle.status.length; left > 0;) {
        const chunk = await memory.take(Math.min(left, memory.pieceBytes), signal)
        left -= chunk.fill(120).length
        yield chunk
      }
    }
    const { status } = handle
    return {
      status,
      read: handle.read.bind(handle),
      bytes: handle.bytes.bind(handle),
      stream,
      close: () => handle.close(),
    }
  }
  return files
}

describe('the memory of files that are sent', () => {
  it('is lent by both doors, from one limit, and comes back', async () => {
    const pieces = sentMemory(pieceBytes, systemClock)
    const parts = {
      ...{ fileSystem: lendingFiles(), pieces, clock: systemClock, logger: silentLogger },
      metrics: new MetricRegistry('gateway'),
    }
    const s3 = await startS3Door({
      ...parts,
      options: {
        ...{ host: '127.0.0.1', port: 0, domains: [], region: 'us-east-1', credentialsFile: undefined, names: [] },
        uploadExpiryMs: 60_000,
        digestThreadsMax: 0,
      },
    })
    doors.push(s3)
    const webHdfs = await startWebHdfsDoor({
      ...parts,
      options: { host: '127.0.0.1', port: 0, names: [], blockSizeBytes: pieceBytes },
    })
    doors.push(webHdfs)
    const { headers } = await plainly(webHdfs, 'GET', '/webhdfs/v1/data/file?op=OPEN')
    const target = (headers.location ?? '').slice(`http://${webHdfs.address}`.length)
    const reads = [
      [s3, '/data/file'],
      [webHdfs, target],
    ] as const
    const answers = await Promise.all([...reads, ...reads, ...reads].map(([door, path]) => plainly(door, 'GET', path)))
    expect(answers.map(({ status, text }) => [status, text.length])).toEqual(answers.map(() => [200, length]))
    await expect.poll(() => pieces.usedBytes).toBe(0)
  })

  it('is freed when the connection breaks, and is not lent again', async () => {
    const pieces = sentMemory(2 * pieceBytes, systemClock)
    const lent: Uint8Array[] = []
    const stream = lentStream(pieces, length, {
      stream: async function* (memory) {
        for (;;) {
          const chunk = await memory.take(pieceBytes, never)
          lent.push(chunk)
          yield chunk
        }
      },
      close: () => Promise.resolve(),
    })
    const chunks = stream.chunks[Symbol.asyncIterator]()
    await chunks.next()
    await chunks.next()
    for (const chunk of lent.slice(0, 2)) stream.lost(chunk)
    expect([pieces.usedBytes, ...lent.map((chunk) => chunk.length)]).toEqual([0, 0, 0])
    await chunks.next()
    expect(lent[2]?.length).toBe(pieceBytes)
    await stream.close()
  })

  it('comes back when the answer is given up', async () => {
    const pieces = sentMemory(2 * pieceBytes, systemClock)
    const stream = lentStream(pieces, length, {
      stream: async function* (memory) {
        for (;;) yield await memory.take(pieceBytes, never)
      },
      close: () => Promise.resolve(),
    })
    const chunks = stream.chunks[Symbol.asyncIterator]()
    await chunks.next()
    await chunks.next()
    expect(pieces.usedBytes).toBe(2 * pieceBytes)
    await stream.close()
    expect(pieces.usedBytes).toBe(0)
  })
})
