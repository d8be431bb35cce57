import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blockCount, blockIdOf, blockLength, fileIdOf } from '../../../src/base/block-id.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import type { BlockStore } from '../../../src/block/block-store.ts'
import { createDataHandlers } from '../../../src/cache-worker/data-handlers.ts'
import { createPersistService, type PersistServiceParts } from '../../../src/cache-worker/reads/object-persister.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { DataClient } from '../../../src/wire/data/data-client.ts'
import { type RunningDataServer, startDataServer } from '../../../src/wire/data/data-server.ts'
import type { PersistFileRequest } from '../../../src/wire/generated/lifecycle.ts'
import { bytesOf, mebibyte, storeDependencies, temporaryFolder } from '../../conformance/support/block-store-fixture.ts'
import { openBlockStore } from '../../../src/block/assembly/multi-directory-store.ts'
import type { OriginBucket } from '../../support/origin/bucket.ts'
import { type Origin, startOrigin } from '../../support/origin/server.ts'
import { openS3, plainDefaults, testCredential } from '../../support/origin/stores.ts'

const signal = new AbortController().signal
const fileId = fileIdOf(77)
const blockSizeBytes = 2 * mebibyte

/** A worker's blocks behind a data port. */
interface House {
  readonly store: BlockStore
  readonly server: RunningDataServer
}

