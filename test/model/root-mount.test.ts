// Why: whatever namespaces come and go over the content of the root mount, a path shows one thing,
// hidden files come back as they were, and no block is lost or given to another file. How: random
// steps against a plain model of all keys, with a look at everything after each of them.
// SKEIN_SEED=n plays another seed, SKEIN_TEST_LONG=1 more steps.
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blockIdOf } from '../../src/base/block-id.ts'
import { seededRandom } from '../../src/base/clock.ts'
import { compareKeys } from '../../src/meta/edge-order.ts'
import { ordinaryOrLong } from '../support/run-length.ts'
import { call, MasterFixture } from '../unit/cache-master/support/master-fixture.ts'

const seeds = ordinaryOrLong(4, 200)
const steps = 60
const firstSeed = Number(process.env['SKEIN_SEED'] ?? 1)
const names = ['a', 'b', 'a-b', 'c.d']
/** Below `/`, and below a namespace. */
const keys = ['a', 'a/x', 'a/y/z', 'a-b', 'a-b/x', 'a0', 'b/x', 'c.d/x', 'e', 'e/f', ' g/x', 'a b/x', 'B/x']

interface ModelFile {
  /** Undefined: at the store only. */
  readonly fileId: number | undefined
}

let fixture: MasterFixture
/** By the name of the namespace, empty for the root mount: its files by key. */
let model: Map<string, Map<string, ModelFile>>
let kept: Set<number>
let namespaces = 0
const uris = new Map<string, string>()

beforeEach(async () => {
  fixture = await MasterFixture.open()
  model = new Map()
  kept = new Set()
  await mount('')
})
afterEach(() => fixture.close())

async function mount(name: string): Promise<void> {
  namespaces += 1
  const uri = `s3://bucket-${namespaces}`
  await fixture.create(name === '' ? '/' : name, uri)
  uris.set(name, uri)
  model.set(name, new Map())
}

const placeOf = (path: string): { readonly name: string; readonly key: string } => {
  const [first = '', ...rest] = path.slice(1).split('/')
  return first !== '' && model.has(first) ? { name: first, key: rest.join('/') } : { name: '', key: path.slice(1) }
}

/** Paths of the files that are shown, in the order of the keys. */
function shown(): string[] {
  const paths: string[] = []
  for (const [name, files] of model)
    for (const key of files.keys()) {
      const path = name === '' ? `/${key}` : `/${name}/${key}`
      if (placeOf(path).name === name && placeOf(path).key === key) paths.push(path)
    }
  return paths.toSorted(compareKeys)
}

async function listed(limit: number): Promise<string[]> {
  const found: string[] = []
  for (let pageToken = '', isFirst = true; isFirst || pageToken !== ''; isFirst = false) {
    const request = { path: '/', recursive: true, pageToken, limit, syncIntervalMs: 0 }
    const page = await fixture.service.listStatus(request, call)
    found.push(...page.files.filter(({ folder }) => !folder).map(({ path }) => path))
    pageToken = page.nextPageToken
  }
  return found
}

async function check(random: () => number): Promise<void> {
  const paths = shown()
  // No worker is told to delete what exists nowhere else, hidden or not.
  const blocks = [...kept].map((id) => blockIdOf(id, 0))
  expect(await fixture.report('w', await fixture.worker('w'), blocks)).toEqual([])
  expect(await listed(1 + Math.floor(random() * 8))).toEqual(paths)
  const seen = new Map<number, string>()
  for (const path of paths) {
    const { name, key } = placeOf(path)
    const info = await fixture.service.getStatus({ path }, call)
    expect(info).toMatchObject({ path, key, folder: false, ufsPath: `${uris.get(name)}/${key}` })
    expect(seen.get(info.fileId)).toBeUndefined()
    seen.set(info.fileId, path)
    const { fileId } = model.get(name)!.get(key)!
    if (fileId !== undefined) expect(info).toMatchObject({ fileId, persistenceState: 'NOT_PERSISTED', cachedBytes: 4 })
  }
  for (const key of keys) {
    const path = `/${key}`
    if (paths.some((each) => each === path || each.startsWith(`${path}/`)) || model.has(key)) continue
    await expect(fixture.service.getStatus({ path, syncIntervalMs: 0 }, call)).rejects.toMatchObject({
      code: 'not_found',
    })
  }
  const loaded = await fixture.service.syncPage({ path: '/', cursor: '', limit: 1000 }, call)
  const ofRoot = [...model.get('')!].filter(
    ([key, { fileId }]) => fileId === undefined && placeOf(`/${key}`).name === '',
  )
  expect(loaded.files.map(({ key }) => key)).toEqual(ofRoot.map(([key]) => key).toSorted(compareKeys))
}

