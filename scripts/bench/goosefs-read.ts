// Why: what reading through GooseFS's protocol costs here. How: `skein local` with one large and
// many small files in its cache, and a bare server that answers the same calls with canned bytes
// (goosefs/bare-server.ts), in turn, in one run; medians. They are read by Tencent's own client
// (PyPI goosefs, installed by scripts/clients.sh --goosefs), if it is there, and by grpc-js
// without codecs; the small files also by the library of Skein.
//
//   node scripts/bench/goosefs-read.ts [--rounds 5] [--mib 1024] [--small 1000] [--python PYTHON]
//   run `npm run build` first
import { execFileSync, spawn } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { connect } from '../../src/client/library.ts'
import { BlockWorkerDefinition } from '../../src/goosefs-rpc/generated/goosefs/blocks.ts'
import { FileSystemMasterClientServiceDefinition as Files } from '../../src/goosefs-rpc/generated/goosefs/files.ts'
import { WorkerManagerMasterClientServiceDefinition } from '../../src/goosefs-rpc/generated/goosefs/workers.ts'
import { LocalSkein } from '../../test/support/local-skein.ts'
import { NativeClient } from '../../test/support/native-client.ts'
import { undoing } from './undos.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    mib: { type: 'string', default: '1024' },
    small: { type: 'string', default: '1000' },
    python: { type: 'string' },
  },
})
const [rounds, mib, small] = [values.rounds, values.mib, values.small].map(Number) as [number, number, number]
const largeBytes = mib * 1024 ** 2
const smallBytes = 16 * 1024
const clients = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'skein/clients/goosefs')

type Seconds = { large: number; small: number }

function pythonOf(): string | undefined {
  if (values.python !== undefined) return values.python
  const versions = existsSync(clients) ? readdirSync(clients).filter((name) => /^\d/.test(name)) : []
  return versions
    .toSorted()
    .map((version) => join(clients, version, 'bin/python'))
    .findLast((path) => existsSync(path))
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN
}

async function timed(act: () => Promise<void>): Promise<number> {
  const beganMs = performance.now()
  await act()
  return (performance.now() - beganMs) / 1000
}

/** Reads as their client does: the status of a file, then each block of it. */
class RawReader {
  readonly #master: NativeClient
  readonly #workers = new Map<string, NativeClient>()
  readonly #address: string

  constructor(address: string) {
    this.#address = address
    this.#master = new NativeClient(address)
  }

  async read(path: string): Promise<number> {
    const { fileInfo } = await this.#master.call(Files, 'getStatus', { path })
    const worker = await this.#worker()
    let bytes = 0
    for (const { blockInfo } of fileInfo?.fileBlockInfos ?? []) {
      const request = { blockId: blockInfo?.blockId, offset: 0n, length: blockInfo?.length, chunkSize: 1024n ** 2n }
      bytes += await worker.countBytes(BlockWorkerDefinition, 'readBlock', request)
    }
    return bytes
  }

  async #worker(): Promise<NativeClient> {
    const known = this.#workers.get(this.#address)
    if (known !== undefined) return known
    const { workerInfos } = await this.#master.call(WorkerManagerMasterClientServiceDefinition, 'getWorkerInfoList', {})
    const { host, rpcPort } = workerInfos[0]?.address ?? {}
    const made = new NativeClient(`${host}:${rpcPort}`)
    this.#workers.set(this.#address, made)
    return made
  }

  async seconds(): Promise<Seconds> {
    await this.read('/small/f0')
    const large = await timed(async () => check(await this.read('/big'), largeBytes))
    const smallSeconds = await timed(async () => {
      for (let index = 0; index < small; index += 1) check(await this.read(`/small/f${index}`), smallBytes)
    })
    return { large, small: smallSeconds }
  }

  close(): void {
    this.#master.close()
    for (const worker of this.#workers.values()) worker.close()
  }
}

function check(bytes: number, wanted: number): void {
  // The frame of each message is a few bytes.
  if (bytes < wanted || bytes > wanted * 1.01) throw new Error(`${bytes} bytes were read, of ${wanted}`)
}

