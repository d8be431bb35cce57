// Why: answers to the kernel in its structures. How: each function returns the bytes behind the
// header of an answer (include/uapi/linux/fuse.h). Pure.
import { type FileTime, nanosecondsPerMs } from '../../base/attributes/set-times.ts'
import { fileTypes } from './wire-numbers.ts'

/** What `stat(2)` shows. */
export interface NodeAttributes {
  readonly inodeNumber: number
  readonly kind: 'file' | 'directory'
  /** Permission bits. */
  readonly mode: number
  readonly sizeBytes: number
  readonly accessed: FileTime
  readonly modified: FileTime
  /** When the attributes or the content changed. */
  readonly changed: FileTime
  readonly userId: number
  readonly groupId: number
  /** What programs should read at a time. */
  readonly preferredBytes: number
}

/** A name that was looked up. */
export interface NodeEntry {
  /** 0: there is no such name, and the kernel may remember it. */
  readonly nodeId: number
  readonly attributes: NodeAttributes | undefined
}

/** For how long the kernel may answer by itself. */
export interface KeptTimes {
  readonly entryMs: number
  readonly attributesMs: number
}

export interface DirectoryEntry {
  readonly name: string
  readonly inodeNumber: number
  readonly kind: 'file' | 'directory'
}

const entryBytes = 128
const attributeBytes = 88
const entryHeadBytes = 24
const unitBytes = 512
const spaceUnitBytes = 4096
const nameBytesMax = 1024

export function entryAnswer(entry: NodeEntry, times: KeptTimes): Buffer {
  const bytes = Buffer.alloc(entryBytes)
  putEntry(bytes, 0, entry, times)
  return bytes
}

export function attributesAnswer(attributes: NodeAttributes, { attributesMs }: KeptTimes): Buffer {
  const bytes = Buffer.alloc(16 + attributeBytes)
  putTime(bytes, 0, 8, attributesMs)
  putAttributes(bytes, 16, attributes)
  return bytes
}

/** @param flags of openBits */
export function openAnswer(handle: number, flags: number): Buffer {
  const bytes = Buffer.alloc(16)
  putWide(bytes, 0, handle)
  bytes.writeUInt32LE(flags, 8)
  return bytes
}

export function createAnswer(entry: NodeEntry, times: KeptTimes, handle: number, flags: number): Buffer {
  return Buffer.concat([entryAnswer(entry, times), openAnswer(handle, flags)])
}

export function writeAnswer(written: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(written, 0)
  return bytes
}

export function spaceAnswer({ capacityBytes, usedBytes }: { capacityBytes: number; usedBytes: number }): Buffer {
  const bytes = Buffer.alloc(80)
  const free = Math.floor(Math.max(0, capacityBytes - usedBytes) / spaceUnitBytes)
  putWide(bytes, 0, Math.floor(capacityBytes / spaceUnitBytes))
  putWide(bytes, 8, free)
  putWide(bytes, 16, free)
  bytes.writeUInt32LE(spaceUnitBytes, 40)
  bytes.writeUInt32LE(nameBytesMax, 44)
  bytes.writeUInt32LE(spaceUnitBytes, 48)
  return bytes
}

/** The page of a listing, as large as the kernel asked for. */
export class EntryPage {
  readonly #bytes: Buffer
  #length = 0

  constructor(bytesMax: number) {
    this.#bytes = Buffer.alloc(bytesMax)
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /**
   * Adds an entry.
   * @param next where the listing goes on behind it
   * @param looked with attributes; the kernel then holds its node
   * @returns false when there is no room for it
   */
  add(entry: DirectoryEntry, next: number, looked?: { readonly entry: NodeEntry; readonly times: KeptTimes }): boolean {
    const name = Buffer.from(entry.name)
    const head = looked === undefined ? 0 : entryBytes
    const length = Math.ceil((head + entryHeadBytes + name.length) / 8) * 8
    if (this.#length + length > this.#bytes.length) return false
    if (looked !== undefined) putEntry(this.#bytes, this.#length, looked.entry, looked.times)
    const at = this.#length + head
    putWide(this.#bytes, at, entry.inodeNumber)
    putWide(this.#bytes, at + 8, next)
    this.#bytes.writeUInt32LE(name.length, at + 16)
    this.#bytes.writeUInt32LE(fileTypes[entry.kind].entry, at + 20)
    name.copy(this.#bytes, at + entryHeadBytes)
    this.#length += length
    return true
  }
}

/** Whether a name can be in a listing. */
export function isListable(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name) && Buffer.byteLength(name) <= nameBytesMax
}

function putEntry(bytes: Buffer, at: number, { nodeId, attributes }: NodeEntry, times: KeptTimes): void {
  putWide(bytes, at, nodeId)
  putTime(bytes, at + 16, at + 32, times.entryMs)
  putTime(bytes, at + 24, at + 36, times.attributesMs)
  if (attributes !== undefined) putAttributes(bytes, at + 40, attributes)
}

function putAttributes(bytes: Buffer, at: number, attributes: NodeAttributes): void {
  const { inodeNumber, kind, mode, sizeBytes, userId, groupId, preferredBytes } = attributes
  const { accessed, modified, changed } = attributes
  putWide(bytes, at, inodeNumber)
  putWide(bytes, at + 8, sizeBytes)
  putWide(bytes, at + 16, Math.ceil(sizeBytes / unitBytes))
  putFileTime(bytes, at + 24, at + 48, accessed)
  putFileTime(bytes, at + 32, at + 52, modified)
  putFileTime(bytes, at + 40, at + 56, changed)
  bytes.writeUInt32LE((fileTypes[kind].mode | mode) >>> 0, at + 60)
  bytes.writeUInt32LE(kind === 'file' ? 1 : 2, at + 64)
  bytes.writeUInt32LE(userId, at + 68)
  bytes.writeUInt32LE(groupId, at + 72)
  bytes.writeUInt32LE(preferredBytes, at + 80)
}

function putFileTime(bytes: Buffer, secondsAt: number, nanosecondsAt: number, { ms, ns }: FileTime): void {
  const seconds = Math.floor(ms / 1000)
  bytes.writeUInt32LE(seconds - Math.floor(seconds / 2 ** 32) * 2 ** 32, secondsAt)
  bytes.writeInt32LE(Math.floor(seconds / 2 ** 32), secondsAt + 4)
  bytes.writeUInt32LE((ms - seconds * 1000) * nanosecondsPerMs + ns, nanosecondsAt)
}

/** Seconds at one place, the nanoseconds beside them at another. */
function putTime(bytes: Buffer, secondsAt: number, nanosecondsAt: number, ms: number): void {
  putWide(bytes, secondsAt, Math.floor(ms / 1000))
  bytes.writeUInt32LE(Math.round((ms % 1000) * 1e6) % 1e9, nanosecondsAt)
}

function putWide(bytes: Buffer, at: number, value: number): void {
  bytes.writeUInt32LE(value % 2 ** 32, at)
  bytes.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4)
}
