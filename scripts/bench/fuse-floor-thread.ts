// Why: one thread of the floor (fuse-floor.ts) that needs no other thread for a read. How: it waits
// at the device, reads the file, checks its pages and answers, all by calls that block; what is not
// a read goes to the main thread.
import { readSync, writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { crc32 } from '../../src/base/checksum/crc32.ts'
import { alignedOffset, unzeroedBuffer } from '../../src/base/flow/aligned-memory.ts'
import { pageBytes } from '../../src/base/page-checksum.ts'
import { RequestReader } from '../../src/fuse/protocol/request.ts'
import { answerHeaderBytes, operationName } from '../../src/fuse/protocol/wire-numbers.ts'

const { descriptor, source, bytes } = workerData as { descriptor: number; source: number; bytes: number }
const request = Buffer.allocUnsafeSlow(pageBytes + 8192)
const memory = Buffer.from(unzeroedBuffer(pageBytes), alignedOffset - answerHeaderBytes)

function answerRead(reader: RequestReader): void {
  reader.skip(8)
  const [offset, size] = [reader.wide(), reader.word()]
  const length = Math.max(0, Math.min(size, bytes - offset))
  const into = memory.subarray(answerHeaderBytes, answerHeaderBytes + length)
  readSync(source, into, 0, length, offset)
  crc32(into)
  memory.writeUInt32LE(answerHeaderBytes + length, 0)
  memory.writeInt32LE(0, 4)
  memory.writeUInt32LE(reader.header.unique % 2 ** 32, 8)
  memory.writeUInt32LE(Math.floor(reader.header.unique / 2 ** 32), 12)
  writeSync(descriptor, memory, 0, answerHeaderBytes + length)
}

for (;;) {
  let got: number
  try {
    got = readSync(descriptor, request)
  } catch {
    // Unmounted.
    break
  }
  const reader = new RequestReader(request.subarray(0, got))
  if (operationName(reader.header.operation) === 'read') answerRead(reader)
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  else parentPort?.postMessage(Uint8Array.from(request.subarray(0, got)))
}
