// What programs do with a mounted tree, as the kernel passes it on.
import { beforeEach, describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { AttributeChanges } from '../../../src/client/file-system.ts'
import { entryOf, FuseWorld, text, wide, wideAt, word } from './support/fuse-world.ts'

let world: FuseWorld
const rootId = 1
const truncateFlag = 0o1000
const appendFlag = 0o2000

beforeEach(() => {
  world = new FuseWorld()
})

const plant = (path: string, bytes = 'old'): void =>
  world.files.plant(path, { bytes: Buffer.from(bytes), etag: `etag of ${bytes}` })

describe('reading', () => {
  test('a name is looked up with its attributes, and read to its end', async () => {
    plant('/ns/a', 'some bytes')
    const { id, size, mode } = await world.lookUp(rootId, 'a')
    expect({ size, mode }).toEqual({ size: 10, mode: 0o100_664 })
    const { handle, bits } = await world.open(id)
    expect(bits & 1).toBe(0)
    expect((await world.read(id, handle, 5, 100)).body.toString()).toBe('bytes')
    expect((await world.read(id, handle, 10, 100)).body.length).toBe(0)
    await world.release(id, handle)
    expect(world.files.openHandles).toBe(0)
  })

  test('a name that is not there is remembered by the kernel', async () => {
    const body = await world.ok('lookup', rootId, text('none'))
    expect(entryOf(body).id).toBe(0)
    expect(wideAt(body, 16)).toBe(2)
  })

  test('a name that the cluster cannot have is not there', async () => {
    const top = new FuseWorld({ path: '/' })
    expect(entryOf(await top.ok('lookup', rootId, text('.git'))).id).toBe(0)
    expect(entryOf(await top.ok('lookup', rootId, text('ns'))).id).not.toBe(0)
  })

  test('pages of the kernel are used again for the same version only', async () => {
    plant('/ns/a')
    const { id } = await world.lookUp(rootId, 'a')
    expect((await world.open(id)).bits & 2).toBe(0)
    expect((await world.open(id)).bits & 2).toBe(2)
    plant('/ns/a', 'newer')
    expect((await world.ask('open', id, word(0), word(0))).errno).toBe('ESTALE')
    const next = await world.lookUp(rootId, 'a')
    expect(next.id).not.toBe(id)
    expect((await world.open(next.id)).bits & 2).toBe(0)
  })

  test('a version that is open keeps its attributes and bytes', async () => {
    plant('/ns/a', 'first')
    const { id } = await world.lookUp(rootId, 'a')
    const { handle } = await world.open(id)
    plant('/ns/a', 'second one')
    expect(wideAt(await world.ok('getattr', id, wide(0), wide(0)), 24)).toBe(5)
    expect((await world.read(id, handle, 0, 100)).body.toString()).toBe('first')
    await world.release(id, handle)
    expect((await world.ask('getattr', id, wide(0), wide(0))).errno).toBe('ESTALE')
  })

  test('direct reads by size, and where a program asks for them', async () => {
    world = new FuseWorld({ directBytesMin: 5 })
    plant('/ns/small', '1234')
    plant('/ns/large', '12345')
    const [small, large] = [await world.lookUp(rootId, 'small'), await world.lookUp(rootId, 'large')]
    expect((await world.open(small.id)).bits & 1).toBe(0)
    expect((await world.open(small.id, 0o40000)).bits & 1).toBe(1)
    expect((await world.open(large.id)).bits & 1).toBe(1)
  })

  test('a call is made again while the cluster is away, and is EIO in the end', async () => {
    let failures = 2
    const flaky = (files: FuseWorld['files']): FuseWorld['files'] => {
      const stat = files.stat.bind(files)
      return Object.assign(files, {
        stat: async (path: string) => {
          failures -= 1
          if (failures >= 0) throw new SkeinError('unavailable', 'no master')
          return stat(path)
        },
      })
    }
    world = new FuseWorld({ waitMs: 10_000, wrap: flaky })
    plant('/ns/a')
    expect((await world.lookUp(rootId, 'a')).size).toBe(3)
    world = new FuseWorld({ waitMs: 0, wrap: flaky })
    failures = 1
    expect((await world.ask('lookup', rootId, text('a'))).errno).toBe('EIO')
  })

  test('a request whose program stops waiting ends', async () => {
    const hanging = (files: FuseWorld['files']): FuseWorld['files'] =>
      Object.assign(files, {
        stat: (_: string, { signal }: { signal: AbortSignal }) =>
          new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason as Error))
          }),
      })
    world = new FuseWorld({ wrap: hanging })
    const { unique, answer } = world.send('lookup', rootId, text('a'))
    world.send('interrupt', 0, wide(unique))
    expect((await answer).errno).toBe('EINTR')
    expect(world.session.inFlight).toBe(0)
  })
})

