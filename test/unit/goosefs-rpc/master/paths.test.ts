// Why: GooseFS's calls on files, directories, namespaces and workers, against a real master over a
// real port.
import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type FileInfo,
  FileSystemMasterClientServiceDefinition as Files,
  type FileSystemMasterCommonPOptions,
} from '../../../../src/goosefs-rpc/generated/goosefs/files.ts'
import * as workerMessages from '../../../../src/goosefs-rpc/generated/goosefs/workers.ts'
import { fileIdOfNative, nativeBlockId, nativeWorkerId } from '../../../../src/goosefs-rpc/ids/native-ids.ts'
import type { NativeClient } from '../../../support/native-client.ts'
import { MasterFixture } from '../../cache-master/support/master-fixture.ts'
import { connectNative } from './support/native-master.ts'

const Workers = workerMessages.WorkerManagerMasterClientServiceDefinition
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

const statusOf = async (path: string): Promise<FileInfo | undefined> =>
  (await client.call(Files, 'getStatus', { path })).fileInfo
const failsWith = (code: number, details = ''): object => ({
  code,
  details: expect.stringContaining(details) as string,
})
let operations = 0n
const operation = (): { commonOptions: FileSystemMasterCommonPOptions } => {
  operations += 1n
  return { commonOptions: { operationId: { mostSignificantBits: -1n, leastSignificantBits: operations } } }
}
async function listed(path: string): Promise<string[]> {
  const stream = client.open(Files, 'listStatus')
  stream.send({ path })
  stream.end()
  return (await stream.rest()).flatMap(({ fileInfos }) => fileInfos.map((info) => info.path ?? ''))
}
const makeDirectory = (path: string, recursive = true, allowExists = true) =>
  client.call(Files, 'createDirectory', { path, options: { recursive, allowExists, ...operation() } })
const remove = (path: string, recursive = false, options = operation()) =>
  client.call(Files, 'remove', { path, options: { recursive, ...options } })
const rename = (path: string, dstPath: string, options = operation()) =>
  client.call(Files, 'rename', { path, dstPath, options })

describe('GetStatus', () => {
  it('names every block of a file, and who has it', async () => {
    const fileId = await fixture.write('/ns/d/f', 10)
    const info = await statusOf('/ns/d/f')
    expect(info).toMatchObject({
      path: '/ns/d/f',
      name: 'f',
      length: 10n,
      completed: true,
      folder: false,
      cacheable: true,
    })
    expect(fileIdOfNative(info?.fileId ?? 0n)).toBe(fileId)
    const size = Number(info?.blockSizeBytes)
    expect(info?.fileBlockInfos.map(({ offset }) => Number(offset))).toEqual(
      Array.from({ length: Math.ceil(10 / size) }, (_, index) => index * size),
    )
    expect(info?.blockIds).toEqual(info?.fileBlockInfos.map((_, index) => nativeBlockId(fileId, index)))
    for (const { blockInfo } of info?.fileBlockInfos ?? []) expect(blockInfo?.locations).toHaveLength(1)
  })

  it('an empty file has no block, and its length is sent', async () => {
    await fixture.write('/ns/empty', 0)
    expect(await statusOf('/ns/empty')).toMatchObject({ length: 0n, fileBlockInfos: [], blockIds: [] })
  })

  it('of directories: with and without a slash at the end, and of the root', async () => {
    await fixture.write('/ns/d/f', 1)
    for (const path of ['/ns/d', '/ns/d/', '/ns', '/'])
      expect(await statusOf(path)).toMatchObject({ folder: true, completed: true, path: path.replace(/(.)\/$/, '$1') })
    expect(await statusOf('/ns')).toMatchObject({ mountPoint: true, name: 'ns' })
  })

  it('what writes below a directory do is told, if the namespace says', async () => {
    await fixture.create('through', 's3://other', { writePolicy: 'CACHE_THROUGH' })
    const info = await statusOf('/through')
    expect(Buffer.from(info?.xattr['innerWriteType'] ?? []).toString()).toBe('CACHE_THROUGH')
  })

  it.each(['', 'ns/f', '/ns/../x', '/nothing/f', '/ns/nothing'])('refuses %j', async (path) => {
    const code = path.startsWith('/n') && !path.includes('..') ? status.NOT_FOUND : status.INVALID_ARGUMENT
    await expect(statusOf(path)).rejects.toMatchObject({ code })
  })

  it('of many paths: those that are not there are named', async () => {
    await fixture.write('/ns/f', 1)
    const { fileInfos, failedPaths } = await client.call(Files, 'getStatusBatch', { paths: ['/ns/f', '/ns/no', ''] })
    expect([fileInfos.map(({ path }) => path), failedPaths]).toEqual([['/ns/f'], ['/ns/no', '']])
    const paths = Array.from({ length: 1001 }, () => '/ns/f')
    await expect(client.call(Files, 'getStatusBatch', { paths })).rejects.toMatchObject(
      failsWith(status.INVALID_ARGUMENT),
    )
  })
})

