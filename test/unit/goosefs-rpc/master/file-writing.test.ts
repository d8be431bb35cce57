// Why: GooseFS's calls for files that are written, against a real master over a real port. Workers
// are played: what they report and note.
import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockIdOf } from '../../../../src/base/block-id.ts'
import {
  type CompleteFilePOptions,
  type CreateFilePOptions,
  FileSystemMasterClientServiceDefinition as Files,
} from '../../../../src/goosefs-rpc/generated/goosefs/files.ts'
import { fileIdOfNative, nativeBlockId } from '../../../../src/goosefs-rpc/ids/native-ids.ts'
import { fileIdOfUfsPath } from '../../../../src/goosefs-rpc/ids/pending-paths.ts'
import type { NativeClient } from '../../../support/native-client.ts'
import { call, MasterFixture } from '../../cache-master/support/master-fixture.ts'
import { connectNative } from './support/native-master.ts'

let fixture: MasterFixture
let client: NativeClient
const cleanups: (() => Promise<void> | void)[] = []

beforeEach(async () => {
  fixture = await MasterFixture.open()
  cleanups.push(() => fixture.close())
  await fixture.create()
  client = await connectNative(fixture, (undo) => cleanups.push(undo))
})
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

const create = (path: string, options: CreateFilePOptions = {}) =>
  client.call(Files, 'createFile', { path, options: { blockSizeBytes: 4n, recursive: true, ...options } })
const complete = (path: string, options: Partial<CompleteFilePOptions> = {}, inodeId?: bigint) =>
  client.call(Files, 'completeFile', {
    path,
    options: { locations: [], ...options },
    ...(inodeId !== undefined && { inodeId }),
  })
const operation = (low: bigint) => ({
  commonOptions: { operationId: { mostSignificantBits: -(2n ** 63n), leastSignificantBits: low } },
})
const failsWith = (code: number) => ({ code })

/** A worker has these blocks, and said so. */
async function written(fileId: bigint, lengths: readonly number[]): Promise<void> {
  const id = fileIdOfNative(fileId)
  await fixture.worker(
    'w',
    lengths.map((_, index) => blockIdOf(id, index)),
  )
  for (const [blockIndex, length] of lengths.entries())
    await fixture.lifecycle.noteWrittenBlock({ fileId: id, blockIndex, length }, call)
}

async function begun(path: string, options?: CreateFilePOptions): Promise<bigint> {
  return (await create(path, options)).fileInfo?.fileId ?? 0n
}

it('the id of a file completes no other path', async () => {
  const inodeId = await begun('/ns/f')
  await expect(complete('/ns/g', { ufsLength: 0n }, inodeId)).rejects.toMatchObject(failsWith(status.NOT_FOUND))
  await expect(
    client.call(Files, 'commitLocation', {
      path: '/ns/g',
      inodeId,
      blockId: nativeBlockId(fileIdOfNative(inodeId), 0),
    }),
  ).rejects.toMatchObject(failsWith(status.NOT_FOUND))
  await complete('/ns/f', { ufsLength: 0n }, inodeId)
})

