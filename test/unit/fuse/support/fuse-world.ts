// Why: what the kernel would ask is asked without a kernel. How: a session over a file system in
// memory, with a device that keeps the answers; requests are built from the protocol's structures.
import { constants } from 'node:os'
import { type Clock, systemClock } from '../../../../src/base/clock.ts'
import type { FilesAhead } from '../../../../src/client/open/files-ahead.ts'
import type { FileSystem } from '../../../../src/client/file-system.ts'
import { OpenHandles } from '../../../../src/fuse/files/open-handles.ts'
import { PagesAhead } from '../../../../src/fuse/files/pages-ahead.ts'
import { SiblingsAhead } from '../../../../src/fuse/files/siblings-ahead.ts'
import { UnfinishedFiles } from '../../../../src/fuse/files/unfinished-files.ts'
import { FuseSession } from '../../../../src/fuse/fuse-session.ts'
import { OutagePatience } from '../../../../src/fuse/outage-patience.ts'
import { type OperationName, operations } from '../../../../src/fuse/protocol/wire-numbers.ts'
import { KnownUsers } from '../../../../src/fuse/tree/known-users.ts'
import { MountedTree } from '../../../../src/fuse/tree/mounted-tree.ts'
import { NodeTable } from '../../../../src/fuse/tree/node-table.ts'
import { DoorMetrics } from '../../../../src/telemetry/door-metrics.ts'
import { silentLogger } from '../../../../src/telemetry/logger.ts'
import { MetricRegistry } from '../../../../src/telemetry/registry.ts'
import { MemoryFileSystem } from '../../../support/memory-file-system.ts'

/** A structure of a request: words of 4 or 8 bytes, and text that ends with a zero. */
export type Field = { readonly word: number } | { readonly wide: number } | { readonly text: string } | Buffer

export const word = (value: number): Field => ({ word: value })
export const wide = (value: number): Field => ({ wide: value })
export const text = (value: string): Field => ({ text: value })

export interface Answer {
  /** `ENOENT`; undefined: no error. */
  readonly errno: string | undefined
  readonly body: Buffer
}

export interface FuseWorldOptions {
  readonly path?: string
  readonly directBytesMin?: number
  readonly waitMs?: number
  readonly wrap?: (files: MemoryFileSystem) => FileSystem
  readonly ahead?: FilesAhead
  /** Content that is given to the kernel is there after this. */
  readonly whileStoring?: () => Promise<void>
  readonly clock?: Clock
}

export class FuseWorld {
  readonly files: MemoryFileSystem
  readonly nodes: NodeTable
  readonly metrics = new MetricRegistry('fuse')
  readonly replaced: string[] = []
  /** What the kernel got without asking, by node. */
  readonly stored = new Map<number, string>()
  readonly session: FuseSession
  /** The process of each thread. */
  readonly processes = new Map<number, number>()
  threadId = 7
  #unique = 0
  readonly #waiting = new Map<number, (answer: Answer) => void>()

