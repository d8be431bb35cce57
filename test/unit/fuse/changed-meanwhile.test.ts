// Calls whose answer was lost, and names that others change between two calls of the kernel.
import { beforeEach, expect, test } from 'vitest'
import { FuseWorld, text, wide, word } from './support/fuse-world.ts'

let world: FuseWorld
const rootId = 1

beforeEach(() => {
  world = new FuseWorld()
})

const plant = (path: string, bytes: string): void =>
  world.files.plant(path, { bytes: Buffer.from(bytes), etag: `etag of ${bytes}` })

test('a rename that the client repeats, because its answer was lost, succeeds', async () => {
  plant('/ns/a', 'old')
  await world.writeFile(rootId, 'b', 'new')
  const moved = world.files.rename.bind(world.files)
  world.files.rename = async (...asked) => {
    await moved(...asked)
    await moved(...asked)
  }
  const names = [text('b'), text('a')]
  const answer = await world.ask('rename2', rootId, wide(rootId), word(0), word(0), ...names)
  expect(answer.errno).toBeUndefined()
  world.files.rename = moved
  expect(await world.names(rootId)).toEqual(['a'])
  expect(await world.readFile(rootId, 'a')).toBe('new')
})

test('unlink leaves a directory that has come to the name meanwhile', async () => {
  plant('/ns/a', 'old')
  await world.lookUp(rootId, 'a')
  await world.files.delete('/ns/a')
  await world.files.makeDirectory('/ns/a')
  expect((await world.ask('unlink', rootId, text('a'))).errno).toBe('EISDIR')
  expect(await world.files.stat('/ns/a')).toMatchObject({ kind: 'directory' })
})
