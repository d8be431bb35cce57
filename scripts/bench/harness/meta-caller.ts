// Why: calls for metadata are measured from a process that does nothing else. How: so many clients
// with a connection each, one call after the other; or the same bytes against echo-server.ts, which
// is the least that a call costs. Prints seconds, percentiles of single calls and the size of an
// answer as JSON.
//   node meta-caller.ts stat|list|create|make|rename|echo HOST:PORT CLIENTS CALLS PATH...
//     stat: of the paths in turn; list: the first 1000 entries of them; create: an empty file below
//     the first path; make: a directory there; rename: files that are made there before; echo: PATH
//     is the size of an answer
import { randomUUID } from 'node:crypto'
import { systemClock, systemRandom } from '../../../src/base/clock.ts'
import { LifecycleServiceDefinition } from '../../../src/wire/generated/lifecycle.ts'
import {
  FileInfo,
  ListStatusResponse,
  MasterServiceDefinition,
  PathRequest,
} from '../../../src/wire/generated/master.ts'
import { parseAddress } from '../../../src/wire/address.ts'
import { createClient } from '../../../src/wire/rpc/channel.ts'
import { openRawChannel } from '../../../src/wire/rpc/grpc.ts'

const [kind = '', address = '', clientsText = '1', callsText = '1', ...paths] = process.argv.slice(2)
const [clients, calls] = [Number(clientsText), Number(callsText)]
const signal = new AbortController().signal
const options = { clock: systemClock, random: systemRandom }
const deadlineMs = 60_000
const tookMs: number[] = []
let [next, answerBytes] = [0, 0]
const run = randomUUID()
let isPreparing = false

/** Makes one call. */
type Call = (index: number) => Promise<void>

function caller(): Call {
  const pathOf = (index: number): string => paths[index % paths.length] ?? ''
  if (kind === 'echo') {
    const { host, port } = parseAddress(address)
    const channel = openRawChannel(host, port)
    const request = PathRequest.encode({ path: '/a-namespace/data/part-000/object-0000000' }).finish()
    return async () => {
      const { status, details } = await channel.call('/bench.Echo/Call', request, Date.now() + deadlineMs, signal)
      if (status !== 0) throw new Error(details)
    }
  }
  if (kind === 'make' || kind === 'create' || kind === 'rename') {
    const { service } = createClient(LifecycleServiceDefinition, address, options)
    const folder = `${pathOf(0)}/${kind}-${run}`
    const create = async (index: number): Promise<void> => {
      const path = `${folder}/file-${index}`
      const { fileId } = await service.createFile({ path, blockSizeBytes: 0, requestKey: randomUUID() }, { signal })
      await service.completeFile({ fileId, length: 0 }, { signal })
    }
    if (kind === 'create') return create
    if (kind === 'rename')
      return async (index) => {
        const from = `${folder}/file-${index}`
        if (isPreparing) await create(index)
        else await service.rename({ from, to: `${from}-renamed` }, { signal })
      }
    return async (index) => {
      await service.makeDirectory({ path: `${pathOf(0)}/made-${run}/${index}` }, { signal })
    }
  }
  const { service } = createClient(MasterServiceDefinition, address, options)
  // What the store says of them was asked by the load.
  const known = { syncIntervalMs: -1 }
  if (kind === 'stat')
    return async (index) => {
      const file = await service.getStatus({ path: pathOf(index), ...known }, { signal })
      if (index === 0) answerBytes = FileInfo.encode(file).finish().length
    }
  return async (index) => {
    const page = { path: pathOf(index), recursive: false, pageToken: '', limit: 1000, ...known }
    const answer = await service.listStatus(page, { signal })
    if (index === 0) answerBytes = ListStatusResponse.encode(answer).finish().length
  }
}

async function work(call: Call): Promise<void> {
  for (let index = next++; index < calls; index = next++) {
    const beganMs = performance.now()
    await call(index)
    tookMs.push(performance.now() - beganMs)
  }
}

const callers = Array.from({ length: clients }, caller)
if (kind === 'rename') {
  isPreparing = true
  await Promise.all(callers.map(work))
  isPreparing = false
  next = tookMs.length = 0
}
// Connects those that have made no file.
else for (const [at, call] of callers.entries()) await call(kind === 'create' ? calls + at : 0)
const beganMs = performance.now()
await Promise.all(callers.map(work))
const seconds = (performance.now() - beganMs) / 1000
const sorted = tookMs.toSorted((one, other) => one - other)
const percentile = (share: number): number => sorted[Math.floor(share * (sorted.length - 1))] ?? 0
const figures = { p50Ms: percentile(0.5), p99Ms: percentile(0.99), answerBytes }
process.stdout.write(JSON.stringify({ seconds, ...figures }), () => process.exit(0))
