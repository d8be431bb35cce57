// Why: anybody can reach the ports where GooseFS's protocol is spoken, and clients end at any
// moment. How: a running server is called with what no client sends: bounds, wrong order, bytes
// that are no message, calls that are cut; each ends with a clear status. Afterwards no room, no
// handle is left, and files can be written and read as before.
import { status } from '@grpc/grpc-js'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { BlockWorkerDefinition as Blocks } from '../../src/goosefs-rpc/generated/goosefs/blocks.ts'
import { FileSystemMasterClientServiceDefinition as Files } from '../../src/goosefs-rpc/generated/goosefs/files.ts'
import { MetricsMasterClientServiceDefinition as Metrics } from '../../src/goosefs-rpc/generated/goosefs/metrics.ts'
import * as workers from '../../src/goosefs-rpc/generated/goosefs/workers.ts'
import { LocalSkein } from '../support/local-skein.ts'
import { NativeClient, type NativeStream } from '../support/native-client.ts'
import { until } from '../support/until.ts'

const Workers = workers.WorkerManagerMasterClientServiceDefinition
const services = { Files, Metrics, Workers }
const blockBytes = 1024n * 1024n
const hugeInt = 2n ** 63n - 1n
/** What a caller is to blame for, or what is not there; never INTERNAL, UNKNOWN or OK. */
const blamed: readonly number[] = [
  ...[status.INVALID_ARGUMENT, status.NOT_FOUND, status.FAILED_PRECONDITION, status.ALREADY_EXISTS],
  ...[status.RESOURCE_EXHAUSTED, status.UNIMPLEMENTED, status.OUT_OF_RANGE, status.PERMISSION_DENIED],
]

const ok: number = status.OK

let skein: LocalSkein
let master: NativeClient
let worker: NativeClient
let names = 0

beforeAll(async () => {
  skein = await LocalSkein.start({ properties: { 'goosefs.user.block.size.bytes.default': '1MB' } })
  mkdirSync(join(skein.home, 'root'), { recursive: true })
  master = new NativeClient(skein.addresses()['master'] ?? '')
  worker = new NativeClient(await workerAddress())
  await worker.login('tester')
  await master.login('tester')
})
afterAll(async () => {
  master?.close()
  worker?.close()
  await skein?.dispose()
})

async function workerAddress(): Promise<string> {
  const { workerInfos } = await master.call(Workers, 'getWorkerInfoList', {})
  const { host, rpcPort } = workerInfos[0]?.address ?? {}
  return `${host}:${rpcPort}`
}

/** The code of the status that a call ends with. */
async function codeOf(call: Promise<unknown>): Promise<number> {
  try {
    await call
    return status.OK
  } catch (error) {
    return (error as { code: number }).code
  }
}

async function expectBlamed(call: Promise<unknown>, what: string): Promise<void> {
  const ended = await call.then(
    (found) => ({ code: status.OK, details: JSON.stringify(found, (_, value: unknown) => String(value)) }),
    (error: { code?: number; details?: string }) => ({
      code: error.code ?? status.UNKNOWN,
      details: `${error.details}`,
    }),
  )
  const outcome = blamed.includes(ended.code) ? 'clear' : `${status[ended.code]}: ${ended.details.slice(0, 300)}`
  expect({ what, outcome }).toEqual({ what, outcome: 'clear' })
  expect(ended.details).toMatch(/^[^\n]+$/)
}

/** A file that has begun: its id, and that of its first block. */
async function begun(): Promise<{ path: string; fileId: bigint; blockId: bigint }> {
  names += 1
  const path = `/hostile-${names}`
  const options = { blockSizeBytes: blockBytes, recursive: true, writeType: 1 }
  const { fileInfo } = await master.call(Files, 'createFile', { path, options })
  const fileId = fileInfo?.fileId ?? 0n
  return { path, fileId, blockId: (fileId >> 24n) << 24n }
}

const command = (id: bigint, more: object = {}): never =>
  ({ value: { $case: 'command', command: { type: 0, id, offset: 0n, spaceToReserve: blockBytes, ...more } } }) as never
const chunk = (length: number): never =>
  ({ value: { $case: 'chunk', chunk: { data: Buffer.alloc(length, 7) } } }) as never

function written(...messages: readonly never[]): NativeStream<never, { offset?: bigint }> {
  const stream = worker.open(Blocks, 'writeBlock') as unknown as NativeStream<never, { offset?: bigint }>
  for (const message of messages) stream.send(message)
  return stream
}

/** All answers of a write that sends these and ends. */
function writing(...messages: readonly never[]): Promise<unknown> {
  const stream = written(...messages)
  stream.end()
  return stream.rest()
}

function reading(...requests: readonly object[]): Promise<unknown> {
  const stream = worker.open(Blocks, 'readBlock')
  for (const request of requests) stream.send(request)
  stream.end()
  return stream.rest()
}

