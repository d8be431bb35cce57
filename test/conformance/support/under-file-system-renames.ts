// Why: a rename moves one version and replaces nothing, on every kind of store, whoever writes
// there at the same time. How: what others do is put right behind, or right before, one of the
// rename's own looks at the store.
import { expect, it } from 'vitest'
import { isSkeinError } from '../../../src/base/errors.ts'
import type { ObjectInfo, UnderFileSystem } from '../../../src/ufs/under-file-system.ts'
import { testBytes } from './under-file-system-suite.ts'

export interface RenameUnderTest {
  readonly store: UnderFileSystem
  /** Leaves what a rename leaves that ends between its steps: both names. */
  readonly halfRename?: (from: string, to: string) => Promise<void>
  /** It copies first, and looks at the source again before the delete. */
  readonly renamesByCopy?: boolean
  /** It ignores If-None-Match in copies: who comes in the last moment is not noticed. */
  readonly copiesWithoutCondition?: boolean
}

export interface RenameCases {
  readonly made: () => RenameUnderTest
  readonly write: (
    key: string,
    bytes: Uint8Array,
    options?: { overwrite?: boolean; partBytes?: number },
  ) => Promise<ObjectInfo>
  readonly expectContent: (key: string, bytes: Buffer) => Promise<void>
  readonly keysOf: () => Promise<string[]>
}

type Act = () => Promise<unknown>

/** Does something at the `nth` look at a key. */
async function atLook(
  store: UnderFileSystem,
  key: string,
  nth: number,
  when: 'before' | 'after',
  act: Act,
  rename: Act,
): Promise<number> {
  const stat = store.stat.bind(store)
  let looks = 0
  store.stat = async (looked, signal) => {
    const isTheOne = looked === key && (looks += 1) === nth
    if (isTheOne && when === 'before') await act()
    const answer = stat(looked, signal)
    if (!isTheOne || when === 'before') return answer
    await answer.catch(() => undefined)
    await act()
    return answer
  }
  try {
    await rename()
    return looks
  } finally {
    store.stat = stat
  }
}

/**
 * A rename that replaces one version, as renameCases. @param racesReplacements the store has no
 * condition for that: who comes in the last moment is not noticed
 */
