// Why: the master under test gets a clock that stands still, a store and a journal in memory.
import { once } from 'node:events'
import { SkeinError } from '../../../../src/base/errors.ts'
import type { Clock } from '../../../../src/base/clock.ts'
import type { Journal, JournalEntry, Term } from '../../../../src/journal/journal.ts'
import { compareKeys } from '../../../../src/meta/edge-order.ts'
import type {
  ListPage,
  ListRequest,
  ObjectInfo,
  ReplacingVersions,
  UnderFileSystem,
} from '../../../../src/ufs/under-file-system.ts'

export class FakeClock implements Clock {
  now = 1_700_000_000_000
  nowMs(): number {
    return this.now
  }
  monotonicMs(): number {
    return this.now
  }
  async sleep(_ms: number, signal: AbortSignal): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    if (signal.aborted) throw new SkeinError('cancelled', 'stopped')
  }
  /** What was scheduled and not cancelled; tests run it when its time has come for them. */
  readonly scheduled = new Map<number, () => void>()
  schedule(ms: number, task: () => void): () => void {
    this.scheduled.set(ms, task)
    return () => void this.scheduled.delete(ms)
  }
}

export class FakeStore implements UnderFileSystem {
  readonly objects = new Map<string, ObjectInfo>()
  readonly counters = { readBytes: 0, readRequests: 0 }
  lists = 0
  stats = 0
  closed = 0
  failure: Error | undefined
  /** Called after a listing was answered and before its caller has it. */
  afterList: (() => Promise<void>) | undefined
  /**
   * What a listing says of the objects, where that is not what they are; undefined: it leaves it
   * out.
   */
  listed: ((object: ObjectInfo) => ObjectInfo | undefined) | undefined
  /** The same of one object. */
  afterStat: (() => Promise<void>) | undefined

