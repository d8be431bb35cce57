// Why: the calls of the kernel reach the tree and the open files. How: each request is read, given
// to its operation, and answered once, with bytes or an error number. A program that stops waiting
// interrupts its request, which ends the calls that are made for it.
import type { Clock } from '../base/clock.ts'
import { alignedOffset, unzeroedBuffer } from '../base/flow/aligned-memory.ts'
import { SkeinError, toSkeinError } from '../base/errors.ts'
import type { DoorMetrics, DoorOperation, DoorOutcome } from '../telemetry/door-metrics.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { DeviceConnection } from './device/device-connection.ts'
import { type ErrnoName, errnoOf, errorNumber, ErrnoError } from './error-numbers.ts'
import type { OpenHandles } from './files/open-handles.ts'
import { DirectoryHandles } from './files/directory-handles.ts'
import type { OutagePatience } from './outage-patience.ts'
import {
  attributesAnswer,
  createAnswer,
  entryAnswer,
  type KeptTimes,
  openAnswer,
  spaceAnswer,
  writeAnswer,
} from './protocol/answers.ts'
import { attributeRequest } from './protocol/attribute-request.ts'
import { negotiate, type WantedSession } from './protocol/negotiation.ts'
import { RequestReader } from './protocol/request.ts'
import { answerHeaderBytes, openBits, type OperationName, operationName } from './protocol/wire-numbers.ts'
import type { Caller, MountedTree } from './tree/mounted-tree.ts'
import type { UnfinishedFiles } from './files/unfinished-files.ts'

export interface FuseSessionParts {
  readonly tree: MountedTree
  readonly handles: OpenHandles
  readonly patience: OutagePatience
  readonly unfinished: Pick<UnfinishedFiles, 'size' | 'ofNode'>
  readonly wanted: WantedSession
  readonly times: KeptTimes
  readonly device: Pick<DeviceConnection, 'answer' | 'answerFramed' | 'fail'>
  readonly metrics: DoorMetrics
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly logger: Logger
  readonly closing: AbortSignal
}

interface Call {
  readonly request: RequestReader
  readonly caller: Caller
  readonly nodeId: number
}

type Operate = (call: Call) => Promise<Uint8Array | undefined>

/** Answers of these are not waited for. */
const silent: ReadonlySet<OperationName> = new Set(['forget', 'batch_forget', 'interrupt'])
/** What the kernel does by itself, or asks no more for, when it gets ENOSYS. */
const leftToKernel: ReadonlySet<OperationName> = new Set([
  'access',
  'getxattr',
  'listxattr',
  'lseek',
  'copy_file_range',
  'poll',
  'bmap',
  'syncfs',
  'ioctl',
])
const metricOperations: Partial<Readonly<Record<OperationName, DoorOperation>>> = {
  read: 'read',
  write: 'write',
  flush: 'write',
  fsync: 'write',
  create: 'write',
  readdir: 'list',
  readdirplus: 'list',
  lookup: 'stat',
  getattr: 'stat',
  rename: 'rename',
  rename2: 'rename',
  unlink: 'delete',
  rmdir: 'delete',
}
const serverErrors: ReadonlySet<ErrnoName> = new Set(['EIO', 'ENOSPC'])
const idleReadMemoryMax = 32

export class FuseSession {
  readonly #parts: FuseSessionParts
  readonly #directories: DirectoryHandles
  readonly #inFlight = new Map<number, AbortController>()
  readonly #readMemory: Buffer[] = []
  readonly #operations: Partial<Record<OperationName, Operate>>
  #isOver = false

  constructor(parts: FuseSessionParts) {
    this.#parts = parts
    this.#directories = new DirectoryHandles(parts)
    this.#operations = this.#table()
  }

  /** Requests that are not answered. */
  get inFlight(): number {
    return this.#inFlight.size
  }

  /** Open files and directories. */
  get openHandles(): number {
    return this.#parts.handles.size + this.#directories.size
  }

  /** Serves a request; its bytes are valid until `done` is called. */
  handle(bytes: Buffer, done: () => void): void {
    let request: RequestReader
    try {
      request = new RequestReader(bytes)
    } catch (thrown) {
      this.#parts.logger.warn('a request of the kernel cannot be read', { error: toSkeinError(thrown).message })
      done()
      return
    }
    this.#serve(request)
      .finally(done)
      .catch(() => undefined)
  }