  constructor({
    path = '/ns',
    directBytesMin = Number.POSITIVE_INFINITY,
    waitMs = 0,
    wrap = (files) => files,
    ahead,
    whileStoring = () => Promise.resolve(),
    clock = systemClock,
  }: FuseWorldOptions = {}) {
    this.files = new MemoryFileSystem(systemClock, ['ns', 'other'])
    const files = wrap(this.files)
    this.nodes = new NodeTable(path)
    const closing = new AbortController().signal
    const users = new KnownUsers({ clock: systemClock, userId: 1000, groupId: 1000, read: passwords })
    const patience = new OutagePatience({ waitMs, clock: systemClock })
    const unfinished = new UnfinishedFiles(this.nodes)
    const shown = { userId: undefined, groupId: undefined, umask: 0o002, users, preferredBytes: 1 << 20 }
    const metrics = new DoorMetrics('fuse', { metrics: this.metrics, clock })
    const pages = new PagesAhead({
      ...{ nodes: this.nodes, unfinished, directBytesMin, clock },
      store: async (nodeId, bytes) => {
        await whileStoring()
        this.stored.set(nodeId, Buffer.from(bytes).toString())
        return true
      },
      onStored: (bytes) => metrics.sent(bytes),
    })
    const siblings = ahead && new SiblingsAhead({ ahead, pages, entryMs: 2000, clock, logger: silentLogger, closing })
    const tree = new MountedTree({
      ...{ files, nodes: this.nodes, unfinished, patience, siblings, shown, clock },
      onLeftOut: () => undefined,
    })
    const handles = new OpenHandles({
      ...{ files, nodes: this.nodes, tree, unfinished, patience, users, siblings, pages, closing, directBytesMin },
      nowMs: () => clock.nowMs(),
      processOf: (threadId) => this.processes.get(threadId),
      onReplaced: (parentId, name) => this.replaced.push(`${parentId}/${name}`),
      onSource: () => undefined,
    })
    this.session = new FuseSession({
      ...{ tree, handles, unfinished, patience, closing, clock, logger: silentLogger },
      wanted: { requestBytesMax: 1 << 20, readAheadBytes: 1 << 22, backgroundMax: 64 },
      times: { attributesMs: 1500, entryMs: 2000 },
      device: {
        answer: (unique, body) => this.#answer(unique, undefined, Buffer.from(body ?? [])),
        answerFramed: async (unique, framed) => this.#answer(unique, undefined, Buffer.from(framed.subarray(16))),
        fail: (unique, number) => this.#answer(unique, number, Buffer.alloc(0)),
      },
      metrics,
    })
  }

  /** Sends a request and waits for its answer. */
  ask(operation: OperationName | number, nodeId: number, ...fields: readonly Field[]): Promise<Answer> {
    const { answer } = this.send(operation, nodeId, ...fields)
    return answer
  }

