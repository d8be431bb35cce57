// Why: kill -9 never tests a sync, because the kernel still writes its pages. This file system
// loses power. How: every file keeps its durable bytes beside the changes since its last sync;
// every directory its durable names beside the changes since syncDirectory. `crash` keeps a random
// subset of both, writes torn at 512 B or 4 KiB, and gives the file system that the next boot sees.
// A file whose name was lost is gone, however well it was synced (POSIX).
import { basename, dirname } from 'node:path'
import type { Random } from '../../../src/base/clock.ts'
import type { JournalFile, JournalFileSystem } from '../../../src/journal/disk/journal-files.ts'

type Change =
  | { readonly kind: 'write'; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly length: number }

interface Node {
  durable: Buffer
  current: Buffer
  unsynced: Change[]
}

type NameChange =
  | { readonly kind: 'link'; readonly name: string; readonly node: Node }
  | { readonly kind: 'unlink'; readonly name: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string; readonly node: Node }

/** Mistakes that the torture must notice. */
export type PlantedBug = 'none' | 'no-sync' | 'no-directory-sync'

export class PowerLoss extends Error {
  readonly code = 'EIO'
}

export class CrashFileSystem implements JournalFileSystem {
  readonly #bug: PlantedBug
  readonly #names = new Map<string, Node>()
  readonly #durableNames = new Map<string, Node>()
  #unsyncedNames: NameChange[] = []
  #operationsLeft = Infinity

  constructor(bug: PlantedBug, names: Iterable<readonly [string, Node]> = []) {
    this.#bug = bug
    for (const [name, node] of names) {
      this.#names.set(name, node)
      this.#durableNames.set(name, node)
    }
  }

  /** The power goes before the operation after the next `operations`. */
  failAfter(operations: number): void {
    this.#operationsLeft = operations
  }

  get down(): boolean {
    return this.#operationsLeft < 0
  }

  /**
   * What the next process finds when only this one was killed: everything, unsynced changes still
   * unsynced.
   */
  restart(): CrashFileSystem {
    this.#operationsLeft = -1
    const next = new CrashFileSystem(this.#bug)
    for (const [name, node] of this.#names) next.#names.set(name, node)
    for (const [name, node] of this.#durableNames) next.#durableNames.set(name, node)
    next.#unsyncedNames = [...this.#unsyncedNames]
    return next
  }

  /** What the next boot finds. */
  crash(random: Random): CrashFileSystem {
    this.#operationsLeft = -1
    const keep = chanceOf(random)
    const names = new Map(this.#durableNames)
    for (const change of this.#unsyncedNames) if (random() < keep) applyName(names, change)
    const sectorBytes = random() < 0.5 ? 512 : 4096
    const after = new Map<Node, Node>()
    for (const node of new Set(names.values())) after.set(node, survivor(node, sectorBytes, random))
    return new CrashFileSystem(
      this.#bug,
      [...names].map(([name, node]) => [name, after.get(node) ?? node] as const),
    )
  }

  async makeDirectory(): Promise<void> {
    await this.#step()
  }

  async names(): Promise<string[]> {
    await this.#step()
    return [...this.#names.keys()]
  }

  async create(path: string): Promise<JournalFile> {
    await this.#step()
    const name = basename(path)
    if (this.#names.has(name)) throw failure('EEXIST')
    const node: Node = { durable: Buffer.alloc(0), current: Buffer.alloc(0), unsynced: [] }
    this.#change({ kind: 'link', name, node })
    return this.#file(node)
  }

  async open(path: string): Promise<JournalFile> {
    await this.#step()
    return this.#file(this.#node(path))
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step()
    if (dirname(from) !== dirname(to)) throw failure('EXDEV')
    this.#change({ kind: 'rename', from: basename(from), to: basename(to), node: this.#node(from) })
  }

  async remove(path: string): Promise<void> {
    await this.#step()
    this.#node(path)
    this.#change({ kind: 'unlink', name: basename(path) })
  }

  async syncDirectory(): Promise<void> {
    await this.#step()
    if (this.#bug === 'no-directory-sync') return
    for (const change of this.#unsyncedNames) applyName(this.#durableNames, change)
    this.#unsyncedNames = []
  }

  async lock(): Promise<() => void> {
    return () => undefined
  }

  #file(node: Node): JournalFile {
    return {
      size: async () => node.current.length,
      readAll: async () => {
        await this.#step()
        return Buffer.from(node.current)
      },
      write: async (bytes, at) => {
        await this.#step()
        const change = { kind: 'write', at, bytes: Buffer.from(bytes) } as const
        node.current = applied(node.current, change)
        node.unsynced.push(change)
      },
      truncate: async (length) => {
        await this.#step()
        const change = { kind: 'truncate', length } as const
        node.current = applied(node.current, change)
        node.unsynced.push(change)
      },
      sync: async () => {
        await this.#step()
        if (this.#bug === 'no-sync') return
        node.durable = node.current
        node.unsynced = []
      },
      close: async () => undefined,
    }
  }

  #change(change: NameChange): void {
    applyName(this.#names, change)
    this.#unsyncedNames.push(change)
  }

  #node(path: string): Node {
    const node = this.#names.get(basename(path))
    if (node === undefined) throw failure('ENOENT')
    return node
  }

  async #step(): Promise<void> {
    this.#operationsLeft -= 1
    if (this.#operationsLeft < 0) throw new PowerLoss('the power is gone')
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/** All, nothing, or any share of what was not synced. */
function chanceOf(random: Random): number {
  const dice = random()
  if (dice < 0.15) return 0
  return dice < 0.3 ? 1 : random()
}

function applyName(names: Map<string, Node>, change: NameChange): void {
  if (change.kind === 'link') names.set(change.name, change.node)
  else if (change.kind === 'unlink') names.delete(change.name)
  else {
    names.delete(change.from)
    names.set(change.to, change.node)
  }
}

function applied(bytes: Buffer, change: Change): Buffer {
  if (change.kind === 'truncate') return Buffer.from(bytes.subarray(0, change.length))
  const out = Buffer.alloc(Math.max(bytes.length, change.at + change.bytes.length))
  bytes.copy(out)
  change.bytes.copy(out, change.at)
  return out
}

function survivor(node: Node, sectorBytes: number, random: Random): Node {
  const keep = chanceOf(random)
  let bytes = node.durable
  for (const change of node.unsynced) {
    if (change.kind === 'truncate') {
      if (random() < keep) bytes = applied(bytes, change)
      continue
    }
    for (let from = 0; from < change.bytes.length;) {
      const sectorEnd = (Math.floor((change.at + from) / sectorBytes) + 1) * sectorBytes
      const to = Math.min(change.bytes.length, sectorEnd - change.at)
      if (random() < keep)
        bytes = applied(bytes, { kind: 'write', at: change.at + from, bytes: change.bytes.subarray(from, to) })
      from = to
    }
    // The length may be on the disk although the bytes are not: zeros.
    if (random() < keep / 4)
      bytes = applied(bytes, { kind: 'write', at: change.at + change.bytes.length, bytes: Buffer.alloc(0) })
  }
  return { durable: bytes, current: bytes, unsynced: [] }
}
