// Why: what the way through Node.js allows at all, before anything of the cluster is in it. How: a
// file system of one file that is mounted by the same device and protocol as a mount of the
// cluster. Its reads are answered from memory, from a file, and from a file whose pages are
// checked. Files and answers are read and written by the threads of the pool; answers by the main
// thread (`written here`); both by the main thread (`sync`); or all of it by threads that need no
// other one (`threads`, fuse-floor-thread.ts). dd and fio read it, and then the file itself.
//
//   node scripts/bench/fuse-floor.ts [--mib 1024] [--rounds 3] [--readers 4]
//
// Needs root and fio.
import { spawn } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, openSync, read, readSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { crc32 } from '../../src/base/checksum/crc32.ts'
import { alignedOffset, unzeroedBuffer } from '../../src/base/flow/aligned-memory.ts'
import { pageBytes } from '../../src/base/page-checksum.ts'
import { DeviceConnection } from '../../src/fuse/device/device-connection.ts'
import { closeDevice, mountDevice, openDevice, setReadAhead, unmount } from '../../src/fuse/device/mount-command.ts'
import { attributesAnswer, entryAnswer, type NodeAttributes, openAnswer } from '../../src/fuse/protocol/answers.ts'
import { negotiate } from '../../src/fuse/protocol/negotiation.ts'
import { RequestReader } from '../../src/fuse/protocol/request.ts'
import { answerHeaderBytes, openBits, operationName } from '../../src/fuse/protocol/wire-numbers.ts'
import { processorSeconds } from './process-figures.ts'

process.env['UV_THREADPOOL_SIZE'] ??= '16'

const { values } = parseArgs({
  options: {
    mib: { type: 'string', default: '1024' },
    rounds: { type: 'string', default: '3' },
    readers: { type: 'string', default: '4' },
  },
})
const mebibyte = 1024 * 1024
const bytes = Number(values.mib) * mebibyte
const kinds = ['memory', 'file', 'checked', 'checked, written here', 'checked, sync', 'checked, threads'] as const
type Kind = (typeof kinds)[number]
const threads = 4

const times = { entryMs: 60_000, attributesMs: 60_000 }
const never = { ms: 0, ns: 0 }
const attributes = (nodeId: number): NodeAttributes => ({
  inodeNumber: nodeId,
  kind: nodeId === 1 ? 'directory' : 'file',
  mode: 0o755,
  sizeBytes: nodeId === 1 ? 0 : bytes,
  ...{ accessed: never, modified: never, changed: never },
  userId: 0,
  groupId: 0,
  preferredBytes: mebibyte,
})

const folder = mkdtempSync(join(tmpdir(), 'skein-fuse-floor-'))
const [point, file] = [join(folder, 'mnt'), join(folder, 'large')]
mkdirSync(point)
const part = Buffer.alloc(16 * mebibyte, 7)
for (let at = 0; at < bytes; at += part.length) writeFileSync(file, part, { flag: 'a' })
const source = openSync(file, 'r')
const idle: Buffer[] = []

function take(): Buffer {
  return idle.pop() ?? Buffer.from(unzeroedBuffer(mebibyte), alignedOffset - answerHeaderBytes)
}

async function answerRead(
  device: DeviceConnection,
  descriptor: number,
  kind: Kind,
  unique: number,
  request: RequestReader,
): Promise<void> {
  request.skip(8)
  const [offset, size] = [request.wide(), request.word()]
  const length = Math.max(0, Math.min(size, bytes - offset))
  const memory = take()
  const into = memory.subarray(answerHeaderBytes, answerHeaderBytes + length)
  const isSync = kind.endsWith('sync')
  if (!kind.startsWith('memory')) {
    if (isSync) readSync(source, into, 0, length, offset)
    else await new Promise<void>((resolve) => read(source, into, 0, length, offset, () => resolve()))
    if (kind.startsWith('checked'))
      for (let at = 0; at < length; at += pageBytes) crc32(into.subarray(at, at + pageBytes))
  }
  const framed = memory.subarray(0, answerHeaderBytes + length)
  if (isSync || kind.endsWith('here')) {
    framed.writeUInt32LE(framed.length, 0)
    framed.writeInt32LE(0, 4)
    framed.writeUInt32LE(unique % 2 ** 32, 8)
    framed.writeUInt32LE(Math.floor(unique / 2 ** 32), 12)
    writeSync(descriptor, framed)
  } else await device.answerFramed(unique, framed)
  idle.push(memory)
}

