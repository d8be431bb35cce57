// Why: an upload of unknown length meets stores that are not well, and definitions that change.
import { expect, it, vi } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { FollowedUpload } from '../../../src/ufs/followed-upload.ts'
import { growingPartBytes, PartBuffer } from '../../../src/ufs/s3/part-buffer.ts'
import { readObject } from '../../conformance/support/under-file-system-writes.ts'
import { testBytes } from '../../conformance/support/under-file-system-suite.ts'
import { startOrigin } from '../../support/origin/server.ts'
import { openS3, plainDefaults, testCredential, testDependencies } from '../../support/origin/stores.ts'

const mebibyte = 1024 * 1024
const signal = new AbortController().signal
const isNew = { overwrite: false }

async function onOrigin() {
  const origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
  const deps = testDependencies({ random: () => 0.02 })
  const store = await openS3(origin.url, 's3://data', testCredential, plainDefaults, deps)
  const uploaded = async (key: string, bytes: Buffer) => {
    const upload = await store.beginUpload(key, { partBytes: 5 * mebibyte }, signal)
    await upload.write(bytes)
    return upload
  }
  const close = async (): Promise<void> => {
    await store.close()
    await origin.close()
  }
  return { origin, bucket: origin.bucket('data'), store, uploaded, close }
}

it('has parts enough for the largest object, and small ones at first', () => {
  const total = Array.from({ length: 10_000 }, (_, index) => growingPartBytes(index, 8 * mebibyte))
  expect(total[0]).toBe(8 * mebibyte)
  expect(total.reduce((sum, bytes) => sum + bytes, 0)).toBeGreaterThan(5 * 1024 ** 4)
  expect(Math.max(...total)).toBeLessThanOrEqual(5 * 1024 ** 3)
  expect(growingPartBytes(0, 1)).toBe(5 * mebibyte)
  const part = new PartBuffer(100_000)
  expect(part.add(Buffer.alloc(70_000, 1))).toBe(70_000)
  expect(part.add(Buffer.alloc(70_000, 2))).toBe(30_000)
  expect(part.isFull).toBe(true)
  expect(part.add(Buffer.from('x'))).toBe(0)
  expect(part.bytes.subarray(69_999, 70_001)).toEqual(Buffer.from([1, 2]))
})

it.each([
  ['put', 200_000],
  ['complete_upload', 6 * mebibyte],
] as const)('knows its object when the answer to %s was lost, also in a later call', async (on, length) => {
  const { origin, store, uploaded, close } = await onOrigin()
  try {
    const upload = await uploaded('mine', testBytes(1, length))
    await upload.seal()
    const stop = new AbortController()
    origin.faults.add({ kind: 'lost_answer', on, times: 50 })
    const cutOff = upload.finish(isNew, stop.signal).catch((thrown: unknown) => thrown)
    await vi.waitFor(async () => void (await store.stat('mine', signal)), { timeout: 20_000 })
    stop.abort(new SkeinError('cancelled', 'stop'))
    await cutOff
    origin.faults.clear()
    expect(await upload.finish(isNew, signal)).toMatchObject({ key: 'mine', length })
    await upload.abort()
    expect(testBytes(1, length).equals(await readObject(store, 'mine'))).toBe(true)
  } finally {
    await close()
  }
})

it('is broken by a part that the store refuses, and leaves nothing', async () => {
  const { origin, bucket, store, uploaded, close } = await onOrigin()
  try {
    origin.faults.add({ kind: 'denied', on: 'part', times: 10 })
    const upload = await uploaded('broken', testBytes(1, 6 * mebibyte))
    await expect(upload.seal()).rejects.toMatchObject({ code: 'permission_denied' })
    await expect(upload.finish(isNew, signal)).rejects.toMatchObject({ code: 'permission_denied' })
    expect(bucket.uploads.count).toBe(1)
    await upload.abort()
    expect(bucket.uploads.count).toBe(0)
    await expect(store.stat('broken', signal)).rejects.toMatchObject({ code: 'not_found' })
  } finally {
    await close()
  }
})

it('ends with the definition of its store, which waits for that', async () => {
  const { bucket, uploaded, close } = await onOrigin()
  try {
    const retiring = new AbortController()
    const ended = vi.fn()
    const otherDefinition = () => new SkeinError('aborted', 'another one', { reason: 'definition_changed' })
    const inner = await uploaded('followed', testBytes(1, 6 * mebibyte))
    const upload = new FollowedUpload(inner, { retired: retiring.signal, otherDefinition, onEnd: ended })
    await upload.seal()
    expect(bucket.uploads.count).toBe(1)
    expect(ended).not.toHaveBeenCalled()
    retiring.abort()
    await vi.waitFor(() => expect(ended).toHaveBeenCalledTimes(1), { timeout: 20_000 })
    expect(bucket.uploads.count).toBe(0)
    await expect(upload.finish(isNew, signal)).rejects.toMatchObject({ reason: 'definition_changed' })
    await upload.abort()
    expect(ended).toHaveBeenCalledTimes(1)
  } finally {
    await close()
  }
})