describe('writing', () => {
  test('a file is there when its program has closed it', async () => {
    const { id, handle } = await world.create(rootId, 'a', 0o1, 0o600)
    await world.write(id, handle, 0, 'hello ')
    await world.write(id, handle, 6, 'world')
    expect((await world.flush(id, handle)).errno).toBeUndefined()
    expect(await world.files.stat('/ns/a')).toMatchObject({ length: 11 })
    await world.release(id, handle)
    expect(await world.readFile(rootId, 'a')).toBe('hello world')
    expect(world.files.unfinished).toBe(0)
  })

  test('a shell that closes a copy of the descriptor before it writes', async () => {
    const { id, handle } = await world.create(rootId, 'a')
    await world.flush(id, handle)
    await world.write(id, handle, 0, 'x')
    await world.flush(id, handle)
    await world.write(id, handle, 1, 'y')
    await world.flush(id, handle)
    await world.release(id, handle)
    expect(await world.readFile(rootId, 'a')).toBe('xy')
  })

  test('the copy of another process does not end the file', async () => {
    world.processes.set(7, 70).set(8, 80)
    const { id, handle } = await world.create(rootId, 'a')
    world.threadId = 8
    await world.write(id, handle, 0, 'x')
    await world.flush(id, handle)
    await expect(world.files.stat('/ns/a')).rejects.toThrow('a')
    await world.release(id, handle)
    expect(await world.readFile(rootId, 'a')).toBe('x')
  })

  test('an empty file, and one that is cut to nothing', async () => {
    plant('/ns/old', 'bytes')
    const made = await world.create(rootId, 'empty')
    await world.release(made.id, made.handle)
    expect(await world.readFile(rootId, 'empty')).toBe('')
    const { id } = await world.lookUp(rootId, 'old')
    const { handle } = await world.open(id, 0o1 | truncateFlag)
    await world.release(id, handle)
    expect(await world.readFile(rootId, 'old')).toBe('')
  })

  test('overwriting: others see the old file until the new one is closed', async () => {
    plant('/ns/a', 'old')
    const { id } = await world.lookUp(rootId, 'a')
    const { handle } = await world.open(id, 0o1 | truncateFlag)
    await world.write(id, handle, 0, 'newer')
    expect(await world.files.stat('/ns/a')).toMatchObject({ length: 3 })
    await world.flush(id, handle)
    await world.release(id, handle)
    expect(await world.readFile(rootId, 'a')).toBe('newer')
  })

  test('a version that somebody reads is not overwritten under its number', async () => {
    plant('/ns/a', 'old')
    const { id } = await world.lookUp(rootId, 'a')
    const reader = await world.open(id)
    const writer = await world.open(id, 0o1 | truncateFlag)
    await world.write(id, writer.handle, 0, 'newer')
    await world.flush(id, writer.handle)
    expect((await world.read(id, reader.handle, 0, 9)).body.toString()).toBe('old')
    expect((await world.lookUp(rootId, 'a')).id).not.toBe(id)
    expect(world.replaced).toEqual(['1/a'])
  })

  test('bytes at another place, appending and cutting are refused', async () => {
    plant('/ns/a', 'old')
    const { id } = await world.lookUp(rootId, 'a')
    expect((await world.ask('open', id, word(0o1 | appendFlag), word(0))).errno).toBe('EOPNOTSUPP')
    const { handle } = await world.open(id, 0o2)
    expect((await world.write(id, handle, 0, 'x')).errno).toBe('EOPNOTSUPP')
    const made = await world.create(rootId, 'b')
    expect((await world.write(made.id, made.handle, 5, 'x')).errno).toBe('EOPNOTSUPP')
    expect((await setAttributes(id, 8, { size: 2 })).errno).toBe('EOPNOTSUPP')
    expect(await world.readFile(rootId, 'a')).toBe('old')
  })

  test('a writer that failed says so when its program closes the file', async () => {
    const failing = (files: FuseWorld['files']): FuseWorld['files'] =>
      Object.assign(files, {
        create: async () => ({
          write: async () => undefined,
          close: () => Promise.reject(new SkeinError('resource_exhausted', 'full')),
          abort: async () => undefined,
        }),
      })
    world = new FuseWorld({ wrap: failing })
    const { id, handle } = await world.create(rootId, 'a')
    await world.write(id, handle, 0, 'x')
    expect((await world.flush(id, handle)).errno).toBe('ENOSPC')
    expect((await world.write(id, handle, 1, 'x')).errno).toBe('ENOSPC')
    expect(await world.names(rootId)).toEqual([])
  })

  test('mode and owner of a file that is being written are set when it is there', async () => {
    const changes: unknown[] = []
    const watched = (files: FuseWorld['files']): FuseWorld['files'] =>
      Object.assign(files, {
        setAttributes: async (path: string, { mode, owner, group }: AttributeChanges) => {
          changes.push({ path, mode, owner, group })
        },
      })
    world = new FuseWorld({ wrap: watched })
    const { id, handle } = await world.create(rootId, 'a')
    await setAttributes(id, 1 | 2 | 4, { mode: 0o640, userId: 42, groupId: 9 })
    expect(changes).toEqual([])
    await world.release(id, handle)
    expect(changes).toEqual([{ path: '/ns/a', mode: 0o640, owner: 'skein', group: '9' }])
  })

  test('times that programs set, of files, directories, and files that are being written', async () => {
    const nowMs = Date.now()
    plant('/ns/a', 'x')
    const { id } = await world.lookUp(rootId, 'a')
    const [accessed, modified] = [
      [-2, 1],
      [1_234_567_890, 123_456_789],
    ] as const
    const both = 16 | 32
    const set = await setAttributes(id, both, { accessed, modified })
    expect(timesIn(set.body).slice(0, 2)).toEqual([accessed, modified])
    expect(await world.files.stat('/ns/a')).toMatchObject({
      times: { accessed: { ms: -2000, ns: 1 }, modified: { ms: 1_234_567_890_123, ns: 456_789 } },
    })
    await setAttributes(id, 32 | 256, {})
    const [kept, now = [0, 0]] = timesIn((await world.ask('getattr', id, wide(0), wide(0))).body)
    expect(kept).toEqual(accessed)
    expect(now[0]).toBeGreaterThanOrEqual(Math.floor(nowMs / 1000))
    const directory = entryOf(await world.ok('mkdir', rootId, word(0o755), word(0), text('d')))
    expect(timesIn((await setAttributes(directory.id, 32, { modified })).body)[1]).toEqual(modified)
    const written = await world.create(rootId, 'b')
    await world.write(written.id, written.handle, 0, 'x')
    expect(timesIn((await setAttributes(written.id, both, { accessed, modified })).body)[1]).toEqual(modified)
    await world.release(written.id, written.handle)
    expect((await world.files.stat('/ns/b')).times?.modified).toEqual({ ms: 1_234_567_890_123, ns: 456_789 })
    expect(timesIn((await world.ask('getattr', written.id, wide(0), wide(0))).body)[1]).toEqual(modified)
    await world.writeFile(rootId, 'b', 'overwritten')
    expect((await world.files.stat('/ns/b')).times).toBeUndefined()
    const early = await world.create(rootId, 'c')
    await setAttributes(early.id, 32, { modified })
    await world.write(early.id, early.handle, 0, 'x')
    await world.release(early.id, early.handle)
    expect((await world.files.stat('/ns/c')).times).toBeUndefined()
  })

  test('an unknown and an unsupported operation', async () => {
    expect((await world.ask(9999, rootId)).errno).toBe('ENOSYS')
    expect((await world.ask('symlink', rootId, text('a'), text('b'))).errno).toBe('EOPNOTSUPP')
    expect((await world.ask('link', rootId, wide(rootId), text('b'))).errno).toBe('EOPNOTSUPP')
  })
})

