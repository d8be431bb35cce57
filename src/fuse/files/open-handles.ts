// Why: what programs do with an open file. How: handles by number. One for reading has a version of
// the file (the node's, never another); one for writing has a file that is being written, and is
// completed when its program closes it, or at the end. All of them for a file are counted at its
// node, so that the node is there for as long as they are.
import { isSkeinError } from '../../base/errors.ts'
import type { FileHandle, FileStatus, FileSystem } from '../../client/file-system.ts'
import { ErrnoError } from '../error-numbers.ts'
import type { OutagePatience } from '../outage-patience.ts'
import type { NodeEntry } from '../protocol/answers.ts'
import { openFlags } from '../protocol/wire-numbers.ts'
import { isSameVersion, keptStatus, type Node, type NodeStatus, type NodeTable } from '../tree/node-table.ts'
import type { Caller, MountedTree } from '../tree/mounted-tree.ts'
import type { UserNames } from '../tree/known-users.ts'
import type { PagesAhead } from './pages-ahead.ts'
import type { SiblingsAhead } from './siblings-ahead.ts'
import { changesOf, type Unfinished, type UnfinishedFiles } from './unfinished-files.ts'
import { openVersion } from './version-opening.ts'
import { WrittenFile } from './written-file.ts'

export interface Opened {
  readonly handle: number
  /** The kernel's pages are not used. */
  readonly isDirect: boolean
  /** The kernel's pages are of this version. */
  readonly keepsPages: boolean
  /** Closing a descriptor needs no call. */
  readonly needsFlush: boolean
}

export interface OpenHandlesParts {
  readonly files: FileSystem
  readonly nodes: NodeTable
  readonly tree: Pick<MountedTree, 'node' | 'statusOf' | 'entryOf'>
  readonly unfinished: UnfinishedFiles
  readonly patience: OutagePatience
  readonly users: UserNames
  /** Undefined: nothing is opened ahead. */
  readonly siblings: Pick<SiblingsAhead, 'opened'> | undefined
  readonly pages: Pick<PagesAhead, 'settled' | 'missed'>
  readonly nowMs: () => number
  /** A file of so many bytes is read without the kernel's pages. */
  readonly directBytesMin: number
  /** The process of a thread; undefined: not to be seen from here. */
  readonly processOf: (threadId: number) => number | undefined
  /** A name has another node now: the kernel must look it up again. */
  readonly onReplaced: (parentId: number, name: string) => void
  /** Where bytes came from, for measurements. */
  readonly onSource: (source: 'cache' | 'store', bytes: number) => void
  /** Aborted at the end of the mount. */
  readonly closing: AbortSignal
}

interface Handle {
  readonly node: Node
  /** Undefined: only written so far. */
  reading: FileHandle | undefined
  /** Undefined: only read so far. */
  writing: Unfinished | undefined
  readonly canWrite: boolean
  /** The kernel should have the pages. */
  readonly keepsPages: boolean
  /** The process that opened it. */
  readonly processId: number | undefined
}

export class OpenHandles {
  readonly #parts: OpenHandlesParts
  readonly #handles = new Map<number, Handle>()
  #lastHandle = 0

  constructor(parts: OpenHandlesParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#handles.size
  }