/** Writes a file as a client does. */
async function writeWhole(length: number): Promise<{ path: string; blockId: bigint }> {
  const file = await begun()
  await writing(command(file.blockId), chunk(length), command(file.blockId, { flush: true }))
  const options = { ufsLength: BigInt(length), locations: [] }
  await master.call(Files, 'completeFile', { path: file.path, options })
  return file
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`http://${skein.addresses()['web']}/metrics`)).text()
  return Number(new RegExp(`^${name}(?:{[^}]*})? (\\S+)$`, 'm').exec(text)?.[1])
}

const paths: Readonly<Record<string, string>> = {
  'no slash': 'name',
  parents: '/a/../b',
  'a zero byte': '/a\0b',
  'too long': `/${'x'.repeat(100_000)}`,
  'a long name': `/${'y'.repeat(5000)}`,
}

describe('a master that speaks GooseFS’s protocol', () => {
  for (const [name, path] of Object.entries(paths))
    it(`refuses paths with ${name}`, async () => {
      for (const method of [
        'getStatus',
        'listStatus',
        'createDirectory',
        'createFile',
        'completeFile',
        'remove',
      ] as const)
        await expectBlamed(master.call(Files, method, { path, options: { locations: [] } }), `${method} ${name}`)
      await expectBlamed(master.call(Files, 'rename', { path, dstPath: '/there' }), `rename from ${name}`)
      await expectBlamed(master.call(Files, 'rename', { path: '/there', dstPath: path }), `rename to ${name}`)
    })

  for (const [name, options] of Object.entries({
    'a negative block size': { blockSizeBytes: -1n },
    'a huge block size': { blockSizeBytes: hugeInt },
    'an unknown write type': { blockSizeBytes: blockBytes, writeType: 99 },
  }))
    it(`creates no file with ${name}`, async () => {
      await expectBlamed(master.call(Files, 'createFile', { path: '/odd', options }), name)
      expect(await codeOf(master.call(Files, 'getStatus', { path: '/odd' }))).toBe(status.NOT_FOUND)
    })

  it('completes no file with another length than its blocks have', async () => {
    for (const ufsLength of [-1n, 1n, 999n, blockBytes * 10n, hugeInt]) {
      const { path, blockId } = await begun()
      await writing(command(blockId), chunk(1000), command(blockId, { flush: true }))
      await expectBlamed(
        master.call(Files, 'completeFile', { path, options: { ufsLength, locations: [] } }),
        `length ${ufsLength}`,
      )
      await master.call(Files, 'removeBlocks', { blockIds: [blockId] })
    }
  })

  it('has clear answers for ids that are none', async () => {
    for (const id of [0n, -1n, -(2n ** 63n), hugeInt, 1n, 2n ** 56n]) {
      await codeOf(master.call(Files, 'removeBlocks', { blockIds: [id] }))
      const complete = { path: '/no such file', inodeId: id, options: { ufsLength: 0n, locations: [] } }
      await expectBlamed(master.call(Files, 'completeFile', complete), `complete ${id}`)
      const location = { path: '/no such file', inodeId: id, blockId: id, options: { locations: [] } }
      await expectBlamed(master.call(Files, 'commitLocation', location), `location ${id}`)
    }
  })

  it('answers bytes that are no message, and no message, for each method', async () => {
    for (const definition of Object.values(services))
      for (const name of Object.keys(definition.methods)) {
        for (const bytes of [[], [Buffer.from([0xff])], [Buffer.alloc(300, 0x0a)], [Buffer.alloc(5_000_000)]]) {
          const stream = master.open(definition as typeof Files, name as 'getStatus')
          for (const one of bytes) stream.sendBytes(one)
          stream.end()
          const code = await codeOf(stream.rest())
          expect({ name, isBlamed: [...blamed, ok].includes(code), code: status[code] }).toMatchObject({
            isBlamed: true,
          })
        }
      }
  })
})