describe('changing the tree', () => {
  test('saving by renaming over a file', async () => {
    plant('/ns/a', 'old')
    await world.lookUp(rootId, 'a')
    await world.writeFile(rootId, 'a.tmp', 'newer')
    await rename('a.tmp', 'a')
    expect(await world.names(rootId)).toEqual(['a'])
    expect(await world.readFile(rootId, 'a')).toBe('newer')
  })

  test('a file that is renamed before it is closed', async () => {
    const { id, handle } = await world.create(rootId, 'a.tmp')
    await world.write(id, handle, 0, 'x')
    await rename('a.tmp', 'a')
    await world.flush(id, handle)
    await world.release(id, handle)
    expect(await world.readFile(rootId, 'a')).toBe('x')
  })

  test('a rename that fails over a file that is being written takes nothing from its writer', async () => {
    plant('/ns/other', 'other')
    const { id, handle } = await world.create(rootId, 'a')
    await world.write(id, handle, 0, 'written')
    const moved = world.files.rename.bind(world.files)
    world.files.rename = () => Promise.reject(new SkeinError('permission_denied', 'denied'))
    expect(await rename('other', 'a')).toBe('EACCES')
    world.files.rename = moved
    await world.flush(id, handle)
    await world.release(id, handle)
    expect(await world.readFile(rootId, 'a')).toBe('written')
    expect(await world.readFile(rootId, 'other')).toBe('other')
  })

  test('renaming without replacing, exchanging, and to another namespace', async () => {
    plant('/ns/a')
    plant('/ns/b')
    expect(await rename('a', 'b', 1)).toBe('EEXIST')
    expect(await rename('a', 'b', 2)).toBe('EINVAL')
    const top = new FuseWorld({ path: '/' })
    top.files.plant('/ns/a', { bytes: Buffer.from('x'), etag: 'e' })
    const [ns, other] = [await top.lookUp(rootId, 'ns'), await top.lookUp(rootId, 'other')]
    const answer = await top.ask('rename2', ns.id, wide(other.id), wide(0), text('a'), text('a'))
    expect(answer.errno).toBe('EXDEV')
  })

  test('directories: made, not empty, emptied, gone with their last file', async () => {
    const made = entryOf(await world.ok('mkdir', rootId, word(0o755), word(0), text('d')))
    await world.writeFile(made.id, 'f', 'x')
    expect((await world.ask('rmdir', rootId, text('d'))).errno).toBe('ENOTEMPTY')
    await world.ok('unlink', made.id, text('f'))
    await world.ok('rmdir', rootId, text('d'))
    expect(await world.names(rootId)).toEqual([])
    plant('/ns/implicit/f')
    const { id } = await world.lookUp(rootId, 'implicit')
    await world.ok('unlink', id, text('f'))
    expect((await world.ask('rmdir', rootId, text('implicit'))).errno).toBeUndefined()
    expect((await world.ask('rmdir', rootId, text('never'))).errno).toBe('ENOENT')
  })

  test('an object that came beside a directory stays when the directory is removed or replaced', async () => {
    for (const name of ['removed', 'replaced']) {
      await world.ok('mkdir', rootId, word(0o755), word(0), text(name))
      await world.lookUp(rootId, name)
    }
    await world.ok('mkdir', rootId, word(0o755), word(0), text('from'))
    plant('/ns/removed', 'theirs')
    expect((await world.ask('rmdir', rootId, text('removed'))).errno).toBeUndefined()
    const remove = world.files.delete.bind(world.files)
    world.files.delete = async (path, options) => {
      plant('/ns/replaced', 'theirs')
      return await remove(path, options)
    }
    await rename('from', 'replaced')
    world.files.delete = remove
    for (const name of ['removed', 'replaced']) expect(await world.readFile(rootId, name)).toBe('theirs')
  })

  test('a directory is renamed with what is below it', async () => {
    plant('/ns/d/e/f', 'deep')
    const d = await world.lookUp(rootId, 'd')
    const e = await world.lookUp(d.id, 'e')
    expect(await rename('d', 'moved')).toBeUndefined()
    expect(await world.readFile(e.id, 'f')).toBe('deep')
  })

  test('a file that is removed while it is written leaves nothing', async () => {
    const { id, handle } = await world.create(rootId, 'a')
    await world.write(id, handle, 0, 'x')
    expect((await world.ask('unlink', rootId, text('a'))).errno).toBeUndefined()
    await world.write(id, handle, 1, 'y')
    await world.release(id, handle)
    expect(await world.names(rootId)).toEqual([])
    expect(world.files.unfinished).toBe(0)
  })

  test('space of the cluster', async () => {
    const { capacityBytes } = await world.files.usage()
    const body = await world.ok('statfs', rootId)
    expect(wideAt(body, 0) * body.readUInt32LE(48)).toBe(capacityBytes - (capacityBytes % 4096))
  })

  test('a request that is cut short ends alone', async () => {
    expect((await world.ask('write', rootId, wide(1))).errno).toBe('EINVAL')
    expect((await world.ask('lookup', rootId, Buffer.from([0xff, 0xfe, 0]))).errno).toBe('EINVAL')
  })
})

