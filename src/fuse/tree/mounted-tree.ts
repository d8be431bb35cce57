// Why: the tree of the cluster becomes a tree of the kernel: names, attributes, and what changes
// them. How: each method is one call of the kernel, on nodes (node-table.ts), made of calls of the
// file system. Files that are being written are seen here too (unfinished-files.ts).
import { fileTimeOf, type SetTimes, setTimesOf } from '../../base/attributes/set-times.ts'
import type { Clock } from '../../base/clock.ts'
import { isSkeinError } from '../../base/errors.ts'
import type { FileStatus, FileSystem } from '../../client/file-system.ts'
import { areInOneNamespace } from '../../client/status/namespace-of.ts'
import { ErrnoError } from '../error-numbers.ts'
import { DirectoryStream } from '../files/directory-stream.ts'
import type { SiblingsAhead } from '../files/siblings-ahead.ts'
import type { UnfinishedFiles } from '../files/unfinished-files.ts'
import type { OutagePatience } from '../outage-patience.ts'
import type { NodeAttributes, NodeEntry } from '../protocol/answers.ts'
import type { AttributeRequest } from '../protocol/attribute-request.ts'
import { renameBits } from '../protocol/wire-numbers.ts'
import { isSameVersion, keptStatus, type Node, type NodeStatus, type NodeTable } from './node-table.ts'
import { shownAttributes, type ShownOptions } from './shown-attributes.ts'

/** Who asks, and until when. */
export interface Caller {
  readonly userId: number
  readonly groupId: number
  readonly threadId: number
  readonly signal: AbortSignal
}

export interface MountedTreeParts {
  readonly files: FileSystem
  readonly nodes: NodeTable
  readonly unfinished: UnfinishedFiles
  readonly patience: OutagePatience
  /** Undefined: the cluster is always asked. */
  readonly siblings: Pick<SiblingsAhead, 'seen' | 'look'> | undefined
  readonly shown: ShownOptions
  readonly clock: Pick<Clock, 'monotonicMs' | 'nowMs'>
  readonly onLeftOut: (path: string) => void
}

export interface LookedUp extends NodeEntry {
  /** How old the answer is; undefined: it is new. */
  readonly ageMs?: number
}

export interface ClusterSpace {
  readonly capacityBytes: number
  readonly usedBytes: number
}

const spaceKeptMs = 2000

export class MountedTree {
  readonly #parts: MountedTreeParts
  #space: { readonly value: ClusterSpace; readonly readMs: number } | undefined

  constructor(parts: MountedTreeParts) {
    this.#parts = parts
  }

  /** @throws ErrnoError ESTALE for a node that was forgotten */
  node(id: number): Node {
    const node = this.#parts.nodes.node(id)
    if (node === undefined) throw new ErrnoError('ESTALE', `node ${id} is not known`)
    return node
  }