async function mounted(kind: Kind): Promise<() => Promise<void>> {
  const descriptor = openDevice()
  const device: DeviceConnection = new DeviceConnection(descriptor, {
    readers: Number(values.readers),
    requestBytes: mebibyte + 8192,
    onRequest: (request, done) => {
      answer(new RequestReader(request))
      done()
    },
  })
  const answer = (reader: RequestReader): void => {
    const { unique, operation, nodeId } = reader.header
    const name = operationName(operation)
    if (name === 'init') {
      const wanted = { requestBytesMax: mebibyte, readAheadBytes: 4 * mebibyte, backgroundMax: 64 }
      device.answer(unique, negotiate(reader, wanted).answer)
    } else if (name === 'lookup') device.answer(unique, entryAnswer({ nodeId: 2, attributes: attributes(2) }, times))
    else if (name === 'getattr') device.answer(unique, attributesAnswer(attributes(nodeId), times))
    else if (name === 'open') device.answer(unique, openAnswer(1, openBits.noFlush))
    else if (name === 'read') void answerRead(device, descriptor, kind, unique, reader)
    else if (name === 'release') device.answer(unique, undefined)
    else if (name !== 'forget' && name !== 'batch_forget' && name !== 'interrupt') device.fail(unique, 38)
  }
  const how = { allowOther: false, defaultPermissions: false, readOnly: true, requestBytesMax: mebibyte }
  await mountDevice(descriptor, { ...how, mountPoint: point, path: '/', pid: process.pid })
  const hasThreads = kind.endsWith('threads')
  if (hasThreads)
    for (let thread = 0; thread < threads; thread += 1)
      new Worker(new URL('fuse-floor-thread.ts', import.meta.url), {
        workerData: { descriptor, source, bytes },
      }).on('message', (request: Uint8Array) => answer(new RequestReader(Buffer.from(request))))
  else device.start()
  await stat(point)
  setReadAhead(point, 4 * mebibyte)
  return async () => {
    await unmount(point, { isLazy: true })
    if (!hasThreads) await device.ended.catch(() => undefined)
    closeDevice(descriptor)
  }
}

/** @returns what it prints */
function shell(command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (printed: string) => (text += printed))
    child.on('close', (code) => (code === 0 ? resolve(text) : reject(new Error(command))))
  })
}

const fioOptions = '--readonly --group_reporting --output-format=terse'
const share = `--size=${bytes / mebibyte / 16}m --offset_increment=${bytes / mebibyte / 16}m`
const commands = {
  'dd 1M': (path: string) => `dd if=${path} of=/dev/null bs=1M status=none`,
  'cat (128k)': (path: string) => `dd if=${path} of=/dev/null bs=128k status=none`,
  'direct, 16 threads': (path: string) =>
    `fio --name=x --filename=${path} ${fioOptions} --rw=read --bs=1M --direct=1 --thread --numjobs=16 ${share}`,
} as const

async function measure(name: string, path: string, command: keyof typeof commands): Promise<void> {
  const walls: number[] = []
  const costs: number[] = []
  for (let round = 0; round < Number(values.rounds); round += 1) {
    if (name !== 'disk') await shell(`dd if=${path} iflag=nocache count=0 status=none`)
    const [beganMs, before] = [performance.now(), processorSeconds(process.pid)]
    const printed = await shell(commands[command](path))
    // fio takes as long to start; it says for how long it read.
    const ms = Number(printed.split(';')[8] ?? performance.now() - beganMs)
    walls.push(ms / 1000)
    costs.push(processorSeconds(process.pid) - before)
  }
  const best = walls.toSorted((a, b) => a - b)[Math.floor(walls.length / 2)] ?? Number.NaN
  const cost = costs.toSorted((a, b) => a - b)[Math.floor(costs.length / 2)] ?? Number.NaN
  const rate = bytes / 1e9 / best
  console.log(`${name.padEnd(22)} ${command.padEnd(20)} ${rate.toFixed(2)} GB/s, processor ${cost.toFixed(2)} s`)
}

try {
  for (const kind of kinds) {
    const end = await mounted(kind)
    try {
      for (const command of Object.keys(commands) as (keyof typeof commands)[])
        await measure(kind, join(point, 'large'), command)
    } finally {
      await end()
    }
  }
  for (const command of Object.keys(commands) as (keyof typeof commands)[]) await measure('disk', file, command)
} finally {
  closeSync(source)
  rmSync(folder, { recursive: true, force: true })
}