  put(key: string, fields: Partial<ObjectInfo> = {}): void {
    this.objects.set(key, { key, length: 10, etag: 'v1', modifiedMs: 1000, storageClass: 'STANDARD', ...fields })
  }
  /** Answers nothing until the caller gives up. */
  silent = false
  async check(signal: AbortSignal): Promise<void> {
    if (this.silent) await once(signal, 'abort')
    if (signal.aborted) throw new SkeinError('cancelled', 'stopped')
    if (this.failure !== undefined) throw this.failure
  }
  async stat(key: string): Promise<ObjectInfo> {
    this.stats += 1
    if (this.failure !== undefined) throw this.failure
    const found = this.objects.get(key)
    await this.afterStat?.()
    if (found === undefined) throw new SkeinError('not_found', `${key} is not there`)
    return found
  }
  async list({ prefix, delimiter, after, limit }: ListRequest, signal?: AbortSignal): Promise<ListPage> {
    this.lists += 1
    if (this.silent && signal !== undefined) {
      if (!signal.aborted) await once(signal, 'abort')
      throw new SkeinError('cancelled', 'stopped')
    }
    if (this.failure !== undefined) throw this.failure
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix)).sort(compareKeys)
    const objects: ObjectInfo[] = []
    const prefixes: string[] = []
    let last = after?.key
    let next: ListPage['next']
    for (const key of keys) {
      if (
        after !== undefined &&
        (compareKeys(key, after.key) <= 0 ||
          (delimiter !== undefined && after.key.endsWith('/') && after.key !== prefix && key.startsWith(after.key)))
      )
        continue
      const slash = delimiter === undefined ? -1 : key.indexOf('/', prefix.length)
      const folded = slash < 0 ? undefined : key.slice(0, slash + 1)
      if (folded !== undefined && prefixes.at(-1) === folded) continue
      if (objects.length + prefixes.length >= limit) {
        next = { key: last ?? '', token: undefined }
        break
      }
      if (folded === undefined) objects.push(this.objects.get(key) as ObjectInfo)
      else prefixes.push(folded)
      last = folded ?? key
    }
    await this.afterList?.()
    const { listed } = this
    return {
      objects: listed === undefined ? objects : objects.flatMap((object) => listed(object) ?? []),
      prefixes,
      next,
    }
  }
  // eslint-disable-next-line require-yield
  async *read(): AsyncGenerator<Uint8Array> {
    throw new SkeinError('unimplemented', 'metadata only')
  }
  async readWhole(): Promise<Uint8Array> {
    throw new SkeinError('unimplemented', 'metadata only')
  }
  async write(): Promise<ObjectInfo> {
    throw new SkeinError('unimplemented', 'metadata only')
  }
  async beginUpload(): Promise<never> {
    throw new SkeinError('unimplemented', 'metadata only')
  }
  async delete(key: string, _signal: AbortSignal, etag?: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    const there = this.objects.get(key)
    if (etag !== undefined && there !== undefined && there.etag !== etag)
      throw new SkeinError('aborted', `${key} is another version`, { reason: 'object_changed', retryable: false })
    this.objects.delete(key)
  }
  async copy(from: string, to: string): Promise<ObjectInfo> {
    const copied = { ...(await this.stat(from)), key: to }
    this.objects.set(to, copied)
    return copied
  }
  async rename(from: string, to: string, etag: string): Promise<ObjectInfo> {
    if (this.failure !== undefined) throw this.failure
    const [source, there] = [this.objects.get(from), this.objects.get(to)]
    if (source === undefined && there?.etag === etag) return there
    if (source === undefined) throw new SkeinError('not_found', `${from} is not there`)
    if (source.etag !== etag)
      throw new SkeinError('aborted', `${from} is another version`, { reason: 'object_changed', retryable: false })
    if (from === to) return source
    const isCopy = there?.etag === etag && there.length === source.length
    if (there !== undefined && !isCopy)
      throw new SkeinError('already_exists', `${to} is there`, { reason: 'object_exists' })
    const moved = { ...source, key: to }
    this.objects.set(to, moved)
    this.objects.delete(from)
    return moved
  }
  async renameOver(from: string, to: string, { etag, replaces }: ReplacingVersions): Promise<ObjectInfo> {
    if (this.failure !== undefined) throw this.failure
    const [source, there] = [this.objects.get(from), this.objects.get(to)]
    if (source === undefined || there === undefined) return await this.rename(from, to, etag)
    if (source.etag !== etag || there.etag !== replaces)
      throw new SkeinError('aborted', 'another version', { reason: 'object_changed', retryable: false })
    const moved = { ...source, key: to }
    this.objects.set(to, moved)
    this.objects.delete(from)
    return moved
  }
  async close(): Promise<void> {
    this.closed += 1
  }
}

/** Outlives the masters that use it, as a directory would. */
export class MemoryJournal implements Journal {
  entries: JournalEntry[] = []
  truncatedTo = 0n
  answer: 'ok' | 'fenced' | 'unknown' = 'ok'
  #last = 0n

  async campaign(): Promise<Term> {
    return { epoch: 1n, signal: new AbortController().signal, leaseLeftMs: () => Number.POSITIVE_INFINITY }
  }
  async append(_term: Term, seq: bigint, bytes: Uint8Array): Promise<'ok' | 'fenced' | 'unknown'> {
    if (this.answer !== 'ok') return this.answer
    if (seq !== this.#last + 1n) throw new Error(`append of ${seq} after ${this.#last}`)
    this.#last = seq
    this.entries.push({ seq, epoch: 1n, bytes })
    await new Promise((resolve) => setImmediate(resolve))
    return 'ok'
  }
  async *read(from: bigint): AsyncGenerator<JournalEntry> {
    for (const entry of this.entries) if (entry.seq >= from) yield entry
  }
  async barrier(): Promise<bigint> {
    return this.#last
  }
  async truncate(_term: Term, upTo: bigint): Promise<void> {
    this.truncatedTo = upTo
    this.entries = this.entries.filter((entry) => entry.seq > upTo)
  }
  async close(): Promise<void> {}
}