export function replacingCases(
  { made, write, expectContent, keysOf }: RenameCases,
  racesReplacements: () => boolean,
): void {
  const signal = new AbortController().signal
  const changed = { code: 'aborted', reason: 'object_changed' }
  const [mine, old, theirs] = [41, 42, 43].map((seed) => testBytes(seed, 300_000)) as [Buffer, Buffer, Buffer]

  it.each([0, 1000, 6 * 1024 * 1024])('takes the place of exactly one version (%i bytes)', async (length) => {
    const { store } = made()
    const bytes = testBytes(44, length)
    const { etag: replaces } = await write('d/to', old)
    const { etag } = await write('e/from', bytes, { partBytes: 1 })
    const moved = await store.renameOver('e/from', 'd/to', { etag, replaces }, signal)
    expect(moved).toEqual(await store.stat('d/to', signal))
    expect(await keysOf()).toEqual(['d/to'])
    await expectContent('d/to', bytes)
  })

  it('replaces and moves nothing when either is another version', async () => {
    const { store } = made()
    const { etag: replaces } = await write('to', old)
    const { etag } = await write('from', mine)
    const none = async (asked: { etag: string; replaces: string }): Promise<void> => {
      await expect(store.renameOver('from', 'to', asked, signal)).rejects.toMatchObject(changed)
      await expectContent('from', mine)
      await expectContent('to', old)
    }
    await none({ etag: replaces, replaces })
    await none({ etag, replaces: 'other' })
    await expect(store.renameOver('nothing', 'to', { etag, replaces }, signal)).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  it('moves to a free name, and stays where it is when it is its own target', async () => {
    const { store } = made()
    const { etag } = await write('from', mine)
    await store.renameOver('from', 'from', { etag, replaces: etag }, signal)
    const moved = await store.renameOver('from', 'to', { etag, replaces: 'gone' }, signal)
    expect(moved.key).toBe('to')
    expect(await keysOf()).toEqual(['to'])
  })

  it('does not replace what comes to the target in the last moment', async () => {
    const { store, copiesWithoutCondition } = made()
    if (racesReplacements() || copiesWithoutCondition === true) return
    const { etag: replaces } = await write('to', old)
    const { etag } = await write('from', mine)
    const rename = (): Promise<void> =>
      expect(store.renameOver('from', 'to', { etag, replaces }, signal)).rejects.toMatchObject(changed)
    expect(await atLook(store, 'to', 1, 'after', () => write('to', theirs), rename)).toBeGreaterThan(0)
    await expectContent('from', mine)
    await expectContent('to', theirs)
  })

  it('leaves what another client writes at the source after it was copied', async () => {
    const { store, renamesByCopy } = made()
    if (renamesByCopy !== true) return
    const { etag: replaces } = await write('to', old)
    const { etag } = await write('from', mine)
    const rename = () => store.renameOver('from', 'to', { etag, replaces }, signal)
    expect(await atLook(store, 'from', 2, 'before', () => write('from', theirs), rename)).toBeGreaterThan(1)
    await expectContent('to', mine)
    await expectContent('from', theirs)
  })

  it('goes on where an earlier call was cut off', async () => {
    const { store, halfRename } = made()
    const { etag: replaces } = await write('to', old)
    const { etag } = await write('from', mine)
    if (halfRename === undefined) await store.copy('from', 'to', signal)
    else {
      await store.delete('to', signal)
      await halfRename('from', 'to')
    }
    await store.renameOver('from', 'to', { etag, replaces }, signal)
    expect(await keysOf()).toEqual(['to'])
    await expectContent('to', mine)
  })
}

export function renameCases({ made, write, expectContent, keysOf }: RenameCases): void {
  const signal = new AbortController().signal
  const [mine, theirs] = [testBytes(21, 6 * 1024 * 1024), testBytes(22, 6 * 1024 * 1024)]
  const changed = { code: 'aborted', reason: 'object_changed' }

  it.each([1000, 6 * 1024 * 1024])(
    'moves no other version than the one that was asked for (%i bytes)',
    async (length) => {
      const [first, second] = [testBytes(23, length), testBytes(24, length)]
      const { etag } = await write('from', first, { partBytes: 1 })
      await write('from', second, { partBytes: 1 })
      await expect(made().store.rename('from', 'to', etag, signal)).rejects.toMatchObject(changed)
      await expect(made().store.rename('from', 'from', etag, signal)).rejects.toMatchObject(changed)
      await expect(made().store.rename('from', 'to', '', signal)).rejects.toMatchObject(changed)
      expect(await keysOf()).toEqual(['from'])
      await expectContent('from', second)
    },
  )

  it.each([1000, 6 * 1024 * 1024])('never replaces an object (%i bytes)', async (length) => {
    const [source, target] = [testBytes(25, length), testBytes(26, length)]
    const { etag } = await write('from', source, { partBytes: 1 })
    await write('to', target, { partBytes: 1 })
    await expect(made().store.rename('from', 'to', etag, signal)).rejects.toMatchObject({ code: 'already_exists' })
    await expectContent('from', source)
    await expectContent('to', target)
  })

  it('does not replace what comes to the target in the last moment', async () => {
    const { store, copiesWithoutCondition } = made()
    const { etag } = await write('from', mine)
    const rename = (): Promise<void> =>
      expect(store.rename('from', 'to', etag, signal)).rejects.toMatchObject({ code: 'already_exists' })
    const when = copiesWithoutCondition === true ? 'before' : 'after'
    // A file system needs no look at the target: then right behind the one at the source.
    const key = made().renamesByCopy === true ? 'to' : 'from'
    expect(await atLook(store, key, 1, when, () => write('to', theirs), rename)).toBeGreaterThan(0)
    await expectContent('from', mine)
    await expectContent('to', theirs)
  })

  it('moves nothing of a source that is written in between, and keeps what was written', async () => {
    const { store, renamesByCopy } = made()
    const places = [[1, 'after'] as const, ...(renamesByCopy === true ? [[2, 'before'] as const] : [])]
    for (const [nth, when] of places) {
      const { etag } = await write('from', mine)
      const rename = (): Promise<void> =>
        expect(store.rename('from', 'to', etag, signal)).rejects.toMatchObject(changed)
      expect(await atLook(store, 'from', nth, when, () => write('from', theirs), rename)).toBeGreaterThanOrEqual(nth)
      expect(await keysOf(), `${when} look ${nth}`).toEqual(['from'])
      await expectContent('from', theirs)
    }
  })

  it.each([0, 1000, 6 * 1024 * 1024])(
    'goes on where an earlier call was cut off, and once more after its end (%i bytes)',
    async (length) => {
      const { store, halfRename } = made()
      const bytes = testBytes(27, length)
      const { etag } = await write('from', bytes)
      await (halfRename === undefined ? store.copy('from', 'to', signal) : halfRename('from', 'to'))
      const moved = await store.rename('from', 'to', etag, signal)
      expect(moved).toEqual(await store.stat('to', signal))
      expect(await keysOf()).toEqual(['to'])
      expect(await store.rename('from', 'to', etag, signal)).toEqual(moved)
      await expectContent('to', bytes)
    },
  )

  it('leaves one of two racing renames to a name, and the other source as it was', async () => {
    const { store, copiesWithoutCondition } = made()
    if (copiesWithoutCondition === true) return
    const contents = [31, 32, 33, 34].map((seed) => testBytes(seed, 1000))
    const written = await Promise.all(contents.map((bytes, index) => write(`from${index}`, bytes)))
    const results = await Promise.allSettled(written.map(({ key, etag }) => store.rename(key, 'to', etag, signal)))
    const winner = results.findIndex(({ status }) => status === 'fulfilled')
    for (const [index, result] of results.entries()) {
      if (index === winner) continue
      expect(result.status === 'rejected' && isSkeinError(result.reason, 'already_exists')).toBe(true)
      await expectContent(`from${index}`, contents[index]!)
    }
    await expectContent('to', contents[winner]!)
    expect(await keysOf()).toHaveLength(4)
  })
}
