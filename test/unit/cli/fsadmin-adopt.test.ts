// `fsadmin adopt`: what workers keep becomes files again, and is let go only when it has.
import { expect, test } from 'vitest'
import { filesOfBlocks } from '../../../src/cli/admin/kept-files.ts'
import type { KeptBlock, KeptBlockRequest } from '../../../src/wire/generated/worker.ts'
import { run as runCommand } from './support/harness.ts'

const base = 7 * 2 ** 20
const block = (index: number, key = 'd/f', clusterId = 'old'): KeptBlock => ({
  clusterId,
  header: { blockId: base + index, length: 4, namespaceId: 'n1', key, etag: '', offset: index * 4, durable: true },
})

function cluster(kept: Readonly<Record<string, readonly KeptBlock[]>>) {
  const released: KeptBlockRequest[] = []
  const written = new Map<string, Buffer>()
  const adopted: string[] = []
  const workers = Object.keys(kept).map((rpcAddress) => ({
    ...{
      workerId: rpcAddress,
      hostname: rpcAddress,
      rpcAddress,
      dataAddress: '',
      webAddress: '',
      live: rpcAddress !== 'lost',
    },
    ...{ lastHeartbeatMs: 0, startedMs: 0, capacityBytes: 1, usedBytes: 0, blockCount: 0, directories: [] },
  }))
  const about = { secretNames: [], attributes: {}, createdMs: 0, ttlMs: 0, ttlAction: 'FREE', uri: 's3://b' }
  const fake = {
    master: {
      listWorkers: async () => ({ workers }),
      listNamespaces: async () => ({ namespaces: [{ namespaceId: 'n1', name: 'ns', ...about }] }),
      adoptCluster: async ({ id }: { id: string }) => ({ wasAdopted: adopted.push(id) > 1 }),
    },
    workers: Object.fromEntries(
      Object.entries(kept).map(([address, blocks]) => [
        address,
        {
          listKeptBlocks: async () => ({ blocks: [...blocks], total: blocks.length }),
          readKeptBlock: async ({ blockId, offset, length }: KeptBlockRequest) => ({
            data: Buffer.alloc(length, (blockId - base) * 16 + offset),
          }),
          releaseKeptBlocks: async ({ blocks: which }: { blocks: KeptBlockRequest[] }) => ({
            released: released.push(...which) && which.length,
          }),
        },
      ]),
    ),
    written,
  }
  return { fake, released, written, adopted }
}

test('a cluster is adopted by its id', async () => {
  const { fake, adopted } = cluster({})
  const { code, stdout } = await runCommand(['fsadmin', 'adopt', 'c-1'], fake)
  expect({ code, adopted }).toEqual({ code: 0, adopted: ['c-1'] })
  expect(stdout).toContain('can now join')
  for (const wrong of [[], ['c-1', '--list'], ['--list', '--recover'], ['c-1', '--into', '/ns/x']]) {
    expect((await runCommand(['fsadmin', 'adopt', ...wrong], fake)).code).toBe(64)
  }
})

test('kept files are listed, recovered with one replica of each block, and then let go', async () => {
  const { fake, released, written } = cluster({ a: [block(1), block(0)], b: [block(0), block(1, 'd/g')] })
  const listed = await runCommand(['fsadmin', 'adopt', '--list'], fake)
  expect(listed.stdout).toBe(
    '/ns/d/f  8 bytes, 2 blocks\n/ns/d/g  8 bytes, 1 blocks: bytes from 0 to 4 are on no live worker\n',
  )
  expect(released).toEqual([])
  const { code, stderr } = await runCommand(['fsadmin', 'adopt', '--recover'], fake)
  expect(code).toBe(3)
  expect(stderr).toContain('d/g: bytes from 0 to 4 are on no live worker')
  expect([...written.keys()]).toEqual(['/ns/d/f'])
  expect(Buffer.from(written.get('/ns/d/f') ?? [])).toEqual(Buffer.concat([Buffer.alloc(4, 0), Buffer.alloc(4, 16)]))
  expect(released.map(({ blockId }) => blockId - base).toSorted((a, b) => a - b)).toEqual([0, 0, 1])
})

test('files of a namespace that is gone go where they are told, and a lost worker is named', async () => {
  const gone = { ...block(0), header: { ...block(0).header, namespaceId: 'n9' } } as KeptBlock
  const { fake, released, written } = cluster({ a: [gone], lost: [] })
  const refused = await runCommand(['fsadmin', 'adopt', '--recover'], fake)
  expect(refused.code).toBe(3)
  expect(refused.stderr).toContain('worker lost is lost')
  expect(refused.stderr).toContain('give a directory with --into')
  expect(released).toEqual([])
  await runCommand(['fsadmin', 'adopt', '--recover', '--into', '/ns/found/'], fake)
  expect([...written.keys()]).toEqual(['/ns/found/d/f'])
  expect((await runCommand(['fsadmin', 'adopt', '--release', '--format', 'json'], fake)).stdout).toBe(
    '{"released":1}\n',
  )
})

test('two versions of one key are two files', () => {
  const placed = [block(0), block(0)].map(({ header, clusterId }, n) => ({
    ...{ rpcAddress: 'a', clusterId },
    header: { ...(header as NonNullable<typeof header>), blockId: base + n * 2 ** 20 },
  }))
  expect(filesOfBlocks(placed, new Map())).toHaveLength(2)
})