describe('CreateFile', () => {
  it('begins a file that nobody sees', async () => {
    await client.login('anna')
    const { fileInfo } = await create('/ns/d/f', { mode: { ownerBits: 7, groupBits: 5, otherBits: 1 } })
    expect(fileInfo).toMatchObject({
      ...{ path: '/ns/d/f', name: 'f', length: 0n, blockSizeBytes: 4n, completed: false, folder: false },
      ...{ cacheable: true, owner: 'anna', mode: 0o640 },
    })
    expect(fileIdOfUfsPath(fileInfo?.ufsPath ?? '')).toBe(fileIdOfNative(fileInfo?.fileId ?? 0n))
    expect(await fixture.keys()).toEqual([])
    await complete('/ns/d/f', { ufsLength: 0n })
    expect(await fixture.stat('/ns/d/f')).toMatchObject({ owner: 'anna', mode: 0o640, length: 0 })
  })

  it('refuses a file that is there, a directory, and a parent that is not', async () => {
    await fixture.write('/ns/d/f', 3)
    await expect(create('/ns/d/f')).rejects.toMatchObject(failsWith(status.ALREADY_EXISTS))
    await expect(create('/ns/d')).rejects.toMatchObject(failsWith(status.ALREADY_EXISTS))
    await expect(create('/ns/no/f', { recursive: false })).rejects.toMatchObject(failsWith(status.NOT_FOUND))
    await create('/ns/d/g', { recursive: false })
    await create('/ns/g', { recursive: false })
    await create('/ns/no/f')
  })

  it.each<[string, CreateFilePOptions]>([
    ['/ns/f', { writeType: 9 }],
    ['/ns/f', { blockSizeBytes: -1n }],
    ['/ns/f', { mode: { ownerBits: 9 } }],
    ['', {}],
    ['ns/f', {}],
    ['/ns/f/', {}],
    ['/ns', {}],
  ])('refuses %s with %o', async (path, options) => {
    await expect(create(path, options)).rejects.toMatchObject(failsWith(status.INVALID_ARGUMENT))
  })

  it('gives up what was begun before at its path, also over a start', async () => {
    const first = await begun('/ns/f')
    await fixture.restart()
    client = await connectNative(fixture, (undo) => cleanups.push(undo))
    const second = await begun('/ns/f')
    expect(second).not.toBe(first)
    await expect(complete('/ns/f', { ufsLength: 0n }, first)).rejects.toMatchObject(failsWith(status.NOT_FOUND))
    await complete('/ns/f', { ufsLength: 0n }, second)
  })

  it('is the same file when the call is sent again', async () => {
    const [first, again] = await Promise.all([begun('/ns/f', operation(1n)), begun('/ns/f', operation(1n))])
    expect(again).toBe(first)
    expect(await begun('/ns/f', operation(2n))).not.toBe(first)
  })

  it('of many at once, the last one is left', async () => {
    const ids = await Promise.all(Array.from({ length: 8 }, () => begun('/ns/f')))
    expect(new Set(ids).size).toBe(8)
    const ended = await Promise.allSettled(ids.map((id) => complete('/ns/f', { ufsLength: 0n }, id)))
    expect(ended.filter((one) => one.status === 'fulfilled').length).toBe(1)
  })
})

describe('CompleteFile', () => {
  it('by id and by path, with the length that came and no other', async () => {
    const byId = await begun('/ns/a')
    await written(byId, [4, 4, 1])
    for (const ufsLength of [0n, 4n, 8n, 10n])
      await expect(complete('/ns/a', { ufsLength }, byId)).rejects.toMatchObject(failsWith(status.FAILED_PRECONDITION))
    await expect(complete('/ns/a', { ufsLength: -1n }, byId)).rejects.toMatchObject(failsWith(status.INVALID_ARGUMENT))
    await complete('/ns/a', { ufsLength: 9n }, byId)
    await complete('/ns/a', { ufsLength: 9n }, byId)
    await written(await begun('/ns/b'), [4, 2])
    await complete('/ns/b')
    expect((await fixture.stat('/ns/a')).length).toBe(9)
    expect((await fixture.stat('/ns/b')).length).toBe(6)
    await expect(complete('/ns/b')).rejects.toMatchObject(failsWith(status.NOT_FOUND))
  })

  it('sent again succeeds again, also without an id', async () => {
    await written(await begun('/ns/f'), [4])
    await complete('/ns/f', operation(7n))
    await complete('/ns/f', operation(7n))
    await expect(complete('/ns/f', operation(8n))).rejects.toMatchObject(failsWith(status.NOT_FOUND))
  })

  it('keeps the checksum', async () => {
    const id = await begun('/ns/f')
    await expect(complete('/ns/f', { crcType: 2, crcValue: 2n ** 32n }, id)).rejects.toMatchObject(
      failsWith(status.INVALID_ARGUMENT),
    )
    await complete('/ns/f', { ufsLength: 0n, crcType: 2, crcValue: 4294967295n }, id)
    const { file } = await fixture.lifecycle.completeFile({ fileId: fileIdOfNative(id), length: 0 }, call)
    expect(file?.clientMetadata?.values).toEqual({ 'goosefs-crc-type': '2', 'goosefs-crc-value': '4294967295' })
  })

  it.each([
    [undefined, 'NOT_PERSISTED'],
    [1, 'NOT_PERSISTED'],
    [2, 'NOT_PERSISTED'],
    [5, 'TO_BE_PERSISTED'],
    [3, 'PERSISTED'],
  ])('with write type %s, the file is %s', async (writeType, state) => {
    const id = await begun('/ns/f', writeType === undefined ? {} : { writeType })
    await written(id, [4, 1])
    await complete('/ns/f', { ufsLength: 5n }, id)
    expect((await fixture.stat('/ns/f')).persistenceState).toBe(state)
  })

  it('says so when the store does not take it, and again when it is sent again', async () => {
    const id = await begun('/ns/f', { writeType: 3 })
    await written(id, [4])
    fixture.persistFailure = new Error('the store is full')
    const options = { ufsLength: 4n, ...operation(3n) }
    for (let times = 0; times < 2; times += 1)
      await expect(complete('/ns/f', options, id)).rejects.toMatchObject(failsWith(status.UNAVAILABLE))
    fixture.persistFailure = undefined
    await complete('/ns/f', options, id)
    expect((await fixture.stat('/ns/f')).persistenceState).toBe('PERSISTED')
  })

  it('of THROUGH needs the object; an empty file needs none', async () => {
    await begun('/ns/f', { writeType: 4 })
    await expect(complete('/ns/f', { ufsLength: 4n })).rejects.toMatchObject(failsWith(status.FAILED_PRECONDITION))
    await begun('/ns/empty', { writeType: 4 })
    await fixture.worker('w')
    await complete('/ns/empty', { ufsLength: 0n })
    expect((await fixture.stat('/ns/empty')).persistenceState).toBe('PERSISTED')
  })

  it('after a start of the master says that the file must be written again', async () => {
    await written(await begun('/ns/f'), [4])
    await fixture.restart()
    client = await connectNative(fixture, (undo) => cleanups.push(undo))
    await expect(complete('/ns/f', { ufsLength: 4n })).rejects.toThrow(/write the file again/)
    expect(await fixture.keys()).toEqual([])
  })
})