  async open(nodeId: number, flags: number, caller: Caller): Promise<Opened> {
    const { tree, unfinished, nodes, siblings } = this.#parts
    const node = tree.node(nodeId)
    const canWrite = (flags & (openFlags.writeOnly | openFlags.readWrite)) !== 0
    if (canWrite && (flags & openFlags.truncate) !== 0) return this.#overwrite(node, caller)
    const written = unfinished.ofNode(node)
    if (written !== undefined) {
      if (canWrite) {
        if ((flags & openFlags.append) === 0 && written.file.length > 0) throw beingWritten(written)
        return this.#addWriter(node, written, caller)
      }
      // What its program has closed is what it wants others to see.
      if (written.file.isDirty && !written.file.isFlushed) throw beingWritten(written)
      await written.file.complete()
    }
    if (canWrite) {
      const status = await tree.statusOf(node, caller.signal)
      if ((flags & openFlags.append) !== 0 && status.length > 0)
        throw new ErrnoError('EOPNOTSUPP', `${nodes.pathOf(node)} cannot be appended to: write it as a whole`)
      if ((flags & openFlags.writeOnly) !== 0) return this.#add(node, undefined, undefined, true, caller)
    }
    const reading = await openVersion(node, caller.signal, this.#parts)
    const { parent, name } = node
    if (!canWrite && parent !== undefined)
      siblings?.opened({ parent, directory: nodes.pathOf(parent), name, length: reading.status.length })
    const isDirect = canWrite || (flags & openFlags.direct) !== 0 || reading.status.length >= this.#parts.directBytesMin
    return this.#add(node, reading, undefined, canWrite, caller, isDirect)
  }

  /** A file that did not exist when the kernel looked. */
  async create(
    parentId: number,
    name: string,
    mode: number,
    flags: number,
    caller: Caller,
  ): Promise<{ readonly entry: NodeEntry; readonly opened: Opened }> {
    const { nodes, tree, unfinished } = this.#parts
    const parent = tree.node(parentId)
    const path = nodes.pathOfChild(parent, name)
    if (unfinished.at(path) !== undefined && (flags & openFlags.exclusive) !== 0)
      throw new ErrnoError('EEXIST', `${path} is being written`)
    const ifExists = (flags & openFlags.exclusive) !== 0 ? 'exclusive' : 'overwrite'
    const node = nodes.begin(parent, name)
    nodes.use(node)
    try {
      const begun = await this.#begin(node, { ifExists, ...this.#ownership(caller), mode: mode & 0o7777 }, caller)
      const opened = this.#add(node, undefined, begun, true, caller)
      return { entry: tree.entryOf(node, unfinished.statusOf(begun)), opened }
    } catch (thrown) {
      nodes.remove(parent, name)
      throw thrown
    } finally {
      nodes.leave(node)
    }
  }

  /** Fills `into`; fewer bytes only at the end of the file. */
  async read(handleId: number, into: Uint8Array, position: number, signal: AbortSignal): Promise<number> {
    const handle = this.#handle(handleId)
    handle.reading ??= await this.#openWritten(handle, signal)
    const { reading } = handle
    const left = reading.status.length - position
    if (left <= 0) return 0
    if (handle.keepsPages && position === 0) this.#parts.pages.missed()
    return this.#parts.patience.run(signal, () => reading.read(into, position, { signal }))
  }

  /** How many bytes a read gets at most. */
  lengthOf(handleId: number): number | undefined {
    return this.#handle(handleId).reading?.status.length
  }

  async write(handleId: number, offset: number, chunk: Uint8Array, caller: Caller): Promise<void> {
    const handle = this.#handle(handleId)
    const { canWrite, node } = handle
    if (!canWrite) throw new ErrnoError('EBADF', 'the file is not open for writing')
    if (handle.writing === undefined) {
      if (offset > 0 || (await this.#parts.tree.statusOf(node, caller.signal)).length > 0)
        throw new ErrnoError('EOPNOTSUPP', `${this.#parts.nodes.pathOf(node)} is not changed in place: write it anew`)
      handle.writing = await this.#beginOverwriting(node, caller)
      handle.writing.writers += 1
    }
    const { writing } = handle
    await writing.file.write(offset, chunk)
    // A time that was set before these bytes is not theirs.
    if (writing.draft.times !== undefined) Object.assign(writing.draft, { times: undefined })
    if (writing.file.isWriting) this.#parts.unfinished.add(writing)
  }

  /** A descriptor was closed. @throws what went wrong with the file, where its program is told */
  async flush(handleId: number, threadId: number): Promise<void> {
    const { writing, processId } = this.#handle(handleId)
    if (writing === undefined || !writing.file.isDirty) return
    writing.file.isFlushed = true
    const closer = this.#parts.processOf(threadId)
    // The copy of another process: the program that opened the file goes on with it.
    if (processId !== undefined && closer !== undefined && closer !== processId) return
    await this.#complete(writing)
  }

  /** The bytes so far are where the cluster keeps a complete file. */
  async sync(handleId: number): Promise<void> {
    const { writing } = this.#handle(handleId)
    if (writing?.file.isDirty === true) await this.#complete(writing)
  }

  /** Nobody has the handle any more; nobody hears of an error. */
  async release(handleId: number): Promise<void> {
    const handle = this.#handles.get(handleId)
    if (handle === undefined) return
    this.#handles.delete(handleId)
    const { node, reading, writing } = handle
    try {
      if (writing !== undefined) {
        writing.writers -= 1
        if (writing.writers === 0) await this.#complete(writing)
      }
      await reading?.close()
    } finally {
      this.#parts.nodes.leave(node)
    }
  }

  /** Cuts a file to nothing, through a handle or by its node. */
  async truncate(nodeId: number, handleId: number | undefined, length: number, caller: Caller): Promise<void> {
    const { tree, unfinished, nodes } = this.#parts
    const node = tree.node(nodeId)
    const handle = handleId === undefined ? undefined : this.#handles.get(handleId)
    const written = handle?.writing ?? unfinished.ofNode(node)
    if (written !== undefined) {
      await written.file.truncate(length)
      unfinished.add(written)
      return
    }
    const status = await tree.statusOf(node, caller.signal)
    if (status.length === length) return
    if (length !== 0) throw new ErrnoError('EOPNOTSUPP', `${nodes.pathOf(node)} cannot be cut to ${length} bytes`)
    const begun = await this.#beginOverwriting(node, caller)
    if (handle === undefined) {
      await this.#complete(begun)
      return
    }
    begun.writers += 1
    handle.writing = begun
  }

  /** Aborts what is being written, at the end of the mount. */
  async close(): Promise<void> {
    const { unfinished } = this.#parts
    await Promise.allSettled(unfinished.all().map(({ file }) => file.discard()))
    await Promise.allSettled([...this.#handles.values()].map(async ({ reading }) => reading?.close()))
  }

  async #overwrite(node: Node, caller: Caller): Promise<Opened> {
    this.#parts.nodes.use(node)
    try {
      return this.#addWriter(node, await this.#beginOverwriting(node, caller), caller)
    } finally {
      this.#parts.nodes.leave(node)
    }
  }

  /** The owner and the mode of the old file stay. */
  #beginOverwriting(node: Node, caller: Caller): Promise<Unfinished> {
    const known = node.status ?? { ...this.#ownership(caller), mode: 0o644 }
    const { owner, group, mode } = known
    return this.#begin(node, { ifExists: 'overwrite', owner, group, mode }, caller)
  }

  async #begin(
    node: Node,
    { ifExists, ...given }: Pick<FileStatus, 'owner' | 'group' | 'mode'> & { ifExists: 'exclusive' | 'overwrite' },
    { signal }: Caller,
  ): Promise<Unfinished> {
    const { files, nodes, unfinished, patience, pages, closing, nowMs } = this.#parts
    const path = nodes.pathOf(node)
    const draft = { ...given }
    const options = {
      files,
      path,
      create: { ifExists, ...given },
      signal: closing,
      onComplete: async (status: FileStatus): Promise<void> => {
        const changes = changesOf(given, draft)
        await pages.settled(node)
        unfinished.remove(begun)
        this.#become(node, { ...status, ...changes })
        if (changes !== undefined) await files.setAttributes(path, { ...changes, signal: closing })
        Object.assign(given, draft)
      },
    }
    const file = await patience.run(signal, () => WrittenFile.begin(options, signal, nowMs()))
    const begun: Unfinished = { node, file, draft, writers: 0 }
    unfinished.add(begun)
    return begun
  }

  /** The node shows what was written, unless somebody still reads another version of it. */
  #become(node: Node, status: NodeStatus): void {
    const { nodes, onReplaced } = this.#parts
    const hasOldReaders = [...this.#handles.values()].some(
      (handle) =>
        handle.node === node &&
        handle.reading !== undefined &&
        !isSameVersion({ ...node, status }, handle.reading.status),
    )
    if (!hasOldReaders || node.parent === undefined) {
      node.status = keptStatus(status)
      return
    }
    const { parent, name } = node
    if (nodes.child(parent, name) === node) nodes.remove(parent, name)
    onReplaced(parent.id, name)
  }

  async #complete(writing: Unfinished): Promise<void> {
    try {
      await writing.file.complete()
    } finally {
      if (!writing.file.isWriting) this.#parts.unfinished.remove(writing)
    }
  }

  /** Reading through a handle that wrote the file. */
  async #openWritten({ node, writing }: Handle, signal: AbortSignal): Promise<FileHandle> {
    if (writing?.file.isWriting === true) throw beingWritten(writing)
    if (writing === undefined) throw new ErrnoError('EBADF', 'the file is not open for reading')
    return openVersion(node, signal, this.#parts).catch((thrown: unknown) => {
      if (isSkeinError(thrown, 'not_found')) throw new ErrnoError('ESTALE', thrown.message)
      throw thrown
    })
  }

  #addWriter(node: Node, writing: Unfinished, caller: Caller): Opened {
    return this.#add(node, undefined, writing, true, caller)
  }

  #add(
    node: Node,
    reading: FileHandle | undefined,
    writing: Unfinished | undefined,
    canWrite: boolean,
    { threadId }: Caller,
    isDirect = canWrite,
  ): Opened {
    this.#lastHandle += 1
    const processId = canWrite ? this.#parts.processOf(threadId) : undefined
    const keepsPages = reading !== undefined && node.pagesOf === reading.status.fileId
    const isKept = keepsPages && !isDirect
    this.#handles.set(this.#lastHandle, { node, reading, writing, canWrite, keepsPages: isKept, processId })
    this.#parts.nodes.use(node)
    if (writing !== undefined) writing.writers += 1
    if (reading !== undefined && !isDirect) node.pagesOf = reading.status.fileId
    return { handle: this.#lastHandle, isDirect, keepsPages, needsFlush: canWrite }
  }

  #ownership({ userId, groupId }: Caller): Pick<FileStatus, 'owner' | 'group'> {
    const { users } = this.#parts
    return { owner: users.ownerName(userId), group: users.groupName(groupId) }
  }

  #handle(id: number): Handle {
    const handle = this.#handles.get(id)
    if (handle === undefined) throw new ErrnoError('EBADF', `there is no handle ${id}`)
    return handle
  }
}

function beingWritten({ file }: Unfinished): ErrnoError {
  return new ErrnoError('EBUSY', `${file.path} is being written: its writer must close it first`)
}