  send(
    operation: OperationName | number,
    nodeId: number,
    ...fields: readonly Field[]
  ): { readonly unique: number; readonly answer: Promise<Answer> } {
    this.#unique += 2
    const unique = this.#unique
    const answer = new Promise<Answer>((resolve) => this.#waiting.set(unique, resolve))
    const code = typeof operation === 'number' ? operation : operations[operation]
    this.session.handle(requestOf(code, unique, nodeId, this.threadId, fields), () => undefined)
    return { unique, answer }
  }

  /** @throws when the answer is an error */
  async ok(operation: OperationName, nodeId: number, ...fields: readonly Field[]): Promise<Buffer> {
    const { errno, body } = await this.ask(operation, nodeId, ...fields)
    if (errno !== undefined) throw new Error(`${operation}: ${errno}`)
    return body
  }

  async lookUp(parentId: number, name: string): Promise<{ id: number; size: number; mode: number; ino: number }> {
    return entryOf(await this.ok('lookup', parentId, text(name)))
  }

  /** Creates a file; @returns its node and handle */
  async create(parentId: number, name: string, flags = 0o1, mode = 0o644): Promise<{ id: number; handle: number }> {
    const body = await this.ok('create', parentId, word(flags), word(mode), wide(0), text(name))
    return { id: wideAt(body, 0), handle: wideAt(body, 128) }
  }

  async open(id: number, flags = 0): Promise<{ handle: number; bits: number }> {
    const body = await this.ok('open', id, word(flags), word(0))
    return { handle: wideAt(body, 0), bits: body.readUInt32LE(8) }
  }

  read(id: number, handle: number, offset: number, size: number): Promise<Answer> {
    return this.ask('read', id, wide(handle), wide(offset), word(size), word(0), wide(0), wide(0))
  }

  write(id: number, handle: number, offset: number, bytes: Uint8Array | string): Promise<Answer> {
    const data = Buffer.from(bytes)
    const head = [wide(handle), wide(offset), word(data.length), word(0), wide(0), wide(0)]
    return this.ask('write', id, ...head, data)
  }

  flush(id: number, handle: number): Promise<Answer> {
    return this.ask('flush', id, wide(handle), wide(0), wide(0))
  }

  release(id: number, handle: number): Promise<Answer> {
    return this.ask('release', id, wide(handle), wide(0), wide(0))
  }

  /** A whole file, as a program writes it. */
  async writeFile(parentId: number, name: string, bytes: string): Promise<number> {
    const { id, handle } = await this.create(parentId, name)
    await this.write(id, handle, 0, bytes)
    await this.flush(id, handle)
    await this.release(id, handle)
    return id
  }

  /** A whole file, as a program reads it. */
  async readFile(parentId: number, name: string): Promise<string> {
    const { id } = await this.lookUp(parentId, name)
    const { handle } = await this.open(id)
    const { body, errno } = await this.read(id, handle, 0, 1 << 20)
    await this.release(id, handle)
    if (errno !== undefined) throw new Error(errno)
    return body.toString()
  }

  /** The names of a directory, in pages of so many bytes. */
  async names(id: number, { bytes = 4096, plus = false, onPage = () => {} } = {}): Promise<string[]> {
    const handle = wideAt(await this.ok('opendir', id, word(0), word(0)), 0)
    const names: string[] = []
    for (let place = 0; ;) {
      const operation = plus ? 'readdirplus' : 'readdir'
      const page = await this.ok(operation, id, wide(handle), wide(place), word(bytes), word(0), wide(0), wide(0))
      if (page.length === 0) break
      onPage()
      for (let at = 0; at < page.length;) {
        const head = at + (plus ? 128 : 0)
        const length = page.readUInt32LE(head + 16)
        place = wideAt(page, head + 8)
        names.push(page.toString('utf8', head + 24, head + 24 + length))
        at += Math.ceil(((plus ? 128 : 0) + 24 + length) / 8) * 8
      }
    }
    await this.ok('releasedir', id, wide(handle), wide(0), wide(0))
    return names.filter((name) => name !== '.' && name !== '..')
  }

  #answer(unique: number, number: number | undefined, body: Buffer): void {
    const errno = Object.entries(constants.errno).findLast(([, value]) => value === number)?.[0]
    this.#waiting.get(unique)?.({ errno: number === undefined ? undefined : (errno ?? String(number)), body })
    this.#waiting.delete(unique)
  }
}

export function entryOf(body: Buffer): { id: number; size: number; mode: number; ino: number } {
  return { id: wideAt(body, 0), ino: wideAt(body, 40), size: wideAt(body, 48), mode: body.readUInt32LE(100) }
}

export function wideAt(body: Buffer, at: number): number {
  return Number(body.readBigUInt64LE(at))
}

function requestOf(code: number, unique: number, nodeId: number, threadId: number, fields: readonly Field[]): Buffer {
  const parts = fields.map((field) => {
    if (Buffer.isBuffer(field)) return field
    if ('text' in field) return Buffer.from(`${field.text}\0`)
    const bytes = Buffer.alloc('word' in field ? 4 : 8)
    if ('word' in field) bytes.writeUInt32LE(field.word)
    else bytes.writeBigUInt64LE(BigInt(field.wide))
    return bytes
  })
  const head = Buffer.alloc(40)
  head.writeUInt32LE(40 + Buffer.concat(parts).length, 0)
  head.writeUInt32LE(code, 4)
  head.writeBigUInt64LE(BigInt(unique), 8)
  head.writeBigUInt64LE(BigInt(nodeId), 16)
  head.writeUInt32LE(threadId, 32)
  return Buffer.concat([head, ...parts])
}

function passwords(path: string): string {
  return path === '/etc/passwd' ? 'root:x:0:0::/:/bin/sh\nskein:x:42:42::/:/bin/sh\n' : 'root:x:0:\nskein:x:42:\n'
}