  /** Ends all requests. */
  async close(): Promise<void> {
    this.#isOver = true
    for (const controller of this.#inFlight.values()) controller.abort(new SkeinError('cancelled', 'unmounted'))
    await this.#directories.close()
    await this.#parts.handles.close()
  }

  async #serve(request: RequestReader): Promise<void> {
    const { device } = this.#parts
    const { unique, operation: code } = request.header
    const operation = operationName(code)
    if (operation !== undefined && silent.has(operation)) {
      this.#quiet(operation, request)
      return
    }
    const end = this.#parts.metrics.begin()
    let outcome: DoorOutcome = 'ok'
    try {
      if (operation === 'read') await this.#read(request)
      else device.answer(unique, await this.#operate(operation, request))
    } catch (thrown) {
      const errno = errnoOf(thrown)
      outcome = serverErrors.has(errno) ? 'server_error' : 'client_error'
      if (errno === 'EIO')
        this.#parts.logger.warn('a call of the kernel failed', { operation, error: toSkeinError(thrown).message })
      device.fail(unique, errorNumber(errno))
    } finally {
      this.#inFlight.delete(unique)
      end(metricOperations[operation ?? 'poll'] ?? 'other', outcome)
    }
  }

  async #operate(operation: OperationName | undefined, request: RequestReader): Promise<Uint8Array | undefined> {
    const operate = operation === undefined ? undefined : this.#operations[operation]
    if (operate !== undefined) return operate(this.#call(request))
    const isKernels = operation === undefined || leftToKernel.has(operation)
    throw new ErrnoError(isKernels ? 'ENOSYS' : 'EOPNOTSUPP', `${operation ?? 'this'} is not supported`)
  }

  #call(request: RequestReader): Call {
    const { unique, userId, groupId, threadId, nodeId } = request.header
    if (this.#isOver) throw new ErrnoError('EIO', 'unmounted')
    const controller = new AbortController()
    this.#inFlight.set(unique, controller)
    return { request, nodeId, caller: { userId, groupId, threadId, signal: controller.signal } }
  }

  #quiet(operation: OperationName, request: RequestReader): void {
    const { tree, device } = this.#parts
    if (operation === 'forget') tree.forget(request.header.nodeId, request.wide())
    if (operation === 'batch_forget') {
      const count = request.word()
      request.skip(4)
      for (let index = 0; index < count; index += 1) tree.forget(request.wide(), request.wide())
    }
    if (operation === 'interrupt') {
      const controller = this.#inFlight.get(request.wide())
      if (controller === undefined) device.fail(request.header.unique, 11)
      else controller.abort(new SkeinError('cancelled', 'the program does not wait any more'))
    }
  }

  async #read(request: RequestReader): Promise<void> {
    const { handles, device, metrics } = this.#parts
    const { caller } = this.#call(request)
    const { unique } = request.header
    const [handle, offset, size] = [request.wide(), request.wide(), request.word()]
    const length = Math.min(size, Math.max(0, (handles.lengthOf(handle) ?? Number.MAX_SAFE_INTEGER) - offset))
    const memory = this.#takeMemory(length)
    try {
      const into = memory.subarray(answerHeaderBytes, answerHeaderBytes + length)
      const bytes = length === 0 ? 0 : await handles.read(handle, into, offset, caller.signal)
      metrics.sent(bytes)
      await device.answerFramed(unique, memory.subarray(0, answerHeaderBytes + bytes))
    } finally {
      if (this.#readMemory.length < idleReadMemoryMax) this.#readMemory.push(memory)
    }
  }

