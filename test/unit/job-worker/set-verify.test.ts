import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { blockIdOf, blockIndexOf, fileIdOf } from '../../../src/base/block-id.ts'
import { Crc64 } from '../../../src/base/checksum/crc64.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { wrongBlock } from '../../../src/base/expected-block.ts'
import { SetOutcome } from '../../../src/job-worker/set/set-outcome.ts'
import { verifySet, type VerifyTally } from '../../../src/job-worker/set/set-verify.ts'
import { OpaqueEtags } from '../../../src/job-worker/set/opaque-etags.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import type { StoreLease } from '../../../src/ufs/store-cache.ts'
import type { SetPiece } from '../../../src/wire/generated/job.ts'
import { hurriedClock, never, pieceOf } from './support/fakes.ts'

const bytes = Buffer.from('what the store has, in three blocks')
const fileId = fileIdOf(5)

function crcOf(content: Uint8Array): string {
  const crc = new Crc64()
  crc.update(content)
  return crc.digest()
}

let storeReadsOfLast = 0

/** Verifies one file of three blocks: a and b hold the first two, c the last. */
async function verify(
  store: { crc64?: string; etag?: string; fileId?: number; unreadable?: boolean },
  spoil: (blocks: Map<string, Buffer>) => void = () => undefined,
  etags = new OpaqueEtags(),
  /** What blocks say of themselves instead of the truth. */
  lies: Readonly<
    Record<
      string,
      { readonly etag?: string; readonly namespaceId?: string; readonly offset?: number; readonly durable?: true }
    >
  > = {},
) {
  const piece: SetPiece = pieceOf(fileId, 'k', store.etag ?? 'multipart-2', bytes.length, 15)
  const blocks = new Map<string, Buffer>()
  for (const [workerId, index] of [
    ['a', 0],
    ['a', 1],
    ['b', 0],
    ['b', 1],
    ['c', 2],
  ] as const)
    blocks.set(`${workerId}/${blockIdOf(fileId, index)}`, Buffer.from(bytes.subarray(index * 15, (index + 1) * 15)))
  spoil(blocks)
  const freed: string[] = []
  const outcome = new SetOutcome()
  const target = (workerId: string) => ({ workerId, hostname: workerId, rpcAddress: '', dataAddress: '' })
  const set = {
    obsolete: false,
    namespaceId: 'n',
    pieces: [piece],
    targets: ['a', 'b', 'c'].map(target),
    sources: [],
    verify: true,
  }
  const { crc64, etag = 'multipart-2' } = store
  const file = {
    fileId: store.fileId ?? fileId,
    key: 'k',
    length: bytes.length,
    etag,
    blockSizeBytes: 15,
    blocks: [],
    problem: '',
  }
  let storeReads = 0
  const lease = {
    store: {
      async *read() {
        storeReads += 1
        if (store.unreadable === true) throw new SkeinError('permission_denied', 'no')
        yield bytes
      },
    },
    release: async () => undefined,
  }
  const tally: VerifyTally = await verifySet(
    'L1',
    set,
    outcome,
    {
      master: { refreshFile: async () => ({ file: { ...file, ...(crc64 !== undefined && { crc64 }) } }) },
      cached: {
        async *read({ workerId }, blockId, expected) {
          const block = blocks.get(`${workerId}/${blockId}`)
          if (block === undefined) throw new SkeinError('not_found', 'no such block')
          const lie = lies[`${workerId}/${blockId}`]
          const own = {
            namespaceId: 'n',
            key: 'k',
            etag,
            offset: blockIndexOf(blockId) * 15,
            length: block.length || expected.length,
            ...lie,
          }
          const problem = wrongBlock(own, expected)
          const reason = lie?.durable === true ? 'wrong_durable_block' : 'wrong_block'
          if (problem !== undefined) throw new SkeinError('data_loss', problem, { reason })
          if (block.length === 0) throw new SkeinError('data_loss', 'a page is rotten')
          yield block
        },
        free: async ({ workerId }, blockIds) => void freed.push(...blockIds.map((blockId) => `${workerId}/${blockId}`)),
      },
      stores: { lease: async () => lease as unknown as StoreLease },
      etags,
      clock: hurriedClock,
      random: () => 0,
      logger: silentLogger,
    },
    never,
  )
  storeReadsOfLast = storeReads
  return {
    tally,
    freed,
    failures: outcome.failures.map(({ workerId, blockIndex, code }) => `${workerId} ${blockIndex} ${code}`),
  }
}

const first = (workerId: string): string => `${workerId}/${blockIdOf(fileId, 0)}`