describe('ListStatus', () => {
  it('names children only; a file is its own', async () => {
    for (const path of ['/ns/d/a', '/ns/d/b/c', '/ns/e']) await fixture.write(path, 1)
    expect(await listed('/ns/d')).toEqual(['/ns/d/a', '/ns/d/b'])
    expect(await listed('/ns/d/')).toEqual(['/ns/d/a', '/ns/d/b'])
    expect(await listed('/ns/e')).toEqual(['/ns/e'])
    const stream = client.open(Files, 'listStatus')
    stream.send({ path: '/ns/d' })
    stream.end()
    const infos = (await stream.rest()).flatMap(({ fileInfos }) => fileInfos)
    const named = await Promise.all(['/ns/d/a', '/ns/d/b'].map(async (path) => (await statusOf(path))?.blockIds))
    expect([infos.map(({ blockIds }) => blockIds), named[0]?.length]).toEqual([named, 1])
    await makeDirectory('/ns/none')
    expect(await listed('/ns/none')).toEqual([])
    await expect(listed('/ns/missing')).rejects.toMatchObject(failsWith(status.NOT_FOUND))
  })

  it('has several messages where there are many entries', async () => {
    const names = Array.from({ length: 1203 }, (_, index) => `/ns/many/${String(index).padStart(5, '0')}`)
    for (const name of names) await makeDirectory(name)
    const stream = client.open(Files, 'listStatus')
    stream.send({ path: '/ns/many' })
    stream.end()
    const messages = await stream.rest()
    expect(messages.length).toBeGreaterThan(1)
    expect(messages.flatMap(({ fileInfos }) => fileInfos.map(({ path }) => path))).toEqual(names)
  })
})

describe('changes', () => {
  it('directories: with parents or not, once or again', async () => {
    await client.login('anna')
    await expect(makeDirectory('/ns/a/b', false)).rejects.toMatchObject(failsWith(status.NOT_FOUND, '/ns/a'))
    await makeDirectory('/ns/a', false)
    await makeDirectory('/ns/a/b/c')
    await makeDirectory('/ns/a/b/c')
    await expect(makeDirectory('/ns/a', true, false)).rejects.toMatchObject(failsWith(status.ALREADY_EXISTS))
    await fixture.write('/ns/f', 1)
    await expect(makeDirectory('/ns/f')).rejects.toMatchObject(failsWith(status.ALREADY_EXISTS))
    await expect(makeDirectory('/ns/f/g', false)).rejects.toMatchObject(failsWith(status.FAILED_PRECONDITION))
    expect(await statusOf('/ns/a')).toMatchObject({ owner: 'anna' })
  })

  it('a rename keeps the file, and takes nothing away', async () => {
    const fileId = await fixture.write('/ns/f', 1)
    await fixture.write('/ns/g', 1)
    await makeDirectory('/ns/d')
    for (const to of ['/ns/g', '/ns/d'])
      await expect(rename('/ns/f', to)).rejects.toMatchObject(failsWith(status.ALREADY_EXISTS))
    await expect(rename('/ns/no', '/ns/x')).rejects.toMatchObject(failsWith(status.NOT_FOUND))
    const again = operation()
    await rename('/ns/f', '/ns/d/f', again)
    await rename('/ns/f', '/ns/d/f', again)
    expect(fileIdOfNative((await statusOf('/ns/d/f'))?.fileId ?? 0n)).toBe(fileId)
  })

  it('a removal of what is not empty says so, and one that is sent again is answered as the first', async () => {
    await fixture.write('/ns/d/f', 1)
    await expect(remove('/ns/d')).rejects.toMatchObject(failsWith(status.FAILED_PRECONDITION, 'is not empty'))
    const again = operation()
    await Promise.all([remove('/ns/d', true, again), remove('/ns/d', true, again)])
    await remove('/ns/d', true, again)
    await expect(remove('/ns/d', true)).rejects.toMatchObject(failsWith(status.NOT_FOUND))
  })

  it('a file that is being written can be removed', async () => {
    const path = '/ns/f'
    await client.call(Files, 'createFile', { path, options: { blockSizeBytes: 4n, recursive: true } })
    await remove(path)
    await expect(remove(path)).rejects.toMatchObject(failsWith(status.NOT_FOUND))
    await expect(
      client.call(Files, 'completeFile', { path, options: { locations: [], ufsLength: 0n } }),
    ).rejects.toMatchObject(failsWith(status.NOT_FOUND))
  })

  it('owner, group and mode', async () => {
    await fixture.write('/ns/d/f', 1)
    const options = { owner: 'anna', group: 'staff', mode: { ownerBits: 7, groupBits: 5, otherBits: 1 } }
    await client.call(Files, 'setAttribute', { path: '/ns/d', options: { ...options, recursive: true } })
    for (const path of ['/ns/d', '/ns/d/f'])
      expect(await statusOf(path)).toMatchObject({ owner: 'anna', group: 'staff', mode: 0o640 })
    await expect(
      client.call(Files, 'setAttribute', { path: '/ns/d', options: { mode: { ownerBits: 12 } } }),
    ).rejects.toMatchObject(failsWith(status.INVALID_ARGUMENT))
    await expect(
      client.call(Files, 'setAttribute', { path: '/ns/d', options: { writePType: 3 } }),
    ).rejects.toMatchObject(failsWith(status.UNIMPLEMENTED))
  })

  it('persists a file, and frees it', async () => {
    await fixture.write('/ns/d/f', 1)
    await client.call(Files, 'setAttribute', { path: '/ns/d/f', options: { persisted: true } })
    expect(await statusOf('/ns/d/f')).toMatchObject({ persisted: true, persistenceState: 'PERSISTED' })
    await expect(client.call(Files, 'free', { path: '/ns/d' })).rejects.toMatchObject(
      failsWith(status.FAILED_PRECONDITION, 'Is a directory'),
    )
    await client.call(Files, 'free', { path: '/ns/d', options: { recursive: true } })
    expect(await statusOf('/ns/d/f')).toMatchObject({ inGooseFSPercentage: 0, length: 1n })
  })
})

