// Why: the block store against its model, over random sequences; and stores with a planted bug,
// each of which the same sequences must catch. SKEIN_MODEL_RUNS says how many sequences in all.
import { join } from 'node:path'
import { existsSync } from 'node:fs'
import { open, readFile } from 'node:fs/promises'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BlockDirectory } from '../../src/block/assembly/block-directory.ts'
import { BlockLedger } from '../../src/block/segment/block-ledger.ts'
import { prepareDirectory } from '../../src/block/disk/directory-layout.ts'
import { openBlockStore } from '../../src/block/assembly/multi-directory-store.ts'
import { DirectoryStore } from '../../src/block/directory/directory-store.ts'
import type { BlockStore } from '../../src/block/block-store.ts'
import { SegmentStore } from '../../src/block/segment/segment-store.ts'
import { mebibyte, storeDependencies, temporaryFolder } from '../conformance/support/block-store-fixture.ts'
import { type BytesOnDisk, findRecord } from '../conformance/support/segment-fixture.ts'
import { blockStoreCommands, type Model, type Real } from './support/block-store-model.ts'
import { ordinaryOrLong } from '../support/run-length.ts'

const runs = Math.ceil(Number(process.env['SKEIN_MODEL_RUNS'] ?? ordinaryOrLong(60, 1600)) / 4)
const quotaBytes = 3 * mebibyte
type Open = (paths: readonly string[]) => Promise<BlockStore>

const place = { tier: 'SSD', mediumType: 'SSD', quotaBytes }
/**
 * Compaction is one of the commands: a store that was "killed" must not go on in the background.
 */
const segments = { blockBytesMax: mebibyte, segmentBytes: mebibyte / 2, background: false }

const openSingle: Open = ([path = '']) =>
  DirectoryStore.open({ ...place, path, workerId: 'worker', deps: storeDependencies() })
const openSegments: Open = async ([path = '']) => {
  const { layout } = await prepareDirectory(path, 'worker')
  const ledger = new BlockLedger(quotaBytes)
  return SegmentStore.open({ ...place, ...segments, path, layout, ledger, deps: storeDependencies() })
}
const openBoth: Open = ([path = '']) =>
  BlockDirectory.open({ ...place, path, workerId: 'worker', segments, deps: storeDependencies() })
const openDouble: Open = (paths) =>
  openBlockStore({
    directories: paths.map((path) => ({ ...place, path })),
    workerId: 'worker',
    segments,
    ...storeDependencies(),
  })

async function check(
  openStore: Open,
  names: readonly string[],
  options: { runs: number; seed?: number },
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(blockStoreCommands, async (commands) => {
      const folder = await temporaryFolder()
      const stores: BlockStore[] = []
      try {
        const directories = names.map((name) => join(folder.path, name))
        const reopen = async (how: 'closed' | 'killed'): Promise<BlockStore> => {
          if (how === 'closed') await stores.at(-1)?.close()
          const store = await openStore(directories)
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
function mutant(change: (store: BlockStore) => Partial<BlockStore>): (openStore: Open) => Open {
  return (openStore) => async (paths) => {
    const store = await openStore(paths)
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

const unverified = mutant((store) => ({
  open: async (blockId) => {
    const reader = await store.open(blockId)
    const name = blockId.toString(16).padStart(14, '0')
    const folder = ((Math.floor(blockId / 2 ** 20) + blockId) % 256).toString(16).padStart(2, '0')
    const directory = store.usage()[0]?.path ?? ''
    const file = join(directory, 'blocks', folder, name)
    const bytes = existsSync(file) ? await readFile(file) : await recordData(directory, blockId, reader.header.length)
    return {
      header: reader.header,
      close: () => reader.close(),
      read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
    }
  },
}))

async function recordData(directory: string, blockId: number, length: number): Promise<Buffer> {
  const record = await findRecord(directory, blockId, 'block')
  if (record === undefined) throw new Error(`block ${blockId} is nowhere on disk`)
  const end = record.from + record.length
  return (await readFile(record.path)).subarray(end - length, end)
}

const mutants: Record<string, (openStore: Open) => Open> = {
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
  test('one directory of files', () => check(openSingle, ['a'], { runs }), 600_000)
  test('segments', () => check(openSegments, ['a'], { runs }), 600_000)
  test('one directory of segments and files', () => check(openBoth, ['a'], { runs }), 600_000)
  test(
    'two directories of segments and files',
    () => check(openDouble, ['a', 'b'], { runs: Math.ceil(runs / 2) }),
    600_000,
  )
})

const segmentMutants: Record<string, (openStore: Open) => Open> = {
  ...mutants,
  'forgets at a restart what it freed': mutant((store) => ({
    free: async (blockId) => {
      const freed = await store.free(blockId)
      const tombstone = freed ? await findRecord(store.usage()[0]?.path ?? '', blockId, 'tombstone') : undefined
      if (tombstone !== undefined) await overwrite(tombstone)
      return freed
    },
  })),
}

async function overwrite({ path, from, length }: BytesOnDisk): Promise<void> {
  const file = await open(path, 'r+')
  await file.write(Buffer.alloc(length), 0, length, from)
  await file.close()
}

const caught = async (store: Open): Promise<void> => {
  await expect(check(store, ['a'], { runs: 300, seed: 1 })).rejects.toThrow()
}

describe('the model catches a store of files that', () => {
  test.each(Object.entries(mutants))('%s', (_, planted) => caught(planted(openSingle)))
})

describe('the model catches a store of segments that', () => {
  test.each(Object.entries(segmentMutants))('%s', (_, planted) => caught(planted(openSegments)))
})

describe('the model catches a store of segments and files that', () => {
  test.each(Object.entries(mutants))('%s', (_, planted) => caught(planted(openBoth)))
})