async function step(random: () => number): Promise<string> {
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
  const what = pick(['put', 'put', 'write', 'write', 'gone', 'mount', 'mount', 'unmount', 'restart', 'remove', 'move'])
  const name = pick([...model.keys()])
  const [key, files] = [pick(keys), model.get(name)!]
  const path = `/${pick(keys)}`
  const place = placeOf(path)
  const target = model.get(place.name)!
  switch (what) {
    case 'put':
      if (files.has(key)) break
      fixture.store(uris.get(name)!).put(key)
      files.set(key, { fileId: undefined })
      break
    case 'gone':
      if (!files.has(key) || files.get(key)?.fileId !== undefined) break
      fixture.store(uris.get(name)!).objects.delete(key)
      files.delete(key)
      break
    case 'write': {
      if (place.key === '' || target.has(place.key)) break
      const begun = await fixture.lifecycle.createFile(
        { path, blockSizeBytes: 4, requestKey: '', overwrite: false, asObject: true },
        call,
      )
      kept.add(begun.fileId)
      await fixture.report(
        'w',
        await fixture.worker('w'),
        [...kept].map((id) => blockIdOf(id, 0)),
      )
      await fixture.lifecycle.completeFile({ fileId: begun.fileId, length: 4 }, call)
      target.set(place.key, { fileId: begun.fileId })
      break
    }
    case 'remove': {
      if (!target.has(place.key)) break
      await fixture.lifecycle.delete({ path, recursive: false, cacheOnly: false, waitMs: 0 }, call)
      kept.delete(target.get(place.key)?.fileId ?? 0)
      target.delete(place.key)
      break
    }
    case 'move': {
      const to = placeOf(`/${key}`)
      const file = target.get(place.key)
      const isFree = ![...model.get(to.name)!.keys()].some((each) => each === to.key || each.startsWith(`${to.key}/`))
      const isBelowFile = [...model.get(to.name)!.keys()].some((each) => to.key.startsWith(`${each}/`))
      if (file?.fileId === undefined || to.key === '' || !isFree || isBelowFile) break
      const moved = fixture.lifecycle.rename({ from: path, to: `/${key}`, waitMs: 0 }, call)
      if (to.name === place.name) {
        await moved
        target.delete(place.key)
        target.set(to.key, file)
      } else await expect(moved).rejects.toMatchObject({ code: 'invalid_argument' })
      break
    }
    case 'mount': {
      const free = names.filter((each) => !model.has(each))
      if (free.length > 0) await mount(pick(free))
      break
    }
    case 'unmount': {
      const mounted = names.filter((each) => model.has(each))
      if (mounted.length === 0) break
      const gone = pick(mounted)
      await fixture.service.deleteNamespace({ name: gone, force: true }, call)
      for (const { fileId } of model.get(gone)!.values()) kept.delete(fileId ?? 0)
      model.delete(gone)
      break
    }
    case 'restart':
      await fixture.restart()
      break
  }
  return `${what} ${path} ${key}`
}

describe('namespaces over a root mount', () => {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1)
    test(`seed ${seed}`, { timeout: 120_000 }, async () => {
      const random = seededRandom(seed)
      const played: string[] = []
      await fixture.worker('w')
      for (let count = 0; count < steps; count += 1) {
        try {
          played.push(await step(random))
          await check(random)
        } catch (thrown) {
          throw new Error(`after ${played.slice(-8).join('; ')}`, { cause: thrown })
        }
      }
    })
})
