// Why: a load reads a byte of the store at most once, also when others free its files while it
// runs. How: a world in which files are freed in the middle of a load, as the master frees: with a
// new id.
import { afterEach, expect, test } from 'vitest'
import { megabyte, World } from '../../model/support/load-world.ts'

let world: World | undefined
afterEach(async () => {
  await world?.close()
  world = undefined
})

async function begin(): Promise<World> {
  const w = new World({ seed: 1, workers: 2 })
  world = w
  for (let index = 0; index < 20; index += 1) w.addFile(`d/f${index}`, megabyte)
  await w.startJobMaster()
  w.startJobWorker('j1', 'host1')
  return w
}
/** Until something of the load is in, and not all of it. */
async function halfway(w: World): Promise<void> {
  while (w.originBytes < 5 * megabyte) await w.clock.step(w.clock.now + 100)
}

test('files that are freed while their load runs are not read again for it, which it says', async () => {
  const w = await begin()
  const loadId = await w.submit('/ns/d/', 1, '', 1)
  await halfway(w)
  const some = [...w.files.values()].filter((file) => w.fewestReplicas(file) === 1).slice(0, 3)
  for (const { key } of some) w.free(key)
  const status = await w.untilEnded(loadId)
  expect(status).toMatchObject({ state: 'COMPLETED', counts: { filesLoaded: 20, filesFailed: 0 } })
  expect(status.reason).toBe('3 of the files were freed by others during the load and not loaded again')
  expect(w.originBytes).toBe(20 * megabyte)
})

test('where the same load was asked for again after that, they are in at its end', async () => {
  const w = await begin()
  const loadId = await w.submit('/ns/d/', 1, '', 1)
  await halfway(w)
  const [first = ''] = w.files.keys()
  w.free(first)
  expect(await w.submit('/ns/d/', 1, 'again', 1)).toBe(loadId)
  expect(await w.untilEnded(loadId)).toMatchObject({ state: 'COMPLETED', reason: '' })
  for (const file of w.files.values()) expect(w.fewestReplicas(file)).toBe(1)
  expect(w.originBytes).toBe(21 * megabyte)
})
