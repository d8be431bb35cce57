// Directories as the kernel reads them: in pages, with attributes or without.
import { beforeEach, describe, expect, test } from 'vitest'
import { ManualClock } from '../client/support/manual-clock.ts'
import { FuseWorld } from './support/fuse-world.ts'

let world: FuseWorld
const rootId = 1

beforeEach(() => {
  world = new FuseWorld()
})

const plant = (path: string, bytes = 'old'): void =>
  world.files.plant(path, { bytes: Buffer.from(bytes), etag: `etag of ${bytes}` })

describe('listing', () => {
  test('entries come in pages, with or without attributes, and are forgotten again', async () => {
    const names = Array.from({ length: 2500 }, (_, index) => `f${String(index).padStart(4, '0')}`)
    for (const name of names) plant(`/ns/d/${name}`, name)
    const { id } = await world.lookUp(rootId, 'd')
    expect(await world.names(id)).toEqual(names)
    expect(world.nodes.size).toBe(2)
    expect(await world.names(id, { plus: true, bytes: 1000 })).toEqual(names)
    expect(world.nodes.size).toBe(2502)
  })

  test('the first page with attributes is filled from several pages of the cluster', async () => {
    const clock = new ManualClock()
    world = new FuseWorld({ clock })
    for (let index = 0; index < 2500; index += 1) plant(`/ns/d/f${index}`)
    const { id } = await world.lookUp(rootId, 'd')
    const pages = async (plus: boolean): Promise<number> => {
      let count = 0
      await world.names(id, { plus, bytes: 1 << 20, onPage: () => void (count += 1) })
      return count
    }
    expect([await pages(true), await pages(false)]).toEqual([1, 3])
    // A cluster that takes long: what is there is given.
    const list = world.files.list.bind(world.files)
    world.files.list = async function* slowly(...given: Parameters<typeof list>) {
      for await (const page of list(...given)) {
        clock.passMs(150)
        yield page
      }
    }
    expect(await pages(true)).toBe(3)
  })

  test('a file is seen in place of the directory beside it', async () => {
    for (const key of ['a', 'a-b', 'a/x', 'b/y']) plant(`/ns/${key}`)
    expect(await world.names(rootId)).toEqual(['a', 'a-b', 'b'])
  })

  test('a file that is being written is listed and shows its size so far', async () => {
    plant('/ns/a')
    const { id, handle } = await world.create(rootId, 'new')
    await world.write(id, handle, 0, '12345')
    expect(await world.names(rootId)).toEqual(['a', 'new'])
    const looked = await world.lookUp(rootId, 'new')
    expect(looked).toMatchObject({ id, size: 5 })
    await expect(world.files.stat('/ns/new')).rejects.toThrow('new')
  })
})
