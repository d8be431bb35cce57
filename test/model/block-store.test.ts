// Why: the block store against its model, over random sequences; and stores with a planted bug, each of which the same
// sequences must catch. SKEIN_MODEL_RUNS makes it as long as one likes.
import { join } from 'node:path'
import { readFile } from 'node:fs/promises'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { openBlockStore } from '../../src/block/multi-directory-store.ts'
import { DirectoryStore } from '../../src/block/directory-store.ts'
import type { BlockStore } from '../../src/block/block-store.ts'
import { mebibyte, storeDependencies, temporaryFolder } from '../conformance/block-store-fixture.ts'
import { blockStoreCommands, type Model, type Real } from './block-store-model.ts'

const runs = Number(process.env['SKEIN_MODEL_RUNS'] ?? 40)
const quotaBytes = 3 * mebibyte
type Open = (paths: readonly string[]) => Promise<BlockStore>

const openSingle: Open = ([path = '']) =>
  DirectoryStore.open({ path, tier: 'SSD', mediumType: 'SSD', quotaBytes, workerId: 'worker', deps: storeDependencies() })
const openDouble: Open = (paths) =>
  openBlockStore({
    directories: paths.map((path) => ({ path, tier: 'SSD', mediumType: 'SSD', quotaBytes })),
    workerId: 'worker',
    ...storeDependencies(),
  })

async function check(open: Open, names: readonly string[], options: { runs: number; seed?: number }): Promise<void> {
  await fc.assert(
    fc.asyncProperty(blockStoreCommands, async (commands) => {
      const folder = await temporaryFolder()
      const stores: BlockStore[] = []
      try {
        const directories = names.map((name) => join(folder.path, name))
        const reopen = async (how: 'closed' | 'killed'): Promise<BlockStore> => {
          if (how === 'closed') await stores.at(-1)?.close()
          const store = await open(directories)
          stores.push(store)
          return store
        }
        const setup = async (): Promise<{ model: Model; real: Real }> => ({
          model: { blocks: new Map(), readers: [], life: 0, lives: 0 },
          real: { store: await reopen('killed'), reservations: new Map(), readers: [], directories, reopen },
        })
        await fc.asyncModelRun(setup, commands)
      } finally {
        await Promise.all(stores.map((store) => store.close()))
        await folder.remove()
      }
    }),
    { numRuns: options.runs, ...(options.seed === undefined ? {} : { seed: options.seed, endOnFailure: true }) },
  )
}

/** The store with one thing wrong. */
function mutant(change: (store: BlockStore) => Partial<BlockStore>): Open {
  return async (paths) => {
    const store = await openSingle(paths)
    const changed = change(store)
    return new Proxy(store, {
      get: (target, name) => {
        if (name in changed) return Reflect.get(changed, name)
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }
}

const unverified: Open = mutant((store) => ({
  open: async (blockId) => {
    const reader = await store.open(blockId)
    const name = blockId.toString(16).padStart(14, '0')
    const folder = ((Math.floor(blockId / 2 ** 20) + blockId) % 256).toString(16).padStart(2, '0')
    const file = join(store.usage()[0]?.path ?? '', 'blocks', folder, name)
    return {
      header: reader.header,
      close: () => reader.close(),
      read: async (offset, length) => (await readFile(file)).subarray(offset, offset + length),
    }
  },
}))

const mutants: Record<string, Open> = {
  'reads without looking at checksums': unverified,
  'forgets to give back the bytes of an aborted block': mutant((store) => {
    let leakedBytes = 0
    return {
      reserve: async (header) => {
        const reservation = await store.reserve(header)
        const aborting = async (): Promise<void> => {
          if (!reservation.ended) leakedBytes += header.length
          await reservation.abort()
        }
        return new Proxy(reservation, { get: (target, name) => (name === 'abort' ? aborting : bound(target, name)) })
      },
      usage: () => store.usage().map((usage) => ({ ...usage, usedBytes: usage.usedBytes + leakedBytes })),
    }
  }),
  'commits what is not all there': mutant((store) => ({
    reserve: async (header) => {
      const reservation = await store.reserve(header)
      const committing = (): Promise<void> => reservation.commit().catch(() => undefined)
      return new Proxy(reservation, { get: (target, name) => (name === 'commit' ? committing : bound(target, name)) })
    },
  })),
  'says that it freed a block and keeps it': mutant((store) => ({ free: async (blockId) => store.has(blockId) })),
}

function bound(target: object, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target)
  return typeof value === 'function' ? value.bind(target) : value
}

describe('the block store does what its model does', () => {
  test('one directory', () => check(openSingle, ['a'], { runs }), 600_000)
  test('two directories', () => check(openDouble, ['a', 'b'], { runs: Math.ceil(runs / 2) }), 600_000)
})

describe('the model catches a store that', () => {
  test.each(Object.entries(mutants))(
    '%s',
    async (_, open) => {
      await expect(check(open, ['a'], { runs: 300, seed: 7 })).rejects.toThrow()
    },
    120_000,
  )
})