describe('persisting a file', () => {
  let origin: Origin
  let bucket: OriginBucket
  let houses: House[]
  let data: DataClient
  let service: PersistServiceParts
  let cleanups: (() => Promise<unknown> | void)[]
  let credential = testCredential
  let opens = 0

  const openHouse = async (index: number): Promise<House> => {
    const folder = await temporaryFolder()
    const deps = storeDependencies()
    const directories = [{ path: folder.path, tier: 'SSD', mediumType: 'SSD', quotaBytes: 64 * mebibyte }]
    const store = await openBlockStore({ directories, workerId: `worker-${index}`, ...deps })
    const readStore = (): never => {
      throw new SkeinError('unimplemented', 'not used')
    }
    const handlers = createDataHandlers({ store, metrics: deps.metrics, clock: systemClock, readStore })
    const server = await startDataServer({
      host: '127.0.0.1',
      port: 0,
      handlers,
      logger: silentLogger,
      clock: systemClock,
    })
    cleanups.push(
      folder.remove,
      () => store.close(),
      () => server.close(0),
    )
    return { store, server }
  }

  beforeEach(async () => {
    cleanups = []
    credential = testCredential
    opens = 0
    origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
    bucket = origin.bucket('data')
    cleanups.push(() => origin.close())
    houses = [await openHouse(0), await openHouse(1), await openHouse(2)]
    data = new DataClient({ clock: systemClock })
    service = createPersistService({
      uploads: { finish: () => Promise.reject(new Error('not used')), abandon: async () => undefined },
      store: houses[0]!.store,
      data,
      openStore: (namespaceId) => {
        if (namespaceId !== 'ns-1')
          return Promise.reject(new SkeinError('not_found', `there is no namespace ${namespaceId}`))
        opens += 1
        return openS3(origin.url, 's3://data/base', credential, plainDefaults)
      },
      clock: systemClock,
      logger: silentLogger,
      limits: { storeRenewPauseMs: 0 },
    })
    cleanups.push(() => {
      data.close()
      return service.close()
    })
  })
  afterEach(async () => {
    for (const cleanup of cleanups.toReversed()) await cleanup()
  })

  /**
   * Puts the file's blocks into the houses that `where` names for each, and gives the request that
   * names those.
   */
  const cache = async (bytes: Buffer, where: (index: number) => readonly number[]): Promise<PersistFileRequest> => {
    const blocks = []
    for (let index = 0; index < blockCount(bytes.length, blockSizeBytes); index += 1) {
      const length = blockLength(bytes.length, blockSizeBytes, index)
      const offset = index * blockSizeBytes
      const header = {
        blockId: blockIdOf(fileId, index),
        length,
        namespaceId: 'ns-1',
        key: 'dir/file',
        etag: '',
        offset,
        durable: true,
      }
      for (const house of where(index)) await houses[house]!.store.put(header, bytes.subarray(offset, offset + length))
      blocks.push({ dataAddresses: where(index).map((house) => houses[house]!.server.address) })
    }
    return {
      namespaceId: 'ns-1',
      key: 'dir/file',
      fileId,
      length: bytes.length,
      blockSizeBytes,
      blocks,
      overwrite: false,
    }
  }
  const persist = (request: PersistFileRequest) => service.service.persistFile(request, { signal })
  const key = 'base/dir/file'

  it.each([0, 1, 2 * mebibyte, 7 * mebibyte + 3, 21 * mebibyte])(
    'writes %i bytes that lie on several workers',
    async (length) => {
      const bytes = bytesOf(length, 1)
      const answer = await persist(await cache(bytes, (index) => [index % 3]))
      expect(bytes.equals(bucket.bytesOf(key))).toBe(true)
      expect(answer).toEqual({ etag: bucket.get(key)?.etag, modifiedMs: bucket.get(key)?.modifiedMs })
      expect(bucket.uploads.count).toBe(0)
    },
  )

  it.each([1000, 21 * mebibyte])('stores what was given with the file (%i bytes)', async (length) => {
    const request = await cache(bytesOf(length, 9), () => [0])
    const userMetadata = { values: { project: 'x', empty: '' } }
    await persist({ ...request, contentType: 'text/plain', userMetadata })
    const headers = { 'content-type': 'text/plain', 'x-amz-meta-project': 'x', 'x-amz-meta-empty': '' }
    expect(bucket.get(key)?.metadata).toEqual(headers)
    await expect(persist({ ...request, userMetadata: { values: { 'a\r\nb': '' } } })).rejects.toMatchObject({
      code: 'invalid_argument',
    })
  })

  it('takes another replica when one is lost, broken or unreachable', async () => {
    const bytes = bytesOf(7 * mebibyte, 2)
    const request = await cache(bytes, () => [0, 1, 2])
    await houses[0]!.store.free(blockIdOf(fileId, 0))
    await houses[1]!.store.free(blockIdOf(fileId, 0))
    await houses[0]!.store.free(blockIdOf(fileId, 1))
    await houses[1]!.server.close(0)
    await persist(request)
    expect(bytes.equals(bucket.bytesOf(key))).toBe(true)
  })

  it('writes nothing when a block is nowhere', async () => {
    const request = await cache(bytesOf(21 * mebibyte, 3), () => [1])
    await houses[1]!.store.free(blockIdOf(fileId, 9))
    await expect(persist(request)).rejects.toMatchObject({ code: 'not_found' })
    expect(bucket.get(key)).toBeUndefined()
    expect(bucket.uploads.count).toBe(0)
  })

  it('writes nothing of a block that carries another key, wherever it lies', async () => {
    const bytes = bytesOf(3 * mebibyte, 4)
    const mine = { ...(await cache(bytes, () => [0])), key: 'dir/moved' }
    const far = { ...(await cache(bytes, () => [1])), key: 'dir/moved' }
    for (const request of [mine, far])
      await expect(persist({ ...request, blockKey: 'dir/other' })).rejects.toMatchObject({
        code: 'data_loss',
        message: expect.stringContaining("its key is 'dir/file', not 'dir/other'"),
      })
    expect(bucket.get('base/dir/moved')).toBeUndefined()
    await persist({ ...far, blockKey: 'dir/file' })
    expect(bytes.equals(bucket.bytesOf('base/dir/moved'))).toBe(true)
  })

  it('changes nothing the second time', async () => {
    const bytes = bytesOf(5 * mebibyte, 4)
    const request = await cache(bytes, () => [0])
    const first = await persist(request)
    const version = bucket.get(key)?.version
    expect(await persist(request)).toEqual(first)
    expect(bucket.get(key)?.version).toBe(version)
    expect(origin.counters.requests.put).toBe(1)
  })

  it('does not replace another object unless it may', async () => {
    const bytes = bytesOf(3 * mebibyte, 5)
    const other = Buffer.from(bytes)
    other[bytes.length - 1]! ^= 1
    const request = await cache(bytes, () => [0])
    for (const there of [other, other.subarray(1)]) {
      bucket.put(key, there)
      await expect(persist(request)).rejects.toMatchObject({ code: 'already_exists' })
      expect(there.equals(bucket.bytesOf(key))).toBe(true)
    }
    await persist({ ...request, overwrite: true })
    expect(bytes.equals(bucket.bytesOf(key))).toBe(true)
  })

  it('replaces one version, finds it replaced when it is asked again, and keeps what others wrote', async () => {
    const bytes = bytesOf(3 * mebibyte, 5)
    const request = { ...(await cache(bytes, () => [0])), overwrite: true }
    bucket.put(key, Buffer.from('old'))
    const replacedEtag = bucket.get(key)?.etag ?? ''
    const first = await persist({ ...request, replacedEtag })
    expect(bytes.equals(bucket.bytesOf(key))).toBe(true)
    // The answer was lost.
    expect(await persist({ ...request, replacedEtag })).toEqual(first)
    const theirs = Buffer.from(bytes)
    theirs[0]! ^= 1
    for (const there of [theirs, theirs.subarray(1)]) {
      bucket.put(key, there)
      await expect(persist({ ...request, replacedEtag })).rejects.toMatchObject({
        code: 'aborted',
        reason: 'object_changed',
        retryable: false,
        message: expect.stringContaining('another client changed "dir/file"'),
      })
      expect(there.equals(bucket.bytesOf(key))).toBe(true)
    }
    bucket.delete(key)
    await persist({ ...request, replacedEtag })
    expect(bytes.equals(bucket.bytesOf(key))).toBe(true)
  })

  it('opens a store anew that refuses our secrets', async () => {
    const request = await cache(bytesOf(100, 6), () => [0])
    credential = { ...testCredential, secretAccessKey: 'old' }
    const first = persist(request)
    await expect.poll(() => opens).toBe(1)
    credential = testCredential
    await first
    expect(opens).toBe(2)
    expect(bucket.get(key)?.size).toBe(100)
  })

  it('leaves nothing when it is cancelled', async () => {
    const request = await cache(bytesOf(21 * mebibyte, 7), () => [1])
    const stop = new AbortController()
    origin.faults.add({ kind: 'silent', on: 'part', times: 100 })
    const writing = service.service.persistFile(request, { signal: stop.signal })
    await expect.poll(() => origin.faults.applied.silent ?? 0).toBeGreaterThan(0)
    stop.abort(new SkeinError('cancelled', 'stop'))
    await expect(writing).rejects.toMatchObject({ code: 'cancelled' })
    expect(bucket.get(key)).toBeUndefined()
    expect(bucket.uploads.count).toBe(0)
  })

  it('refuses what is no file', async () => {
    const request = await cache(bytesOf(3 * mebibyte, 8), () => [0])
    for (const wrong of [
      { ...request, key: 'a/../b' },
      { ...request, key: '' },
      { ...request, length: 5 * mebibyte },
      { ...request, blockSizeBytes: 0 },
      { ...request, blocks: [] },
    ])
      await expect(persist(wrong)).rejects.toMatchObject({ code: 'invalid_argument' })
    await expect(persist({ ...request, namespaceId: 'other' })).rejects.toMatchObject({ code: 'not_found' })
    expect(bucket.sortedKeys).toEqual([])
  })
})