describe('namespaces', () => {
  it('are mounted below the root, told, and removed', async () => {
    const options = { properties: { secretKey: 'hidden', region: 'x' }, readOnly: true }
    await client.call(Files, 'mount', { goosefsPath: '/cold', ufsPath: 's3://cold/data', options })
    const { mountPoints } = await client.call(Files, 'getMountTable', {})
    expect(mountPoints['/cold']).toMatchObject({ ufsUri: 's3://cold/data', ufsType: 's3', readOnly: true })
    expect(JSON.stringify(mountPoints, (_, value: unknown) => String(value))).not.toContain('hidden')
    expect(await client.call(Files, 'statNamespace', { namespace: 'cold' })).toMatchObject({
      fileInfo: { path: '/cold', folder: true, mountPoint: true },
    })
    await client.call(Files, 'unmount', { goosefsPath: '/cold' })
    await expect(statusOf('/cold')).rejects.toMatchObject(failsWith(status.NOT_FOUND))
  })

  it('are made with the policies of the call', async () => {
    const options = { writePType: 3, readPType: 1, properties: {} }
    await client.call(Files, 'createNamespace', { namespace: 'n2', ufsPath: 's3://n2', options })
    const { namespaces } = await fixture.service.listNamespaces({}, { signal: new AbortController().signal })
    expect(namespaces.find(({ name }) => name === 'n2')?.attributes).toMatchObject({
      writePolicy: 'CACHE_THROUGH',
      readPolicy: 'NO_CACHE',
    })
    const stream = client.open(Files, 'listNamespace')
    stream.send({})
    stream.end()
    expect((await stream.rest()).flatMap(({ fileInfo }) => fileInfo.map(({ path }) => path))).toEqual(['/n2', '/ns'])
    await client.call(Files, 'deleteNamespace', { namespace: 'n2' })
  })

  it.each(['/ns/deep', 'x', ''])('nothing is mounted at %j', async (goosefsPath) => {
    await expect(client.call(Files, 'mount', { goosefsPath, ufsPath: 's3://x' })).rejects.toMatchObject(
      failsWith(status.INVALID_ARGUMENT),
    )
  })
})

describe('workers', () => {
  it('a client waits until there is one', async () => {
    const asked = client.call(Workers, 'getWorkerInfoList', {})
    await fixture.worker('w1')
    const { workerInfos } = await asked
    expect(workerInfos).toHaveLength(1)
    expect(workerInfos[0]).toMatchObject({ id: nativeWorkerId('w1'), alive: true, state: 1, forbidWrite: false })
    expect(workerInfos[0]?.address?.rpcPort).toBeGreaterThan(0)
    expect(workerInfos[0]?.virtualNodeNum).toBeUndefined()
  })

  it('sums and reports', async () => {
    await fixture.worker('w1')
    await fixture.worker('w2')
    const { bytes } = await client.call(Workers, 'getCapacityBytes', {})
    expect(bytes).toBeGreaterThan(0n)
    expect(await client.call(Workers, 'getWorkerManagerMasterInfo', { filters: [] })).toMatchObject({
      workerManagerMasterInfo: { capacityBytes: bytes, liveWorkerNum: 2, lostWorkerNum: 0 },
    })
    const report = await client.call(Workers, 'getWorkerReport', { addresses: [], fieldRanges: [], workerRange: 3 })
    expect(report.workerInfos).toEqual([])
  })
})