  #takeMemory(length: number): Buffer {
    const { requestBytesMax } = this.#parts.wanted
    if (length > requestBytesMax) throw new ErrnoError('EINVAL', `a read of ${length} bytes`)
    const free = this.#readMemory.pop()
    if (free !== undefined) return free
    // The bytes of the file begin at a page (base/flow/aligned-memory.ts).
    return Buffer.from(unzeroedBuffer(requestBytesMax), alignedOffset - answerHeaderBytes)
  }

  /** @param ageMs of what the answer says */
  #times(nodeId: number, ageMs = 0): KeptTimes {
    const { tree, unfinished, times } = this.#parts
    if (ageMs > 0) {
      const { entryMs, attributesMs } = times
      return { entryMs: Math.max(0, entryMs - ageMs), attributesMs: Math.max(0, attributesMs - ageMs) }
    }
    if (nodeId === 0 || unfinished.size === 0) return times
    return unfinished.ofNode(tree.node(nodeId)) === undefined ? times : { entryMs: 0, attributesMs: 0 }
  }

  #openBits({
    isDirect,
    keepsPages,
    needsFlush,
  }: {
    readonly isDirect: boolean
    readonly keepsPages: boolean
    readonly needsFlush: boolean
  }): number {
    return (
      (isDirect ? openBits.directIo : 0) | (keepsPages ? openBits.keepCache : 0) | (needsFlush ? 0 : openBits.noFlush)
    )
  }

  #table(): Partial<Record<OperationName, Operate>> {
    const { tree, handles, wanted, metrics } = this.#parts
    const directories = this.#directories
    const nothing: Operate = () => Promise.resolve(undefined)
    const rename = async ({ request, caller, nodeId }: Call, hasFlags: boolean): Promise<undefined> => {
      const newParentId = request.wide()
      const flags = hasFlags ? request.word() : 0
      if (hasFlags) request.skip(4)
      const [name, newName] = [request.text(), request.text()]
      await tree.rename({ parentId: nodeId, name }, { parentId: newParentId, name: newName }, flags, caller)
    }
    const list = async ({ request, caller, nodeId }: Call, isFull: boolean): Promise<Uint8Array> => {
      const [handle, place, bytes] = [request.wide(), request.wide(), request.word()]
      return directories.page({ nodeId, handle, place, bytes, isFull }, caller)
    }
    return {
      init: ({ request }) => Promise.resolve(negotiate(request, wanted).answer),
      destroy: nothing,
      lookup: async ({ request, caller, nodeId }) => {
        const entry = await tree.lookUp(nodeId, request.text(), caller)
        return entryAnswer(entry, this.#times(entry.nodeId, entry.ageMs))
      },
      getattr: async ({ caller, nodeId }) =>
        attributesAnswer(await tree.attributes(nodeId, caller), this.#times(nodeId)),
      setattr: async (call) => this.#setAttributes(call),
      mkdir: async ({ request, caller, nodeId }) => {
        const mode = request.word()
        request.skip(4)
        const entry = await tree.makeDirectory(nodeId, request.text(), mode, caller)
        return entryAnswer(entry, this.#times(entry.nodeId))
      },
      unlink: async ({ request, caller, nodeId }) => {
        await tree.removeFile(nodeId, request.text(), caller)
        return undefined
      },
      rmdir: async ({ request, caller, nodeId }) => {
        await tree.removeDirectory(nodeId, request.text(), caller)
        return undefined
      },
      rename: (call) => rename(call, false),
      rename2: (call) => rename(call, true),
      open: async ({ request, caller, nodeId }) => {
        const opened = await handles.open(nodeId, request.word(), caller)
        return openAnswer(opened.handle, this.#openBits(opened))
      },
      create: async ({ request, caller, nodeId }) => {
        const [flags, mode] = [request.word(), request.word()]
        request.skip(8)
        const { entry, opened } = await handles.create(nodeId, request.text(), mode, flags, caller)
        return createAnswer(entry, this.#times(entry.nodeId), opened.handle, this.#openBits(opened))
      },
      write: async ({ request, caller }) => {
        const [handle, offset, size] = [request.wide(), request.wide(), request.word()]
        request.skip(20)
        await handles.write(handle, offset, request.rest(size), caller)
        metrics.received(size)
        return writeAnswer(size)
      },
      flush: async ({ request, caller }) => {
        await handles.flush(request.wide(), caller.threadId)
        return undefined
      },
      fsync: async ({ request }) => {
        await handles.sync(request.wide())
        return undefined
      },
      release: async ({ request }) => {
        await handles.release(request.wide())
        return undefined
      },
      statfs: async ({ caller }) => spaceAnswer(await tree.space(caller)),
      opendir: ({ nodeId }) => Promise.resolve(openAnswer(directories.open(nodeId), 0)),
      readdir: (call) => list(call, false),
      readdirplus: (call) => list(call, true),
      releasedir: async ({ request }) => {
        await directories.release(request.wide())
        return undefined
      },
      fsyncdir: nothing,
    }
  }

  async #setAttributes({ request, caller, nodeId }: Call): Promise<Uint8Array> {
    const { tree, handles } = this.#parts
    const asked = attributeRequest(request)
    if (asked.size !== undefined) await handles.truncate(nodeId, asked.handle, asked.size, caller)
    await tree.setAttributes(nodeId, asked, caller)
    return attributesAnswer(await tree.attributes(nodeId, caller), this.#times(nodeId))
  }
}
