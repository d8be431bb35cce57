// Why: whenever an answer of the store comes in, it must not undo what was changed here since the
// store gave it. How: random interleavings of questions, held answers, changes by users (whose
// commands wait for the journal, too) and what others put at the store; the reference is the same
// with every answer taken in at once. Both must know the same files and directories.
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import type { MasterContext } from '../../src/cache-master/master-context.ts'
import { RecentChanges } from '../../src/cache-master/state/recent-changes.ts'
import { StoreSync } from '../../src/cache-master/store/store-sync.ts'
import { apply } from '../../src/meta/apply/apply-meta.ts'
import type { Command } from '../../src/meta/commands/commands.ts'
import { directoryAt, fileAt, namespaceByName } from '../../src/meta/resolve-path.ts'
import { walk } from '../../src/meta/walk.ts'
import { FakeClock, FakeStore } from '../unit/cache-master/support/fakes.ts'
import { createNamespace } from '../unit/meta/support/commands.ts'
import { MemoryTables } from '../unit/meta/support/memory-tables.ts'
import { decidable, step, type Step } from './support/overtaken-steps.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const { signal } = new AbortController()

/**
 * A store whose answer to a question is given when it is asked, and comes in when the test says so;
 * to what is asked again, at once.
 */
class World {
  readonly store = new FakeStore()
  readonly tables = new MemoryTables()
  readonly #sync: StoreSync
  readonly #submit: (command: Command) => Promise<unknown>
  readonly #held: (() => void)[] = []
  readonly #isHeld: boolean
  #holds = false
  #versions = 0
  /** What goes here alone is at the store all the same: who asks meanwhile may be told either. */
  #isForgetting = false
  #commands: (() => void)[] = []