describe('the other calls', () => {
  it('RemoveBlocks gives up the file, and leaves complete ones', async () => {
    const id = await begun('/ns/f')
    await written(id, [4, 4])
    const other = await begun('/ns/done')
    await written(other, [4])
    await complete('/ns/done', {}, other)
    const blocksOf = (file: bigint): bigint => nativeBlockId(fileIdOfNative(file), 0)
    await client.call(Files, 'removeBlocks', { blockIds: [blocksOf(id), blocksOf(other), 5n << 24n] })
    await expect(complete('/ns/f', { ufsLength: 8n }, id)).rejects.toMatchObject(failsWith(status.NOT_FOUND))
    expect(await fixture.stat('/ns/done')).toMatchObject({ length: 4, cachedBytes: 4 })
    await expect(client.call(Files, 'removeBlocks', { blockIds: [-1n] })).rejects.toMatchObject(
      failsWith(status.INVALID_ARGUMENT),
    )
  })

  it('CommitLocation wants a file that is being written, and its block', async () => {
    const inodeId = await begun('/ns/f')
    const blockId = nativeBlockId(fileIdOfNative(inodeId), 0)
    await client.call(Files, 'commitLocation', { path: '/ns/f', inodeId, blockId })
    await client.call(Files, 'commitLocation', { path: '/ns/f', blockId })
    await expect(client.call(Files, 'commitLocation', { path: '/ns/f', inodeId })).rejects.toMatchObject(
      failsWith(status.INVALID_ARGUMENT),
    )
    await expect(client.call(Files, 'commitLocation', { path: '/ns/g', blockId })).rejects.toMatchObject(
      failsWith(status.NOT_FOUND),
    )
  })

  it('ScheduleAsyncPersistence writes a file to the store without being waited for', async () => {
    const id = await begun('/ns/f')
    await written(id, [4])
    await complete('/ns/f', {}, id)
    await client.call(Files, 'scheduleAsyncPersistence', { path: '/ns/f' })
    await fixture.until(async () => (await fixture.stat('/ns/f')).persistenceState === 'PERSISTED')
    await client.call(Files, 'scheduleAsyncPersistence', { path: '/ns/f' })
    await expect(client.call(Files, 'scheduleAsyncPersistence', { path: '/ns/no' })).rejects.toMatchObject(
      failsWith(status.NOT_FOUND),
    )
  })
})
