// Why: what small files cost by the way through Node.js, before anything of the cluster is in it.
// How: a file system of one directory of small files in memory, mounted by the same device and
// protocol as a mount of the cluster, and one `cat` of all of them. Each line needs one round trip
// less for a file than the one before: look-up, open and read; the names were listed with
// attributes, so there is no look-up; the content was given to the kernel before, so there is no
// read.
//
//   node scripts/bench/fuse-floor-small.ts [--files 3000] [--rounds 5] [--readers 4]
//
// Needs root.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { DeviceConnection } from '../../src/fuse/device/device-connection.ts'
import { closeDevice, mountDevice, openDevice, unmount } from '../../src/fuse/device/mount-command.ts'
import {
  attributesAnswer,
  entryAnswer,
  EntryPage,
  type NodeAttributes,
  openAnswer,
} from '../../src/fuse/protocol/answers.ts'
import { negotiate } from '../../src/fuse/protocol/negotiation.ts'
import { storedContent } from '../../src/fuse/protocol/notices.ts'
import { RequestReader } from '../../src/fuse/protocol/request.ts'
import { answerHeaderBytes, openBits, operationName } from '../../src/fuse/protocol/wire-numbers.ts'
import { processorSeconds } from './process-figures.ts'

process.env['UV_THREADPOOL_SIZE'] ??= '16'

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '3000' },
    rounds: { type: 'string', default: '5' },
    readers: { type: 'string', default: '4' },
  },
})
const files = Number(values.files)
const fileBytes = 16 * 1024
const mebibyte = 1024 * 1024
const kinds = ['look-up, open, read', 'open, read', 'open'] as const
type Kind = (typeof kinds)[number]

const never = { ms: 0, ns: 0 }
const attributes = (nodeId: number): NodeAttributes => ({
  inodeNumber: nodeId,
  kind: nodeId === 1 ? 'directory' : 'file',
  mode: 0o755,
  sizeBytes: nodeId === 1 ? 0 : fileBytes,
  ...{ accessed: never, modified: never, changed: never },
  userId: 0,
  groupId: 0,
  preferredBytes: mebibyte,
})
const times = { entryMs: 60_000, attributesMs: 60_000 }
const noTimes = { entryMs: 0, attributesMs: 0 }
const nameOf = (index: number): string => `f${String(index).padStart(5, '0')}`
const framed = Buffer.alloc(answerHeaderBytes + fileBytes, 7)
const content = framed.subarray(answerHeaderBytes)
const firstNode = 2
/** Files before the one that is opened next. */
const storedAhead = 8

const folder = mkdtempSync(join(tmpdir(), 'skein-fuse-floor-'))
const [point, disk] = [join(folder, 'mnt'), join(folder, 'disk')]
for (const directory of [point, disk]) mkdirSync(directory)
for (let index = 0; index < files; index += 1) writeFileSync(join(disk, nameOf(index)), content)

function page(reader: RequestReader, isListed: boolean): Buffer {
  reader.skip(8)
  const [place, bytes] = [reader.wide(), reader.word()]
  const entries = new EntryPage(bytes)
  for (let index = place; index < files; index += 1) {
    const nodeId = index + firstNode
    const looked = isListed
      ? { entry: { nodeId, attributes: attributes(nodeId) }, times }
      : { entry: { nodeId: 0, attributes: undefined }, times: noTimes }
    if (!entries.add({ name: nameOf(index), inodeNumber: nodeId, kind: 'file' }, index + 1, looked)) break
  }
  return entries.bytes
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
  const isListed = kind !== 'look-up, open, read'
  const answer = (reader: RequestReader): void => {
    const { unique, operation, nodeId } = reader.header
    const name = operationName(operation)
    if (name === 'init') {
      const wanted = { requestBytesMax: mebibyte, readAheadBytes: 4 * mebibyte, backgroundMax: 64 }
      device.answer(unique, negotiate(reader, wanted).answer)
    } else if (name === 'lookup') {
      const node = Number(reader.text().slice(1)) + firstNode
      device.answer(unique, entryAnswer({ nodeId: node, attributes: attributes(node) }, { ...times, entryMs: 0 }))
    } else if (name === 'getattr') device.answer(unique, attributesAnswer(attributes(nodeId), times))
    else if (name === 'open') {
      const next = nodeId + storedAhead
      if (kind === 'open' && next < files + firstNode) void device.notify(storedContent(next, content))
      device.answer(unique, openAnswer(1, openBits.noFlush | (kind === 'open' ? openBits.keepCache : 0)))
    } else if (name === 'opendir') device.answer(unique, openAnswer(1, 0))
    else if (name === 'readdir' || name === 'readdirplus') device.answer(unique, page(reader, isListed))
    else if (name === 'read') void device.answerFramed(unique, framed)
    else if (name === 'release' || name === 'releasedir') device.answer(unique, undefined)
    else if (name !== 'forget' && name !== 'batch_forget' && name !== 'interrupt') device.fail(unique, 38)
  }
  const how = { allowOther: false, defaultPermissions: false, readOnly: true, requestBytesMax: mebibyte }
  await mountDevice(descriptor, { ...how, mountPoint: point, path: '/', pid: process.pid })
  device.start()
  return async () => {
    await unmount(point, { isLazy: true })
    await device.ended.catch(() => undefined)
    closeDevice(descriptor)
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

async function measure(kind: string, directory: string): Promise<void> {
  const [walls, costs]: [number[], number[]] = [[], []]
  for (let round = 0; round < Number(values.rounds); round += 1) {
    const end = kind === 'the disk' ? undefined : await mounted(kind as Kind)
    const [beganMs, before] = [performance.now(), processorSeconds(process.pid)]
    await promisify(execFile)('bash', ['-c', `cat ${directory}/* > /dev/null`])
    walls.push(performance.now() - beganMs)
    costs.push(processorSeconds(process.pid) - before)
    await end?.()
  }
  const us = ((median(walls) * 1000) / files).toFixed(1)
  console.log(`${kind.padEnd(22)} ${us} us a file, processor ${((median(costs) * 1e6) / files).toFixed(1)} us a file`)
}

try {
  await measure('the disk', disk)
  for (const kind of kinds) await measure(kind, point)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