  /** The kernel holds the node of the answer from then on, if it has one. */
  async lookUp(parentId: number, name: string, { signal }: Pick<Caller, 'signal'>): Promise<LookedUp> {
    const { nodes, unfinished, siblings } = this.#parts
    const parent = this.node(parentId)
    const path = nodes.pathOfChild(parent, name)
    const written = unfinished.at(path)
    if (written !== undefined) return this.entryOf(written.node, unfinished.statusOf(written))
    const seen = siblings?.seen(path)
    if (seen !== undefined)
      return { ...this.entryOf(nodes.see(parent, name, seen.status), seen.status), ageMs: seen.ageMs }
    let status
    try {
      status = await (siblings === undefined
        ? this.#stat(path, signal)
        : this.#parts.patience.run(signal, () => siblings.look(path, signal)))
    } catch (thrown) {
      // A name that the cluster cannot have is a name of nothing.
      if (!isSkeinError(thrown, 'not_found') && !isSkeinError(thrown, 'invalid_argument')) throw thrown
      nodes.remove(parent, name)
      return { nodeId: 0, attributes: undefined }
    }
    const begun = unfinished.at(path)
    if (begun !== undefined) return this.entryOf(begun.node, unfinished.statusOf(begun))
    return this.entryOf(nodes.see(parent, name, status), status)
  }

  /** The entry of a node that the kernel gets to hold. */
  entryOf(node: Node, status: NodeStatus): NodeEntry {
    this.#parts.nodes.hold(node)
    return { nodeId: node.id, attributes: shownAttributes(node.id, status, this.#parts.shown) }
  }

  forget(id: number, lookUps: number): void {
    this.#parts.nodes.forget(id, lookUps)
  }

  async attributes(id: number, { signal }: Pick<Caller, 'signal'>): Promise<NodeAttributes> {
    const node = this.node(id)
    return shownAttributes(id, await this.statusOf(node, signal), this.#parts.shown)
  }

  /**
   * What is known of a node. While a version of a file is open, it is that version.
   * @throws ErrnoError ESTALE when the path has another version: the kernel looks it up again
   */
  async statusOf(node: Node, signal: AbortSignal): Promise<NodeStatus> {
    const { nodes, unfinished } = this.#parts
    const written = unfinished.ofNode(node)
    if (written !== undefined) return unfinished.statusOf(written)
    if (node.kind === 'file' && node.users > 0 && node.status !== undefined) return node.status
    const path = nodes.pathOf(node)
    const status = await this.#stat(path, signal)
    if (node.parent !== undefined && node.status !== undefined && !isSameVersion(node, status)) {
      if (nodes.child(node.parent, node.name) === node) nodes.remove(node.parent, node.name)
      throw new ErrnoError('ESTALE', `${path} was replaced`)
    }
    node.status = keptStatus(status)
    return status
  }

  /** Owner, group, mode and times. */
  async setAttributes(id: number, request: AttributeRequest, { signal }: Pick<Caller, 'signal'>): Promise<void> {
    const { files, nodes, unfinished, patience, shown } = this.#parts
    const node = this.node(id)
    const { mode, userId, groupId } = request
    const times = this.#timesOf(request)
    const changes = {
      ...(mode !== undefined && { mode: mode & 0o7777 }),
      ...(userId !== undefined && { owner: shown.users.ownerName(userId) }),
      ...(groupId !== undefined && { group: shown.users.groupName(groupId) }),
      ...(times !== undefined && { times }),
    }
    if (Object.keys(changes).length === 0) return
    const written = unfinished.ofNode(node)
    if (written !== undefined) {
      Object.assign(written.draft, changes, times !== undefined && { times: { ...written.draft.times, ...times } })
      return
    }
    const path = nodes.pathOf(node)
    await patience.run(signal, () => files.setAttributes(path, { ...changes, signal }))
    if (node.status === undefined) return
    node.status = { ...node.status, ...changes, times: { ...node.status.times, ...times } }
  }

  #timesOf({ modified, accessed }: AttributeRequest): SetTimes | undefined {
    const now = fileTimeOf(this.#parts.clock.nowMs())
    return setTimesOf({
      modified: modified === 'now' ? now : modified,
      accessed: accessed === 'now' ? now : accessed,
    })
  }

  async makeDirectory(parentId: number, name: string, mode: number, caller: Caller): Promise<NodeEntry> {
    const { files, nodes, patience, shown } = this.#parts
    const { signal, userId, groupId } = caller
    const parent = this.node(parentId)
    const path = nodes.pathOfChild(parent, name)
    await patience.run(signal, () => files.makeDirectory(path, { signal }))
    let status = await this.#stat(path, signal)
    const wanted = {
      mode: mode & 0o7777,
      owner: shown.users.ownerName(userId),
      group: shown.users.groupName(groupId),
    }
    if (wanted.mode !== status.mode || wanted.owner !== status.owner || wanted.group !== status.group) {
      await patience.run(signal, () => files.setAttributes(path, { ...wanted, signal }))
      status = { ...status, ...wanted }
    }
    return this.entryOf(nodes.see(parent, name, status), status)
  }

  async removeFile(parentId: number, name: string, { signal }: Caller): Promise<void> {
    const { files, nodes, unfinished, patience } = this.#parts
    const parent = this.node(parentId)
    const path = nodes.pathOfChild(parent, name)
    const written = unfinished.at(path)
    if (written !== undefined) {
      unfinished.remove(written)
      await written.file.discard()
    }
    await patience
      .run(signal, (isAgain) =>
        // A directory that has come to this name meanwhile is not what is removed.
        files.delete(path, { kind: 'file', signal }).catch((thrown: unknown) => {
          const isGone = isSkeinError(thrown, 'not_found') && (isAgain || written !== undefined)
          if (!isGone) throw thrown
        }),
      )
      .finally(() => nodes.remove(parent, name))
  }

  async removeDirectory(parentId: number, name: string, { signal }: Caller): Promise<void> {
    const { files, nodes, unfinished, patience } = this.#parts
    const parent = this.node(parentId)
    const path = nodes.pathOfChild(parent, name)
    if (unfinished.hasBelow(`${path}/`)) throw new ErrnoError('ENOTEMPTY', `${path} has files that are being written`)
    const wasThere = nodes.child(parent, name)?.kind === 'directory'
    try {
      // With the slash: an object of this name that came meanwhile is not what is removed.
      await patience.run(signal, () => files.delete(`${path}/`, { signal }))
    } catch (thrown) {
      // A directory that nobody made is gone with its last file.
      if (!isSkeinError(thrown, 'not_found') || !wasThere) {
        if (isSkeinError(thrown, 'failed_precondition') && thrown.reason !== 'read_only')
          throw new ErrnoError('ENOTEMPTY', thrown.message)
        throw thrown
      }
    }
    nodes.remove(parent, name)
  }

  /** @param flags of rename(2) */
  async rename(
    from: { readonly parentId: number; readonly name: string },
    to: { readonly parentId: number; readonly name: string },
    flags: number,
    { signal }: Caller,
  ): Promise<void> {
    const { files, nodes, unfinished, patience } = this.#parts
    if ((flags & ~renameBits.noReplace) !== 0) throw new ErrnoError('EINVAL', 'files are moved, not exchanged')
    const [parent, newParent] = [this.node(from.parentId), this.node(to.parentId)]
    const [path, newPath] = [nodes.pathOfChild(parent, from.name), nodes.pathOfChild(newParent, to.name)]
    if (!(await patience.run(signal, () => areInOneNamespace(files, [path, newPath], { signal }))))
      throw new ErrnoError('EXDEV', `${path} is not moved to another namespace`)
    if (unfinished.hasBelow(`${path}/`)) throw new ErrnoError('EBUSY', `${path} has files that are being written`)
    await unfinished.at(path)?.file.complete()
    const replaced = unfinished.at(newPath)
    const mayReplace = (flags & renameBits.noReplace) === 0
    const status = await this.#stat(path, signal)
    if (status.kind === 'directory') await this.#makeRoom(newPath, mayReplace, signal)
    await patience.run(signal, async (isAgain) => {
      try {
        await files.rename(path, newPath, {
          ...{ fileId: status.fileId, signal },
          ...(mayReplace && status.kind === 'file' && { ifExists: 'overwrite' as const }),
        })
      } catch (thrown) {
        if (!isAgain || !isSkeinError(thrown, 'not_found')) throw thrown
        await files.stat(newPath, { signal })
      }
    })
    // Not before: a rename that fails takes nothing from whoever writes there.
    if (replaced !== undefined && unfinished.at(newPath) === replaced) {
      unfinished.remove(replaced)
      await replaced.file.discard()
    }
    nodes.move(parent, from.name, newParent, to.name)
  }

  /** A directory may take the place of an empty one. */
  async #makeRoom(path: string, mayReplace: boolean, signal: AbortSignal): Promise<void> {
    const { files, patience } = this.#parts
    const target = await this.#stat(path, signal).catch((thrown: unknown) => {
      if (!isSkeinError(thrown, 'not_found')) throw thrown
    })
    if (target === undefined) return
    if (!mayReplace) throw new ErrnoError('EEXIST', `${path} exists`)
    if (target.kind !== 'directory') throw new ErrnoError('ENOTDIR', `${path} is a file`)
    await patience.run(signal, () =>
      files.delete(`${path}/`, { signal }).catch((thrown: unknown) => {
        if (isSkeinError(thrown, 'failed_precondition') && thrown.reason !== 'read_only')
          throw new ErrnoError('ENOTEMPTY', thrown.message)
        if (!isSkeinError(thrown, 'not_found')) throw thrown
      }),
    )
  }

  openDirectory(id: number, closing: AbortSignal): DirectoryStream {
    const { files, nodes, unfinished, onLeftOut } = this.#parts
    const path = nodes.pathOf(this.node(id))
    return new DirectoryStream({
      list: () => files.list(path, { signal: closing }),
      unfinished: () => unfinished.in(path === '/' ? path : `${path}/`),
      onLeftOut,
    })
  }

  /** The entry of a listed name, which the kernel holds from then on. */
  listed(parentId: number, status: FileStatus): NodeEntry {
    const { nodes, unfinished } = this.#parts
    const parent = this.node(parentId)
    const written = unfinished.at(nodes.pathOfChild(parent, status.name))
    if (written !== undefined) return this.entryOf(written.node, unfinished.statusOf(written))
    return this.entryOf(nodes.see(parent, status.name, status), status)
  }

  async space({ signal }: Pick<Caller, 'signal'>): Promise<ClusterSpace> {
    const { files, clock, patience } = this.#parts
    const known = this.#space
    if (known !== undefined && clock.monotonicMs() - known.readMs < spaceKeptMs) return known.value
    const value = await patience.run(signal, () => files.usage({ signal }))
    this.#space = { value, readMs: clock.monotonicMs() }
    return value
  }

  #stat(path: string, signal: AbortSignal): Promise<FileStatus> {
    const { files, patience } = this.#parts
    return patience.run(signal, () => files.stat(path, { signal }))
  }
}