  constructor(isHeld: boolean, plant?: (changes: RecentChanges) => RecentChanges) {
    this.#isHeld = isHeld
    apply(this.tables, createNamespace())
    const log = {
      submit: (command: Command) =>
        new Promise<never>((resolve, reject) => {
          const applied = (): void => {
            const { outcome } = apply(this.tables, structuredClone(command))
            if (outcome.refused === undefined) resolve(outcome as never)
            else reject(new Error(outcome.refused.message))
          }
          this.#commands.push(applied)
          if (!this.#isHeld) this.journal()
        }),
      close: async () => undefined,
      stopped: signal,
    }
    const changes = new RecentChanges(this.tables)
    const watched = changes.watching(log)
    this.#submit = (command) => watched.submit(command).catch(() => undefined)
    const options = { metadataSyncIntervalMs: -1, blockSizeBytesDefault: 4 }
    const stores = { get: async () => this.store }
    const context = {
      tables: this.tables,
      log: watched,
      changes: plant?.(changes) ?? changes,
      stores,
      clock: new FakeClock(),
      options,
    }
    this.#sync = new StoreSync(context as unknown as MasterContext)
    const hold = async (): Promise<void> => {
      if (!this.#holds) return
      this.#holds = false
      await new Promise<void>((resolve) => this.#held.push(resolve))
    }
    this.store.afterList = hold
    this.store.afterStat = hold
  }

  /** What was submitted is durable, and applied. */
  journal(): void {
    for (const applied of this.#commands.splice(0)) applied()
  }

  async do(one: Step): Promise<void> {
    // The next change waits for the one before it; answers may come in between.
    if (one.type !== 'answer' && (one.type !== 'ask' || this.#isForgetting)) this.journal()
    if (one.type !== 'answer') this.#isForgetting = one.type === 'forget' || one.type === 'detach'
    await turn()
    if (one.type === 'ask') await this.#ask(one.how, one.key)
    else if (one.type === 'answer') await this.#answer(one.which)
    else if (one.type === 'put') this.store.put(one.key, { etag: one.etag })
    else if (one.type === 'take') this.store.objects.delete(one.key)
    else if (one.type === 'move') this.#move(one.from, one.to)
    else if (one.type === 'detach') void this.#submit({ type: 'detach', ...this.#at, key: one.key })
    else this.#change(one.type, one.key)
    await turn()
    if (!this.#isHeld) this.journal()
    await turn()
  }

  async end(): Promise<void> {
    while (this.#held.length > 0 || this.#commands.length > 0) {
      this.#held.shift()?.()
      await turn()
      this.journal()
      await turn()
    }
  }

  /** Every file and directory, with what people set. */
  known(): unknown {
    return [...walk(this.tables, this.#rootId, '', undefined)].map(({ key, inodeId }) => {
      const inode = this.tables.inode(inodeId)
      return inode?.kind === 'file' ? [key, inode.length, inode.etag, inode.persisted, inode.pinned] : [key]
    })
  }

  get #rootId(): number {
    return namespaceByName(this.tables, 'ns')?.rootId ?? 0
  }

  get #at(): { atMs: number; namespaceId: string } {
    return { atMs: 1000, namespaceId: 'n1' }
  }

  async #ask(how: 'tree' | 'children' | 'refresh' | 'probe', key: string): Promise<void> {
    const [record] = [...this.tables.namespaces()]
    if (record === undefined) throw new Error('no namespace')
    this.#holds = this.#isHeld
    const asked = {
      tree: () => this.#sync.page(record, key, undefined, 1000, signal),
      children: () => this.#sync.children(record, key, signal),
      refresh: () => this.#sync.refresh(record, key, signal),
      probe: () => this.#sync.probeDirectory(record, key, signal),
    }[how]()
    asked.catch(() => undefined)
    await turn()
    // Nothing was asked, where it is known without.
    this.#holds = false
  }

  async #answer(which: number): Promise<void> {
    const [answer] = this.#held.splice(which % Math.max(1, this.#held.length), 1)
    answer?.()
    await turn()
  }

  #change(type: 'write' | 'persist' | 'remove' | 'forget' | 'free' | 'expire', key: string): void {
    const file = fileAt(this.tables, this.#rootId, key)
    const at = this.#at
    this.#versions += 1
    if (type === 'write') {
      if (file !== undefined || this.store.objects.has(key)) return
      const { outcome } = apply(this.tables, {
        type: 'create_file',
        ...{ ...at, key, blockSizeBytes: 4, requestKey: '', expiresMs: 10 ** 9 },
      })
      const [fileId = 0] = outcome.refused === undefined ? outcome.fileIds : []
      void this.#submit({ type: 'complete_file', atMs: at.atMs, fileId, length: this.#versions })
    } else if (file === undefined) {
      return
    } else if (type === 'persist') {
      if (file.persisted) return
      const etag = `w${this.#versions}`
      this.store.put(key, { length: file.length, etag, modifiedMs: at.atMs })
      void this.#submit({
        type: 'persist_files',
        atMs: at.atMs,
        files: [{ fileId: file.id, etag, modifiedMs: at.atMs }],
      })
      // Pinned, so that it shows when it was lost and found again.
      void this.#submit({ type: 'set_attributes', atMs: at.atMs, inodeIds: [file.id], pinned: true })
    } else if (type === 'free') {
      void this.#submit({ type: 'renew_files', atMs: at.atMs, fileIds: [file.id] })
    } else if (type === 'expire') {
      this.store.objects.delete(key)
      apply(this.tables, { type: 'set_attributes', atMs: 1, inodeIds: [file.id], ttl: { ttlMs: 1, action: 'DELETE' } })
      void this.#submit({ type: 'expire', atMs: at.atMs, inodeIds: [file.id] })
    } else {
      if (type === 'remove') this.store.objects.delete(key)
      void this.#submit({ type: 'remove_entries', ...at, files: [{ key, fileId: file.id }], directories: [] })
    }
  }

  /**
   * As the rename service: what is known of it moves at the store first, if its new name is free.
   */
  #move(from: string, to: string): void {
    const rootId = this.#rootId
    const isFolder = from.endsWith('/')
    const inode = isFolder ? directoryAt(this.tables, rootId, from) : fileAt(this.tables, rootId, from)
    const isTaken = fileAt(this.tables, rootId, to) !== undefined || directoryAt(this.tables, rootId, to) !== undefined
    if (
      inode === undefined ||
      from === to ||
      isTaken ||
      [...this.store.objects.keys()].some((key) => key.startsWith(to))
    )
      return
    for (const [key, object] of [...this.store.objects]) {
      if (key !== from && !(isFolder && key.startsWith(from))) continue
      this.store.objects.delete(key)
      this.store.objects.set(to + key.slice(from.length), { ...object, key: to + key.slice(from.length) })
    }
    void this.#submit({ type: 'rename', ...this.#at, from, to })
  }
}