function byPython(python: string, address: string): Seconds {
  const script = join(import.meta.dirname, 'goosefs/read.py')
  const words = [script, address, '/big', '/small/f', String(small)]
  const out = execFileSync(python, words, { encoding: 'utf8', env: { ...process.env, GOOSEFS_AUTH_TYPE: 'simple' } })
  const [large, smallSeconds] = out.trim().split(' ').map(Number) as [number, number]
  return { large, small: smallSeconds }
}

async function byLibrary(address: string): Promise<Seconds> {
  const files = connect({ master: address })
  try {
    const into = Buffer.alloc(smallBytes)
    const seconds = await timed(async () => {
      for (let index = 0; index < small; index += 1) {
        const file = await files.open(`/small/f${index}`)
        check(await file.read(into, 0), smallBytes)
        await file.close()
      }
    })
    return { large: Number.NaN, small: seconds }
  } finally {
    await files.close()
  }
}

await undoing(async (undos) => {
  const skein = new LocalSkein({ quota: '4GB' })
  undos.onEnd(() => skein.dispose())
  const root = join(skein.home, 'root')
  mkdirSync(join(root, 'small'), { recursive: true })
  writeFileSync(join(root, 'big'), randomFillSync(Buffer.alloc(largeBytes)))
  for (let index = 0; index < small; index += 1)
    writeFileSync(join(root, 'small', `f${index}`), randomFillSync(Buffer.alloc(smallBytes)))
  await skein.start()
  const loaded = await skein.cli('fs', 'distributedLoad', '/')
  if (loaded.code !== 0) throw new Error(loaded.stderr)
  const bare = spawn(process.execPath, [
    join(import.meta.dirname, 'goosefs/bare-server.ts'),
    ...[largeBytes, smallBytes].map(String),
  ])
  undos.onEnd(() => void bare.kill())
  const bareAddress = await new Promise<string>((resolve) =>
    bare.stdout.once('data', (text: Buffer) => resolve((JSON.parse(text.toString()) as { ready: string }).ready)),
  )
  const ours = skein.addresses()['master'] ?? ''
  const python = pythonOf()
  const seconds = new Map<string, Seconds[]>()
  const note = (name: string, measured: Seconds): void =>
    void seconds.set(name, [...(seconds.get(name) ?? []), measured])
  for (let round = -1; round < rounds; round += 1) {
    for (const [server, address] of [
      ['skein', ours],
      ['bare', bareAddress],
    ] as const) {
      const raw = new RawReader(address)
      const measured = await raw.seconds()
      raw.close()
      const theirs = python === undefined ? undefined : byPython(python, address)
      // The first round warms up.
      if (round < 0) continue
      note(`grpc-js to ${server}`, measured)
      if (theirs !== undefined) note(`goosefs to ${server}`, theirs)
    }
    const own = await byLibrary(ours)
    if (round >= 0) note('library to skein', own)
  }
  for (const [name, all] of seconds) {
    const large = median(all.map((one) => one.large))
    const smallSeconds = median(all.map((one) => one.small))
    const rate = Number.isNaN(large) ? '' : `${(mib / large).toFixed(0)} MiB/s, `
    console.log(`${name.padEnd(20)} ${rate}${(small / smallSeconds).toFixed(0)} small files/s`)
  }
  const ratio = (kind: keyof Seconds, of: string, to: string): string =>
    median(
      (seconds.get(to) ?? []).map((one, index) => one[kind] / (seconds.get(of)?.[index]?.[kind] ?? Number.NaN)),
    ).toFixed(2)
  for (const client of ['grpc-js', ...(python === undefined ? [] : ['goosefs'])])
    console.log(
      `${client}: skein is ${ratio('large', `${client} to skein`, `${client} to bare`)} x as fast as the bare server ` +
        `with the large file, ${ratio('small', `${client} to skein`, `${client} to bare`)} x with small ones; ` +
        `${ratio('small', `${client} to skein`, 'library to skein')} x of the library with small ones`,
    )
  if (python === undefined) console.log('PyPI goosefs is not installed: run scripts/clients.sh --goosefs')
})
