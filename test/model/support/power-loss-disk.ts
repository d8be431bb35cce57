// Why: LMDB needs real files, and a test of power losses needs to know which of them are durable.
// How: a directory on the disk, and beside it what a loss of power would leave: contents as of
// their last sync, names as of the directory's, each unsynced change of a name kept or lost by
// chance. LMDB's own file is never durable, unless the test says so.
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Random } from '../../../src/base/clock.ts'
import { diskFileSystem, type JournalFile, type JournalFileSystem } from '../../../src/journal/disk/journal-files.ts'

export type DiskBug = 'no-sync' | 'no-directory-sync'

export class PowerLossDisk implements JournalFileSystem {
  readonly #directory: string
  readonly #random: Random
  readonly #bug: DiskBug | undefined
  /** By name; undefined where the content was never synced. */
  #durable = new Map<string, Buffer | undefined>()
  readonly #synced = new Map<string, Buffer>()
  #isOff = false

  constructor(directory: string, random: Random, bug?: DiskBug) {
    this.#directory = directory
    this.#random = random
    this.#bug = bug
  }

  /** The process ends here: nothing more gets to the disk through this. */
  off(): void {
    this.#isOff = true
  }
  on(): void {
    this.#isOff = false
  }
  /** LMDB has synced this file by itself. */
  async noteSynced(name: string): Promise<void> {
    this.#synced.set(name, await readFile(join(this.#directory, name)))
    if (this.#durable.has(name)) this.#durable.set(name, this.#synced.get(name))
  }
  /** Leaves what would be left; no file may be open. */
  async losePower(): Promise<void> {
    const now = new Set(await readdir(this.#directory))
    const left = new Map<string, Buffer | undefined>()
    for (const name of new Set([...now, ...this.#durable.keys()])) {
      if (this.#random() < 0.5 && this.#durable.has(name)) left.set(name, this.#durable.get(name))
      else if (this.#random() < 0.5 && now.has(name)) left.set(name, this.#synced.get(name))
      else if (this.#durable.has(name)) left.set(name, this.#durable.get(name))
    }
    for (const name of now) await rm(join(this.#directory, name))
    for (const [name, content] of left) await writeFile(join(this.#directory, name), content ?? this.#torn(name))
    this.#synced.clear()
    for (const [name, content] of left) if (content !== undefined) this.#synced.set(name, content)
    this.#durable = left
  }

  makeDirectory(path: string): Promise<void> {
    return diskFileSystem.makeDirectory(path)
  }
  names(directory: string): Promise<string[]> {
    return diskFileSystem.names(directory)
  }
  async create(path: string): Promise<JournalFile> {
    this.#check()
    this.#synced.delete(basename(path))
    return this.#file(path, await diskFileSystem.create(path))
  }
  async open(path: string): Promise<JournalFile> {
    return this.#file(path, await diskFileSystem.open(path))
  }
  async rename(from: string, to: string): Promise<void> {
    this.#check()
    await diskFileSystem.rename(from, to)
    const content = this.#synced.get(basename(from))
    this.#synced.delete(basename(from))
    if (content === undefined) this.#synced.delete(basename(to))
    else this.#synced.set(basename(to), content)
  }
  async remove(path: string): Promise<void> {
    this.#check()
    await diskFileSystem.remove(path)
    this.#synced.delete(basename(path))
  }
  async syncDirectory(path: string): Promise<void> {
    this.#check()
    if (path !== this.#directory || this.#bug === 'no-directory-sync') return
    this.#durable = new Map((await readdir(path)).map((name) => [name, this.#synced.get(name)]))
  }
  lock(directory: string): Promise<() => void> {
    return diskFileSystem.lock(directory)
  }

  #file(path: string, file: JournalFile): JournalFile {
    return {
      size: () => file.size(),
      readAll: () => file.readAll(),
      write: (bytes, position) => file.write(bytes, position),
      truncate: (length) => file.truncate(length),
      sync: async () => {
        this.#check()
        if (dirname(path) === this.#directory && this.#bug !== 'no-sync')
          this.#synced.set(basename(path), await readFile(path))
      },
      close: () => file.close(),
    }
  }
  /**
   * LMDB's file as rubbish that ends the process when it is opened (with a planted mistake, which
   * may open it, it is empty); others lose everything that was not synced.
   */
  #torn(name: string): Buffer {
    return name === 'data.mdb' && this.#bug === undefined
      ? Buffer.alloc(Math.floor(this.#random() * 100_000), 7)
      : Buffer.alloc(0)
  }
  #check(): void {
    if (this.#isOff) throw new Error('the power is off')
  }
}
