// Small files whose content the kernel gets before a program asks: that of the right version, and
// only where it is of use.
import { beforeEach, describe, expect, test } from 'vitest'
import type { ContentAhead, FilesAhead } from '../../../src/client/open/files-ahead.ts'
import { storedContent } from '../../../src/fuse/protocol/notices.ts'
import { ManualClock } from '../client/support/manual-clock.ts'
import { FuseWorld } from './support/fuse-world.ts'

const rootId = 1
const names = Array.from({ length: 8 }, (_, index) => `f${index}`)
let world: FuseWorld
let clock: ManualClock
let content: ContentAhead | undefined
let storing: PromiseWithResolvers<void> | undefined

const contentOf = (name: string): string => `content of ${name}`
const plant = (name: string, bytes = contentOf(name)): void =>
  world.files.plant(`/ns/${name}`, { bytes: Buffer.from(bytes), etag: `etag of ${bytes}` })
const ahead: FilesAhead = {
  open: async (_next, wanting) => {
    content = wanting
    return names.slice(3)
  },
  look: (path) => world.files.stat(path),
  seen: () => undefined,
}

function begin(directBytesMin = Number.POSITIVE_INFINITY): void {
  world = new FuseWorld({ ahead, clock, directBytesMin, whileStoring: () => storing?.promise ?? Promise.resolve() })
  for (const name of names) plant(name)
}

/** Reads the first files in order, so that the next ones are opened ahead. */
async function walk(): Promise<ContentAhead> {
  for (const name of names.slice(0, 3)) await world.readFile(rootId, name)
  if (content === undefined) throw new Error('nothing was opened ahead')
  return content
}

async function give(name: string, bytes = contentOf(name)): Promise<void> {
  const { fileId, length } = await world.files.stat(`/ns/${name}`)
  content?.onContent({ name, fileId, length }, Buffer.from(bytes))
  await settle()
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const keepsPages = async (id: number): Promise<boolean> => {
  const { handle, bits } = await world.open(id)
  await world.release(id, handle)
  return (bits & 2) !== 0
}

beforeEach(() => {
  clock = new ManualClock()
  content = undefined
  storing = undefined
  begin()
})

describe('content that is given ahead', () => {
  test('is of the node, and is kept when a program opens it', async () => {
    await world.names(rootId, { plus: true })
    await walk()
    for (const name of ['f3', 'f4']) await give(name)
    const [third, fourth] = [await world.lookUp(rootId, 'f3'), await world.lookUp(rootId, 'f4')]
    expect([...world.stored]).toEqual([
      [third.id, 'content of f3'],
      [fourth.id, 'content of f4'],
    ])
    expect(await keepsPages(third.id)).toBe(true)
    const sent = world.metrics.get('skein_door_sent_bytes_total', { door: 'fuse' })
    expect(sent).toBe(5 * 'content of f3'.length)
  })

  test('is not asked for again, until the kernel asks for pages that it should have', async () => {
    await world.names(rootId, { plus: true })
    const wanting = await walk()
    const isWanted: ContentAhead['isWanted'] = (given) => wanting.isWanted(given)
    const { fileId, length } = await world.files.stat('/ns/f3')
    const file = { name: 'f3', fileId, length }
    expect(isWanted(file)).toBe(true)
    await give('f3')
    expect(isWanted(file)).toBe(false)
    expect(isWanted({ ...file, fileId: fileId + 1 })).toBe(true)
    expect(await world.readFile(rootId, 'f3')).toBe(contentOf('f3'))
    expect(isWanted(file)).toBe(true)
    world.stored.clear()
    await give('f3')
    expect(world.stored.size).toBe(1)
    clock.passMs(5000)
    expect(isWanted(file)).toBe(false)
  })

  test('is not given for nodes that the kernel does not hold, and not twice', async () => {
    await walk()
    await give('f3')
    expect(world.stored.size).toBe(0)
    await world.lookUp(rootId, 'f3')
    await give('f3')
    expect(world.stored.size).toBe(1)
    world.stored.clear()
    await give('f3')
    expect(world.stored.size).toBe(0)
  })

  test('is not given for another version, for a part, for an open file, or for direct reads', async () => {
    await world.names(rootId, { plus: true })
    await walk()
    const { id } = await world.lookUp(rootId, 'f4')
    await world.open(id)
    await give('f4')
    await give('f5', 'content')
    plant('f6', 'another content')
    await give('f6', 'another content')
    expect(world.stored.size).toBe(0)
    begin(5)
    await world.names(rootId, { plus: true })
    await walk()
    await give('f3')
    expect(world.stored.size).toBe(0)
  })

  test('never comes behind the version that a program writes meanwhile', async () => {
    await world.names(rootId, { plus: true })
    await walk()
    storing = Promise.withResolvers()
    await give('f3')
    const { id } = await world.lookUp(rootId, 'f3')
    const { handle } = await world.open(id, 0o1001)
    await world.write(id, handle, 0, 'written')
    let isFlushed = false
    const flushed = world.flush(id, handle).then((answer) => {
      isFlushed = true
      return answer
    })
    await settle()
    await settle()
    expect([isFlushed, world.stored.size]).toEqual([false, 0])
    storing.resolve()
    expect((await flushed).errno).toBeUndefined()
    expect(world.stored.size).toBe(1)
    // The kernel drops what it has when the file is opened.
    expect(await keepsPages(id)).toBe(false)
  })

  test('is not given to a file that is being written', async () => {
    await world.names(rootId, { plus: true })
    await walk()
    const before = await world.files.stat('/ns/f3')
    const { id } = await world.lookUp(rootId, 'f3')
    await world.open(id, 0o1001)
    content?.onContent(before, Buffer.from(contentOf('f3')))
    await settle()
    expect(world.stored.size).toBe(0)
  })
})

test('the notice has the node, the place and the length of its content', () => {
  const { code, body } = storedContent(2 ** 40 + 5, Buffer.from('abc'))
  const bytes = Buffer.concat(body)
  expect([code, bytes.length]).toEqual([4, 27])
  expect([bytes.readBigUInt64LE(0), bytes.readBigUInt64LE(8)]).toEqual([2n ** 40n + 5n, 0n])
  expect([bytes.readUInt32LE(16), bytes.toString('utf8', 24)]).toEqual([3, 'abc'])
})
