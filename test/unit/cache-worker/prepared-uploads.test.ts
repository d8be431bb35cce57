// Why: an upload that is held must become an object exactly when it is asked for, and go in time.
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { PreparedUploads, type UploadLimits } from '../../../src/cache-worker/uploads/prepared-uploads.ts'
import { silentLogger } from '../../../src/telemetry/logger.ts'
import { mebibyte } from '../../conformance/support/block-store-fixture.ts'
import { testBytes } from '../../conformance/support/under-file-system-suite.ts'
import type { OriginBucket } from '../../support/origin/bucket.ts'
import { type Origin, startOrigin } from '../../support/origin/server.ts'
import { openS3, plainDefaults, testCredential } from '../../support/origin/stores.ts'

const signal = new AbortController().signal
const fileId = fileIdOf(7)
const file = { fileId, namespaceId: 'n', key: 'dir/f', metadata: { contentType: 'text/plain' } }
let origin: Origin
let bucket: OriginBucket
let uploads: PreparedUploads

const open = (limits: Partial<UploadLimits> = {}): PreparedUploads =>
  new PreparedUploads({
    openStore: () => openS3(origin.url, 's3://data', testCredential, plainDefaults),
    ...{ clock: systemClock, logger: silentLogger, limits },
  })
beforeEach(async () => {
  origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
  bucket = origin.bucket('data')
  uploads = open()
})
afterEach(async () => {
  await uploads.close()
  await origin.close()
})

const prepare = async (bytes: Uint8Array, one = file) => {
  const upload = await uploads.begin(one, signal)
  await upload.write(bytes)
  await upload.prepare()
}
const finish = (length: number, more: { fileId?: number; key?: string } = {}) =>
  uploads.finish({ fileId, namespaceId: 'n', key: 'dir/f', length, overwrite: false, ...more }, signal)
const lost = { code: 'failed_precondition', reason: 'upload_lost' }

it.each([0, 1000, 9 * mebibyte])('is an object when that is asked for, once or twice (%i bytes)', async (length) => {
  await prepare(testBytes(1, length))
  expect(bucket.get('dir/f')).toBeUndefined()
  const [first, second] = await Promise.all([finish(length), finish(length)])
  expect(second).toEqual(first)
  expect(await finish(length)).toEqual(first)
  expect(bucket.get('dir/f')?.size).toBe(length)
  await uploads.abandon(fileId)
  expect(bucket.get('dir/f')).toBeDefined()
  expect(bucket.uploads.count).toBe(0)
})

it('is asked for by what it is only', async () => {
  await expect(finish(5)).rejects.toMatchObject(lost)
  const writing = await uploads.begin(file, signal)
  await writing.write(Buffer.from('hello'))
  await expect(finish(5)).rejects.toMatchObject(lost)
  await writing.prepare()
  await expect(finish(4)).rejects.toMatchObject(lost)
  await expect(finish(5, { key: 'dir/g' })).rejects.toMatchObject(lost)
  await expect(finish(5, { fileId: fileIdOf(8) })).rejects.toMatchObject(lost)
  await finish(5)
})

it('is one of its file, and only so many are held', async () => {
  await uploads.close()
  uploads = open({ heldMax: 2, writingMax: 1 })
  await prepare(Buffer.from('x'))
  await expect(uploads.begin(file, signal)).rejects.toMatchObject({ code: 'already_exists' })
  const writing = await uploads.begin({ ...file, fileId: fileIdOf(8) }, signal)
  await expect(uploads.begin({ ...file, fileId: fileIdOf(9) }, signal)).rejects.toMatchObject({
    code: 'resource_exhausted',
  })
  await finish(1)
  // Nobody else writes meanwhile.
  const waiting = uploads.begin({ ...file, fileId: fileIdOf(9) }, signal)
  await writing.giveUp()
  await (await waiting).giveUp()
})

it('goes when it is abandoned, when its time is over, and with the worker', async () => {
  await prepare(testBytes(1, 9 * mebibyte))
  await uploads.abandon(fileId)
  expect(bucket.uploads.count).toBe(0)
  await expect(finish(9 * mebibyte)).rejects.toMatchObject(lost)
  const writing = await uploads.begin(file, signal)
  await writing.write(testBytes(1, 9 * mebibyte))
  await uploads.abandon(fileId)
  await expect(writing.write(Buffer.from('x'))).rejects.toMatchObject({ code: 'cancelled' })
  await writing.giveUp()
  await prepare(testBytes(1, 9 * mebibyte))
  expect(bucket.uploads.count).toBe(1)
  await uploads.close()
  expect(bucket.uploads.count).toBe(0)
  uploads = open({ heldMs: 1 })
  await prepare(testBytes(1, 9 * mebibyte))
  await vi.waitFor(() => expect(bucket.uploads.count).toBe(0), { timeout: 20_000 })
  await vi.waitFor(() => expect(finish(9 * mebibyte)).rejects.toMatchObject(lost), { timeout: 20_000 })
  expect(bucket.get('dir/f')).toBeUndefined()
})

it('is held on when the store refuses', async () => {
  await prepare(testBytes(1, 9 * mebibyte))
  bucket.put('dir/f', Buffer.from('theirs'))
  await expect(finish(9 * mebibyte)).rejects.toMatchObject({ code: 'already_exists' })
  bucket.delete('dir/f')
  await finish(9 * mebibyte)
  expect(bucket.get('dir/f')?.size).toBe(9 * mebibyte)
})
