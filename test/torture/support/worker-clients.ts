// Why: everything that clients do to a worker, at once and at random: write small blocks together
// and large ones straight into its files, give up half-way, read, read through, free. How: lanes
// over the real planes, one client a block at a time; what the worker acknowledged is noted, and
// every byte that it serves is compared.
import { systemClock, systemRandom } from '../../../src/base/clock.ts'
import { isSkeinError, toSkeinError } from '../../../src/base/errors.ts'
import { BlockTargetPool } from '../../../src/client/write/block-target-pool.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { createClient } from '../../../src/wire/rpc/channel.ts'
import { DataClient } from '../../../src/wire/data/data-client.ts'
import { WorkerServiceDefinition } from '../../../src/wire/generated/worker.ts'
import { bytesOf, etag, headerOf, isDurable, isOnlyWritten, lengthOf, tortureBlocks } from './worker-house.ts'

const lanesMax = 16
const putBytesMax = 1024 * 1024
const never = new AbortController().signal

/** What a block may be after a kill, as far as the clients know. */
export type Expected = 'there' | 'absent' | 'either'

export interface Addresses {
  readonly rpcAddress: string
  readonly dataAddress: string
  readonly directories: readonly string[]
}

export class WorkerClients {
  /** Blocks that are not here may be anything. */
  readonly expected: Map<number, Expected>
  /** What must never happen. */
  readonly wrong: string[] = []
  readonly counts = { written: 0, read: 0, readThrough: 0, freed: 0, givenUp: 0, refused: 0 }
  readonly #random: () => number
  readonly #address: Addresses
  readonly #data = new DataClient({ clock: systemClock, connectMs: 2000 })
  readonly #rpc
  readonly #pool: BlockTargetPool
  readonly #busy = new Set<number>()
  #running = true
  #killed = false
  #lanes: Promise<unknown> = Promise.resolve()

  constructor(address: Addresses, expected: Map<number, Expected>, random: () => number) {
    this.#address = address
    this.expected = expected
    this.#random = random
    const parts = {
      deadlineMs: 5000,
      unavailableMs: 500,
      clock: systemClock,
      random: systemRandom,
      logger: silentLogger,
    }
    const connectWorker = (at: string) => createClient(WorkerServiceDefinition, at, parts)
    this.#rpc = connectWorker(address.rpcAddress)
    this.#pool = new BlockTargetPool({
      ...parts,
      hostname: 'torture-host',
      data: this.#data,
      connectWorker,
      directoriesOf: async () => address.directories,
    })
  }

  get operations(): number {
    return this.counts.written + this.counts.read + this.counts.readThrough + this.counts.freed
  }

  start(): void {
    this.#lanes = Promise.all(Array.from({ length: lanesMax }, () => this.#lane()))
  }

  /** From now on calls may fail in any way. */
  killed(): void {
    this.#killed = true
    this.#running = false
  }

  /** Lets the lanes end. */
  async stop(): Promise<void> {
    this.#running = false
    await this.#lanes
  }

  /** Bytes of reservations that the worker says are open. */
  async reservedBytes(): Promise<number> {
    return (await this.#rpc.service.getWorkerStatus({}, { signal: never })).reservedBytes
  }

  close(): void {
    this.#pool.close()
    this.#rpc.close()
    this.#data.close()
  }

  async #lane(): Promise<void> {
    while (this.#running) {
      const blockId = Math.floor(this.#random() * tortureBlocks)
      if (this.#busy.has(blockId)) {
        await new Promise(setImmediate)
        continue
      }
      this.#busy.add(blockId)
      try {
        await this.#act(blockId)
      } catch (thrown) {
        const { code, message } = toSkeinError(thrown)
        // A cache that has no room for it now, or that is keeping what was just read through.
        if (code === 'resource_exhausted' || isSkeinError(thrown, 'already_exists', 'being_written'))
          this.counts.refused += 1
        else if (!this.#killed) this.wrong.push(`block ${blockId}: ${code}: ${message}`)
      } finally {
        this.#busy.delete(blockId)
      }
    }
  }

  async #act(blockId: number): Promise<void> {
    const dice = this.#random()
    if (dice < 0.45) await this.#write(blockId)
    else if (dice < 0.85) await this.#read(blockId)
    else await this.#free(blockId)
  }

  async #write(blockId: number): Promise<void> {
    const header = headerOf(blockId)
    const bytes = bytesOf(blockId)
    const hints = { evict: true, ...(this.#random() < 0.5 ? { loadId: 'load-1' } : {}) }
    const target = this.#pool.targetFor({ workerId: 'torture', hostname: 'torture-host', ...this.#address })
    if (this.expected.get(blockId) !== 'there') this.expected.set(blockId, 'either')
    if (header.length <= putBytesMax && this.#random() < 0.7) await target.put({ header, bytes }, never, hints)
    else {
      const sink = await target.open(header, never, hints)
      const end = this.#random() < 0.15 ? Math.floor(this.#random() * bytes.length) : bytes.length
      try {
        for (let at = 0; at < end; at += 200_000) await sink?.write(bytes.subarray(at, Math.min(end, at + 200_000)))
        if (end === bytes.length) await sink?.commit()
      } finally {
        await sink?.abort()
      }
      if (end < bytes.length && sink !== undefined) {
        this.counts.givenUp += 1
        return
      }
    }
    this.counts.written += 1
    if (isDurable(blockId)) this.expected.set(blockId, 'there')
  }

  async #read(blockId: number): Promise<void> {
    const length = lengthOf(blockId)
    const from = this.#random() < 0.5 ? 0 : Math.floor(this.#random() * length)
    const wanted = bytesOf(blockId).subarray(from)
    try {
      const chunks = this.#data.read(this.#address.dataAddress, blockId, { offset: from, length: wanted.length }, never)
      await this.#compare(blockId, chunks, wanted)
      this.counts.read += 1
    } catch (thrown) {
      if (!isSkeinError(thrown, 'not_found')) throw thrown
      if (isOnlyWritten(blockId)) return
      const block = { blockId, offset: 0, length }
      const request = { namespaceId: 'n1', key: `torture/${blockId}`, etag, offset: from, length: wanted.length, block }
      await this.#compare(blockId, this.#data.readStore(this.#address.dataAddress, request, never), wanted)
      this.counts.readThrough += 1
    }
  }

  async #free(blockId: number): Promise<void> {
    if (isDurable(blockId) && this.#random() < 0.8) return
    this.expected.set(blockId, 'either')
    await this.#rpc.service.freeBlocks({ blockIds: [blockId] }, { signal: never })
    this.expected.set(blockId, isOnlyWritten(blockId) ? 'absent' : 'either')
    this.counts.freed += 1
  }

  async #compare(blockId: number, chunks: AsyncIterable<Uint8Array>, wanted: Buffer): Promise<void> {
    const got: Uint8Array[] = []
    let bytes = 0
    for await (const chunk of chunks) {
      if (!wanted.subarray(bytes, bytes + chunk.length).equals(chunk))
        this.wrong.push(`block ${blockId}: wrong bytes at ${bytes}`)
      got.push(chunk)
      bytes += chunk.length
    }
    if (bytes !== wanted.length) this.wrong.push(`block ${blockId}: ${bytes} of ${wanted.length} bytes`)
  }
}
