// Why: reading is measured in a process that does nothing else, without the time of its start. How:
// with the library, as programs do; or with `--bare` in place of a home the same reads of a plain
// file, with the CRC-32 of all bytes, which is the least that a checked read can do. Prints the
// seconds and the percentiles of single reads as JSON.
//   node hot-reader.ts HOME|--bare PATH here|elsewhere BYTES READS     BYTES 0: the whole, in order
import { open } from 'node:fs/promises'
import { crc32 } from '../../../src/base/checksum/crc32.ts'
import { seededRandom } from '../../../src/base/clock.ts'
import { connect } from '../../../src/client/library.ts'

const [home = '', path = '', host = 'here', bytesText = '0', readsText = '1'] = process.argv.slice(2)
const [readBytes, reads] = [Number(bytesText), Number(readsText)]
const atOnce = 16
const pieceBytes = 1024 * 1024

interface Opened {
  readonly length: number
  readonly whole: () => AsyncIterable<Uint8Array>
  /** Returns how many bytes were read. */
  readonly read: (into: Uint8Array, position: number) => Promise<number>
  readonly close: () => Promise<void>
}

async function bare(): Promise<Opened> {
  const handle = await open(path)
  const { size: length } = await handle.stat()
  const read = async (into: Uint8Array, position: number): Promise<number> => {
    const { bytesRead } = await handle.read(into, 0, into.length, position)
    crc32(into.subarray(0, bytesRead))
    return bytesRead
  }
  return {
    length,
    read,
    whole: async function* whole() {
      for (let at = 0; at < length; at += pieceBytes) {
        const piece = Buffer.allocUnsafe(Math.min(pieceBytes, length - at))
        yield piece.subarray(0, await read(piece, at))
      }
    },
    close: () => handle.close(),
  }
}

async function cached(): Promise<Opened> {
  // Only readers on the worker's host open its files.
  const properties = host === 'here' ? {} : { 'goosefs.worker.hostname': 'another-host' }
  const files = connect({ home, properties })
  const handle = await files.open(path, { readAhead: readBytes === 0 })
  return {
    length: handle.status.length,
    whole: () => handle.stream(),
    read: (into, position) => handle.read(into, position),
    close: async () => {
      await handle.close()
      await files.close()
    },
  }
}

const file = await (home === '--bare' ? bare() : cached())
const random = seededRandom(7)
const offsets = Array.from({ length: reads }, () => Math.floor(random() * Math.max(1, file.length - readBytes)))
const tookMs: number[] = []

async function readRandom(): Promise<void> {
  const into = Buffer.allocUnsafe(Math.min(readBytes, file.length))
  for (let offset = offsets.pop(); offset !== undefined; offset = offsets.pop()) {
    const beganMs = performance.now()
    const got = await file.read(into, offset)
    if (got !== into.length) throw new Error(`${got} bytes at ${offset}`)
    tookMs.push(performance.now() - beganMs)
  }
}

const beganMs = performance.now()
if (readBytes === 0) {
  let bytes = 0
  for await (const chunk of file.whole()) bytes += chunk.length
  if (bytes !== file.length) throw new Error(`${bytes} of ${file.length} bytes`)
} else await Promise.all(Array.from({ length: atOnce }, readRandom))
const seconds = (performance.now() - beganMs) / 1000
await file.close()
const sorted = tookMs.toSorted((one, other) => one - other)
const percentile = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0
const figures = sorted.length === 0 ? {} : { p50Ms: percentile(0.5), p99Ms: percentile(0.99) }
process.stdout.write(JSON.stringify({ seconds, ...figures }))
