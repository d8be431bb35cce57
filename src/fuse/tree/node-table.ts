// Why: the kernel names files by numbers that it got from a look-up, and keeps pages and attributes
// under them. How: a node of a file is one version of its content. A file that was replaced gets a
// new node at its next look-up, so pages of two versions are never under one number, and the kernel
// may keep the pages of a node for as long as it likes. A node lives while the kernel or an open
// handle holds it, or a node below it does. Pure.
import { assert } from '../../base/assert.ts'
import type { FileStatus } from '../../client/file-system.ts'

export const rootNodeId = 1

/** What a node keeps of the status of a file: a mount may have a million nodes. */
export type NodeStatus = Pick<
  FileStatus,
  'kind' | 'length' | 'fileId' | 'etag' | 'owner' | 'group' | 'mode' | 'modifiedMs' | 'times'
>

export interface Node {
  readonly id: number
  /** Undefined: the root of the mount. */
  parent: Node | undefined
  /** Below its parent. */
  name: string
  readonly kind: 'file' | 'directory'
  /** As it was last seen; undefined for a file that is being written and was never seen. */
  status: NodeStatus | undefined
  /** The version whose pages the kernel may have (fileId). */
  pagesOf: number | undefined
  /** Look-ups that the kernel has not forgotten. */
  lookUps: number
  /** Open handles. */
  users: number
  /** Names below it that have a node, and which one is current; undefined: there is none. */
  children: Map<string, Node> | undefined
  /** Nodes whose parent this is, also those that are not current any more. */
  held: number
}

export class NodeTable {
  readonly root: Node
  readonly #rootPath: string
  readonly #nodes = new Map<number, Node>()
  #lastId = rootNodeId

  /** @param rootPath the path of the cluster that is mounted, without a `/` at its end */
  constructor(rootPath: string) {
    this.#rootPath = rootPath.replace(/\/$/, '')
    this.root = newNode(rootNodeId, undefined, '', 'directory')
    this.root.lookUps = 1
    this.#nodes.set(rootNodeId, this.root)
  }

  get size(): number {
    return this.#nodes.size
  }

  node(id: number): Node | undefined {
    return this.#nodes.get(id)
  }

  pathOf(node: Node): string {
    if (node.parent === undefined) return this.#rootPath === '' ? '/' : this.#rootPath
    return `${this.pathBelow(node.parent)}${node.name}`
  }

  /** The path of a name below a directory. */
  pathOfChild(parent: Node, name: string): string {
    return `${this.pathBelow(parent)}${name}`
  }

  pathBelow(directory: Node): string {
    const names: string[] = []
    for (let at = directory; at.parent !== undefined; at = at.parent) names.push(at.name)
    return `${[this.#rootPath, ...names.toReversed()].join('/')}/`
  }

  /** The current node of a name. */
  child(parent: Node, name: string): Node | undefined {
    return parent.children?.get(name)
  }

  /** The node of what was seen at a name: the known one if it is the same version. */
  see(parent: Node, name: string, status: FileStatus): Node {
    const known = parent.children?.get(name)
    if (known !== undefined && isSameVersion(known, status)) {
      known.status = keptStatus(status)
      return known
    }
    const node = this.#add(parent, name, status.kind)
    node.status = keptStatus(status)
    return node
  }

  /** The node of a file that does not exist yet. */
  begin(parent: Node, name: string): Node {
    return this.#add(parent, name, 'file')
  }

  /** A look-up was answered with this node. */
  hold(node: Node): void {
    node.lookUps += 1
  }

  forget(id: number, lookUps: number): void {
    const node = this.#nodes.get(id)
    if (node === undefined || node.parent === undefined) return
    node.lookUps = Math.max(0, node.lookUps - lookUps)
    this.#drop(node)
  }

  use(node: Node): void {
    node.users += 1
  }

  leave(node: Node): void {
    assert(node.users > 0, 'a node is left by who uses it')
    node.users -= 1
    this.#drop(node)
  }

  /** The name is gone. Handles and the kernel may hold the node for longer. */
  remove(parent: Node, name: string): void {
    const node = parent.children?.get(name)
    parent.children?.delete(name)
    if (node !== undefined) this.#drop(node)
  }

  /** What was there is replaced. */
  move(parent: Node, name: string, newParent: Node, newName: string): void {
    const node = parent.children?.get(name)
    this.remove(newParent, newName)
    if (node === undefined) return
    parent.children?.delete(name)
    newParent.held += 1
    node.parent = newParent
    node.name = newName
    childrenOf(newParent).set(newName, node)
    parent.held -= 1
    this.#drop(parent)
  }

  #add(parent: Node, name: string, kind: Node['kind']): Node {
    this.#lastId += 1
    const node = newNode(this.#lastId, parent, name, kind)
    parent.held += 1
    this.remove(parent, name)
    childrenOf(parent).set(name, node)
    this.#nodes.set(node.id, node)
    return node
  }

  /** Drops a node that nobody holds, and then its parents. */
  #drop(node: Node): void {
    for (let at: Node | undefined = node; at !== undefined;) {
      const { parent }: Node = at
      if (parent === undefined || at.lookUps > 0 || at.users > 0 || at.held > 0 || !this.#nodes.has(at.id)) return
      this.#nodes.delete(at.id)
      if (parent.children?.get(at.name) === at) parent.children.delete(at.name)
      parent.held -= 1
      at = parent
    }
  }
}

/**
 * Whether a node shows the same bytes. A file whose cached copy was freed has another id, and the
 * same version at its store.
 */
export function isSameVersion({ kind, status }: Pick<Node, 'kind' | 'status'>, now: NodeStatus): boolean {
  if (kind !== now.kind || status === undefined) return false
  if (kind === 'directory' || status.fileId === now.fileId) return true
  return status.etag !== '' && status.etag === now.etag && status.length === now.length
}

function newNode(id: number, parent: Node | undefined, name: string, kind: Node['kind']): Node {
  return {
    id,
    parent,
    name,
    kind,
    status: undefined,
    pagesOf: undefined,
    lookUps: 0,
    users: 0,
    children: undefined,
    held: 0,
  }
}

function childrenOf(directory: Node): Map<string, Node> {
  directory.children ??= new Map()
  return directory.children
}

export function keptStatus({ times, ...status }: NodeStatus): NodeStatus {
  const { kind, length, fileId, etag, owner, group, mode, modifiedMs } = status
  const kept = { kind, length, fileId, etag, owner, group, mode, modifiedMs }
  return times === undefined ? kept : { ...kept, times }
}