async function rename(from: string, to: string, flags = 0): Promise<string | undefined> {
  const answer = await world.ask('rename2', rootId, wide(rootId), word(flags), word(0), text(from), text(to))
  return answer.errno
}

interface AskedAttributes {
  readonly size?: number
  readonly mode?: number
  readonly userId?: number
  readonly groupId?: number
  /** Seconds and nanoseconds. */
  readonly accessed?: readonly number[]
  readonly modified?: readonly number[]
}

function signed(seconds: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64LE(BigInt(seconds))
  return bytes
}

/** Accessed, modified and changed, as seconds and nanoseconds. */
function timesIn(body: Buffer): (readonly [number, number])[] {
  return [0, 1, 2].map((place) => [
    Number(body.readBigInt64LE(16 + 24 + 8 * place)),
    body.readUInt32LE(16 + 48 + 4 * place),
  ])
}

function setAttributes(
  id: number,
  valid: number,
  { size = 0, mode = 0, userId = 0, groupId = 0, accessed = [0, 0], modified = [0, 0] }: AskedAttributes,
): ReturnType<FuseWorld['ask']> {
  const nanoseconds = [accessed, modified, [0, 0]].map(([, part = 0]) => word(part))
  const times = [wide(0), ...[accessed, modified].map(([seconds = 0]) => signed(seconds)), wide(0), ...nanoseconds]
  const fields = [word(valid), word(0), wide(0), wide(size), ...times, word(mode), word(0), word(userId), word(groupId)]
  return world.ask('setattr', id, ...fields, word(0))
}