describe('verifying a file', () => {
  it('by CRC-64 over all its blocks, wherever they are', async () => {
    expect(await verify({ crc64: crcOf(bytes) })).toEqual({
      tally: { verified: 1, unverifiable: 0 },
      freed: [],
      failures: [],
    })
  })
  it('by an ETag that is an MD5', async () => {
    const etag = createHash('md5').update(bytes).digest('hex')
    expect((await verify({ etag })).tally).toEqual({ verified: 1, unverifiable: 0 })
    expect(storeReadsOfLast).toBe(0)
    const spoilt = await verify({ etag }, (blocks) => {
      for (const worker of ['a', 'b']) blocks.get(first(worker))?.fill(1)
    })
    expect(spoilt.failures).toHaveLength(5)
    expect(spoilt.freed).toHaveLength(5)
  })
  it('without a checksum compares the heads of its blocks, and its replicas with each other', async () => {
    const none = { etag: 'no-md5' }
    expect((await verify(none)).tally).toEqual({ verified: 0, unverifiable: 1 })
    const differing = await verify(none, (blocks) => blocks.get(first('a'))?.fill(1))
    expect(differing.freed.filter((name) => name.endsWith(String(blockIdOf(fileId, 0))))).toHaveLength(2)
  })
  it('drops nothing for an ETag that the bytes at the store do not have either, and soon asks no more', async () => {
    const etags = new OpaqueEtags()
    const etag = createHash('md5').update('with a key').digest('hex')
    const reads: number[] = []
    for (let file = 0; file < 6; file += 1) {
      const opaque = await verify({ etag }, undefined, etags)
      expect(opaque).toEqual({ tally: { verified: 0, unverifiable: 1 }, freed: [], failures: [] })
      reads.push(storeReadsOfLast)
    }
    expect(reads).toEqual([1, 1, 1, 0, 0, 0])
    // A CRC-64 counts all the same.
    expect((await verify({ etag, crc64: '12345' }, undefined, etags)).failures).toHaveLength(5)
  })
  it('goes on asking where some ETags are MD5s', async () => {
    const etags = new OpaqueEtags()
    const md5 = createHash('md5').update(bytes).digest('hex')
    for (let round = 0; round < 5; round += 1) {
      expect((await verify({ etag: '0'.repeat(32) }, undefined, etags)).tally).toEqual({ verified: 0, unverifiable: 1 })
      expect((await verify({ etag: md5 }, undefined, etags)).tally).toEqual({ verified: 1, unverifiable: 0 })
    }
  })
  it('drops what differs from the bytes at the store, whatever the ETag is', async () => {
    const spoilt = await verify({ etag: '0'.repeat(32) }, (blocks) => {
      for (const worker of ['a', 'b']) blocks.get(first(worker))?.fill(1)
    })
    expect(spoilt.freed).toHaveLength(5)
  })
  it('drops nothing by an ETag alone while the store cannot be read', async () => {
    const unread = await verify({ etag: '0'.repeat(32), unreadable: true })
    expect(unread).toEqual({ tally: { verified: 0, unverifiable: 1 }, freed: [], failures: [] })
  })
  it('drops a block that says it is another one, and leaves the others of its file', async () => {
    for (const lie of [{ etag: 'other' }, { namespaceId: 'm' }, { offset: 15 }]) {
      const mixed = await verify({ crc64: crcOf(bytes) }, (blocks) => void blocks.get(first('a'))?.fill(1), undefined, {
        [first('a')]: lie,
      })
      expect(mixed).toMatchObject({ freed: [first('a')], failures: ['a 0 data_loss'] })
    }
  })
  it('drops no block that may be the only copy of another file', async () => {
    const lies = { [first('a')]: { etag: 'other', durable: true } } as const
    const mixed = await verify({ crc64: crcOf(bytes) }, undefined, undefined, lies)
    expect(mixed).toMatchObject({ freed: [], failures: ['a 0 data_loss'] })
  })
  it('says where there is nothing to compare with', async () => {
    expect(await verify({})).toMatchObject({ tally: { verified: 0, unverifiable: 1 }, failures: [] })
    expect((await verify({ crc64: '1', fileId: fileIdOf(6) })).tally).toEqual({ verified: 0, unverifiable: 1 })
  })
  it('drops every replica where the whole differs, and only the one that differs from the others', async () => {
    const all = await verify({ crc64: '12345' })
    expect(all.failures).toEqual(['a 0 data_loss', 'b 0 data_loss', 'a 1 data_loss', 'b 1 data_loss', 'c 2 data_loss'])
    expect(all.freed).toHaveLength(5)
    const one = await verify({ crc64: crcOf(bytes) }, (blocks) => blocks.get(first('b'))?.fill(1))
    expect(one).toEqual({ tally: { verified: 0, unverifiable: 0 }, freed: [first('b')], failures: ['b 0 data_loss'] })
    const rotten = await verify({ crc64: crcOf(bytes) }, (blocks) => blocks.set(first('b'), Buffer.alloc(0)))
    expect(rotten).toMatchObject({ freed: [first('b')], failures: ['b 0 data_loss'] })
  })
})