describe('a worker that speaks GooseFS’s protocol', () => {
  let file: { path: string; blockId: bigint }
  let before: { used: number; handles: number }

  beforeAll(async () => {
    file = await writeWhole(100_000)
    before = { used: await metric('skein_worker_used_bytes'), handles: await metric('process_open_fds') }
  })
  afterEach(async () => {
    // What was refused or cut holds no room, and the worker goes on.
    const whole = await writeWhole(1)
    await master.call(Files, 'remove', { path: whole.path, options: { unchecked: true } })
    await until(
      () => metric('skein_worker_used_bytes'),
      (used) => used <= before.used + 64 * 1024,
    )
  })

  const id = (): bigint => file.blockId
  const reads: Readonly<Record<string, () => readonly object[]>> = {
    'no request': () => [],
    'no block': () => [{ offset: 0n, length: 1n }],
    'a block that is none': () => [{ blockId: 77n << 24n, offset: 0n, length: 1n }],
    'a negative block': () => [{ blockId: -1n, offset: 0n, length: 1n }],
    'a negative offset': () => [{ blockId: id(), offset: -1n, length: 1n }],
    'an offset behind the end': () => [{ blockId: id(), offset: 100_001n, length: 1n }],
    'a huge offset': () => [{ blockId: id(), offset: hugeInt, length: 1n }],
    'a negative length': () => [{ blockId: id(), offset: 0n, length: -2n }],
    'more than a block may have': () => [{ blockId: id(), offset: 0n, length: blockBytes + 1n }],
    'a huge length': () => [{ blockId: id(), offset: 1n, length: hugeInt }],
    'a negative chunk size': () => [{ blockId: id(), offset: 0n, length: 1n, chunkSize: -1n }],
  }
  for (const [name, requests] of Object.entries(reads))
    it(`a read with ${name} has a status`, async () => {
      const code = await codeOf(reading(...requests()))
      expect(status[code]).not.toBe('OK')
      expect(status[code]).not.toBe('UNKNOWN')
    })

  it('reads that are cut, or whose answers are not taken, leave no handle', async () => {
    for (let round = 0; round < 200; round += 1) {
      const stream = worker.open(Blocks, 'readBlock')
      stream.send({ blockId: id(), offset: 0n, length: 100_000n, chunkSize: 1000n })
      if (round % 2 === 0) await stream.next()
      stream.cancel()
    }
    await until(
      () => metric('process_open_fds'),
      (handles) => handles <= before.handles + 10,
    )
  })

  const writes: Readonly<Record<string, () => readonly never[]>> = {
    'no message': () => [],
    'a chunk first': () => [chunk(10)],
    'a flush first': () => [{ value: { $case: 'command', command: { flush: true } } } as never],
    'a block of no file': () => [command(77n << 24n), chunk(10)],
    'a block id of nothing': () => [command(0n), chunk(10)],
    'a negative block': () => [command(-5n), chunk(10)],
    'an offset': () => [command(id(), { offset: 5n }), chunk(10)],
    'a block of a complete file': () => [command(id()), chunk(10)],
    'a negative room': () => [command(id(), { spaceToReserve: -1n })],
    'a type that is none': () => [command(id(), { type: 9 })],
    'an object without a path': () => [command(-1n, { type: 1 }), chunk(10)],
    'an object of nobody': () => [
      command(-1n, { type: 1, createUfsFileOptions: { ufsPath: '/etc/passwd', mountId: 1n } }),
      chunk(10),
    ],
  }
  for (const [name, messages] of Object.entries(writes))
    it(`a write with ${name} is refused`, () => expectBlamed(writing(...messages()), name))

  it('a block takes no more than its size, and a write no second command', async () => {
    const one = await begun()
    await expectBlamed(writing(command(one.blockId), chunk(Number(blockBytes)), chunk(1)), 'too much')
    await master.call(Files, 'removeBlocks', { blockIds: [one.blockId] })
    const two = await begun()
    await expectBlamed(writing(command(two.blockId), chunk(1), command(two.blockId)), 'a second command')
    await master.call(Files, 'removeBlocks', { blockIds: [two.blockId] })
  })

  it('of two streams for one block, one at most succeeds', async () => {
    const { path, blockId } = await begun()
    const streams = [written(command(blockId), chunk(1000)), written(command(blockId), chunk(1000))]
    for (const stream of streams) {
      stream.send(command(blockId, { flush: true }))
      stream.end()
    }
    const codes = await Promise.all(streams.map((stream) => codeOf(stream.rest())))
    expect(codes.filter((code) => code !== ok).length).toBeGreaterThanOrEqual(1)
    await master.call(Files, 'removeBlocks', { blockIds: [blockId] })
    expect(await codeOf(master.call(Files, 'getStatus', { path }))).toBe(status.NOT_FOUND)
  })

  it('writes that are cut and given up leave no block and no file', { timeout: 300_000 }, async () => {
    const usedBytes = async (): Promise<number> => {
      const text = await (await fetch(`http://${skein.addresses()['web']}/metrics`)).text()
      return Number(/^skein_worker_used_bytes\b.* (\d+)$/m.exec(text)?.[1])
    }
    const atFirst = await usedBytes()
    for (let round = 0; round < 40; round += 1) {
      const { path, blockId } = await begun()
      const stream = written(command(blockId), chunk(200_000))
      if (round % 2 === 0) {
        stream.send(command(blockId, { flush: true }))
        await stream.next()
      }
      stream.cancel()
      await master.call(Files, 'removeBlocks', { blockIds: [blockId] })
      expect(await codeOf(master.call(Files, 'getStatus', { path }))).toBe(status.NOT_FOUND)
    }
    await until(usedBytes, (bytes) => bytes <= atFirst)
  })

  it('bytes that are no message end a call', async () => {
    for (const name of Object.keys(Blocks.methods) as (keyof typeof Blocks.methods)[]) {
      const stream = worker.open(Blocks, name)
      stream.sendBytes(Buffer.from([0xff, 0xff]))
      stream.end()
      const code = await codeOf(stream.rest())
      expect({ name, clear: blamed.includes(code), code: status[code] }).toMatchObject({ name, clear: true })
    }
  })

  it('leaves nothing in the store', () => {
    expect(readdirSync(join(skein.home, 'root'))).toEqual([])
  })
})
