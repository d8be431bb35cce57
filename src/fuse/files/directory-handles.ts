// Why: programs list directories through handles, page by page. How: a handle has a stream of the
// listing (directory-stream.ts). A page is filled as far as the kernel has room; entries with
// attributes save it a look-up each. It asks for those at the start of a directory, and further on
// only if programs look at them: so the first page is as long as it can be without waiting much.
import { type Clock, untilAborted } from '../../base/clock.ts'
import { toSkeinError } from '../../base/errors.ts'
import { ErrnoError } from '../error-numbers.ts'
import type { OutagePatience } from '../outage-patience.ts'
import { EntryPage, type KeptTimes, type NodeEntry } from '../protocol/answers.ts'
import type { Caller, MountedTree } from '../tree/mounted-tree.ts'
import { shownNumber } from '../tree/shown-attributes.ts'
import { type DirectoryStream, firstPlace, type PlacedEntry } from './directory-stream.ts'

export interface DirectoryHandlesParts {
  readonly tree: Pick<MountedTree, 'openDirectory' | 'listed' | 'forget' | 'node'>
  readonly patience: OutagePatience
  readonly times: KeptTimes
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly closing: AbortSignal
}

export interface PageRequest {
  readonly nodeId: number
  readonly handle: number
  /** Where the page begins. */
  readonly place: number
  readonly bytes: number
  /** Entries with attributes. */
  readonly isFull: boolean
}

const pageBytesMax = 1024 * 1024
/** For so long a page with attributes gets more entries. */
const fillMs = 100
const nothing: NodeEntry = { nodeId: 0, attributes: undefined }
const noTimes: KeptTimes = { entryMs: 0, attributesMs: 0 }

export class DirectoryHandles {
  readonly #parts: DirectoryHandlesParts
  readonly #streams = new Map<number, DirectoryStream>()
  #lastHandle = 0

  constructor(parts: DirectoryHandlesParts) {
    this.#parts = parts
  }

  get size(): number {
    return this.#streams.size
  }

  open(nodeId: number): number {
    const { tree, closing } = this.#parts
    this.#lastHandle += 1
    this.#streams.set(this.#lastHandle, tree.openDirectory(nodeId, closing))
    return this.#lastHandle
  }

  async page({ nodeId, handle, place, bytes, isFull }: PageRequest, { signal }: Caller): Promise<Uint8Array> {
    const { tree, patience, clock } = this.#parts
    const stream = this.#streams.get(handle)
    if (stream === undefined) throw new ErrnoError('EBADF', `there is no directory handle ${handle}`)
    if (bytes > pageBytesMax) throw new ErrnoError('EINVAL', `a page of ${bytes} bytes`)
    const page = new EntryPage(bytes)
    const directory = tree.node(nodeId)
    for (let at = place; at < firstPlace; at += 1) {
      const [name, node] = at === 0 ? (['.', directory] as const) : (['..', directory.parent ?? directory] as const)
      const inodeNumber = shownNumber({ fileId: node.status?.fileId ?? 0 }, node.id)
      // The kernel looks up neither of the two.
      const looked = isFull ? { looked: { entry: nothing, times: noTimes } } : {}
      if (!page.add({ name, kind: 'directory', inodeNumber }, at + 1, looked.looked)) return page.bytes
    }
    const untilMs = clock.monotonicMs() + (isFull ? fillMs : 0)
    for (let at = Math.max(place, firstPlace); ;) {
      const entries = await patience.run(signal, () => untilAborted(stream.read(at), signal))
      for (const entry of entries) {
        if (!this.#add(page, nodeId, entry, isFull)) return page.bytes
        at = entry.next
      }
      // What is there is given soon: the next page of the listing is another call of the kernel.
      const isTime = page.bytes.length > 0 && clock.monotonicMs() >= untilMs
      if (entries.length === 0 || isTime) return page.bytes
    }
  }

  async release(handle: number): Promise<void> {
    const stream = this.#streams.get(handle)
    this.#streams.delete(handle)
    await stream?.close().catch((thrown: unknown) => toSkeinError(thrown))
  }

  async close(): Promise<void> {
    await Promise.all([...this.#streams.keys()].map((handle) => this.release(handle)))
  }

  #add(page: EntryPage, directoryId: number, { status, seen, next }: PlacedEntry, isFull: boolean): boolean {
    const { tree, times } = this.#parts
    const { name, kind } = status
    const inodeNumber = shownNumber(status, 0)
    if (!isFull) return page.add({ name, kind, inodeNumber }, next)
    if (seen === undefined) return page.add({ name, kind, inodeNumber }, next, { entry: nothing, times: noTimes })
    const looked = tree.listed(directoryId, seen)
    if (
      page.add({ name, kind, inodeNumber: looked.attributes?.inodeNumber ?? inodeNumber }, next, {
        entry: looked,
        times,
      })
    )
      return true
    tree.forget(looked.nodeId, 1)
    return false
  }
}