async function run(
  steps: readonly Step[],
  isHeld: boolean,
  plant?: (changes: RecentChanges) => RecentChanges,
): Promise<World> {
  const world = new World(isHeld, plant)
  // Something is there to begin with, and known.
  for (const key of ['d/a', 'd/b', 'e/a', 'e/f/b']) {
    await world.do({ type: 'write', key })
    await world.do({ type: 'persist', key })
  }
  for (const key of ['y', 'z/c']) world.store.put(key)
  await world.do({ type: 'ask', how: 'tree', key: '' })
  await world.end()
  for (const one of decidable(steps)) await world.do(one)
  await world.end()
  return world
}

async function difference(
  steps: readonly Step[],
  plant?: (changes: RecentChanges) => RecentChanges,
): Promise<[unknown, unknown]> {
  return [(await run(steps, true, plant)).known(), (await run(steps, false)).known()]
}

const property = (plant?: (changes: RecentChanges) => RecentChanges): fc.IAsyncProperty<[Step[]]> =>
  fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
    const [held, reference] = await difference(steps, plant)
    expect(held).toEqual(reference)
  })

/**
 * An object is removed by others while it is looked for; a listing that was asked for later is
 * answered first.
 */
const overtakenByOthers: [Step[]][] = [
  [
    [
      { type: 'put', key: 'g/a', etag: 'v1' },
      { type: 'ask', how: 'refresh', key: 'g/a' },
      { type: 'put', key: 'g/a', etag: 'v2' },
      { type: 'answer', which: 0 },
      { type: 'ask', how: 'tree', key: '' },
      { type: 'answer', which: 0 },
    ],
  ],
  [
    [
      { type: 'put', key: 'g/h/b', etag: 'v1' },
      { type: 'ask', how: 'children', key: '' },
      { type: 'ask', how: 'refresh', key: 'g/a' },
      { type: 'answer', which: 3 },
      { type: 'answer', which: 0 },
      { type: 'move', from: 'd/', to: 'd/' },
    ],
  ],
  [
    [
      { type: 'ask', how: 'probe', key: 'z/' },
      { type: 'take', key: 'z/c' },
      { type: 'ask', how: 'tree', key: '' },
      { type: 'answer', which: 1 },
      { type: 'take', key: 'g/a' },
      { type: 'answer', which: 0 },
      { type: 'move', from: 'd/', to: 'd/' },
      { type: 'move', from: 'd/', to: 'd/' },
    ],
  ],
  [
    [
      { type: 'ask', how: 'probe', key: 'd/' },
      { type: 'ask', how: 'refresh', key: 'z/c' },
      { type: 'take', key: 'z/c' },
      { type: 'ask', how: 'tree', key: '' },
      { type: 'answer', which: 2 },
      { type: 'write', key: 'd/a' },
      { type: 'ask', how: 'refresh', key: 'd/a' },
      { type: 'take', key: 'g/a' },
    ],
  ],
]

it('what is known is what it were if every answer had come in before the changes that followed it', async () => {
  await fc.assert(property(), { numRuns: 2000, examples: overtakenByOthers })
})

it('and would not be if an answer did not know what was changed since', async () => {
  const blind = (changes: RecentChanges): RecentChanges => {
    const begin = changes.begin.bind(changes)
    changes.begin = (record, prefix) => {
      const inquiry = begin(record, prefix)
      inquiry.close()
      return inquiry
    }
    return changes
  }
  expect(await fc.check(property(blind), { numRuns: 2000, endOnFailure: true })).toMatchObject({ failed: true })
})
