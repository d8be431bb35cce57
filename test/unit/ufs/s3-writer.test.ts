import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { exactParts } from '../../../src/ufs/s3/exact-parts.ts'
import type { UnderFileSystem } from '../../../src/ufs/under-file-system.ts'
import { chunksOf, readObject } from '../../conformance/support/under-file-system-writes.ts'
import { testBytes } from '../../conformance/support/under-file-system-suite.ts'
import type { OriginBucket } from '../../support/origin/bucket.ts'
import { type Origin, startOrigin } from '../../support/origin/server.ts'
import { openCosn, openS3, plainDefaults, testCredential, testDependencies } from '../../support/origin/stores.ts'

const mebibyte = 1024 * 1024
const small = testBytes(1, 200_000)
const large = testBytes(2, 12 * mebibyte)

describe('writing to a store that is not well', () => {
  const signal = new AbortController().signal
  let origin: Origin
  let bucket: OriginBucket
  let store: UnderFileSystem

  beforeEach(async () => {
    origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
    bucket = origin.bucket('data')
    store = await openS3(
      origin.url,
      's3://data',
      testCredential,
      plainDefaults,
      testDependencies({ random: () => 0.02 }),
    )
  })
  afterEach(async () => {
    await store.close()
    await origin.close()
  })

  const write = (key: string, bytes: Buffer, overwrite = true) =>
    store.write(key, bytes.length, chunksOf(bytes), { overwrite, partBytes: 5 * mebibyte }, signal)

  it('sends again what was cut, refused or told to slow down', async () => {
    origin.faults.add(
      { kind: 'cut', on: 'put', afterBytes: 70_000 },
      { kind: 'internal', on: 'put' },
      { kind: 'slow_down', on: 'put' },
    )
    await write('small', small, false)
    expect(small.equals(await readObject(store, 'small'))).toBe(true)
    origin.faults.add(
      { kind: 'internal', on: 'create_upload' },
      { kind: 'cut', on: 'part', afterBytes: 1_000_000 },
      { kind: 'internal', on: 'part' },
      { kind: 'error_document', on: 'complete_upload' },
    )
    await write('large', large, false)
    expect(large.equals(await readObject(store, 'large'))).toBe(true)
    expect(origin.faults.applied).toMatchObject({ cut: 2, internal: 3, slow_down: 1, error_document: 1 })
    expect(bucket.uploads.count).toBe(0)
  })

  it.each([
    ['put', small],
    ['complete_upload', large],
  ] as const)('knows its own object when the answer to %s was lost', async (on, bytes) => {
    origin.faults.add({ kind: 'lost_answer', on })
    const written = await write('mine', bytes, false)
    expect(written.length).toBe(bytes.length)
    expect(bytes.equals(await readObject(store, 'mine'))).toBe(true)
    expect(origin.faults.applied.lost_answer).toBe(1)
  })

  it.each([
    ['put', small],
    ['complete_upload', large],
  ] as const)('does not take the object of another writer for its own when %s was cut', async (on, bytes) => {
    const theirs = testBytes(3, bytes.length)
    // The request never arrived; meanwhile somebody else made the object.
    origin.faults.add({ kind: 'cut', on })
    const watching = setInterval(() => {
      if (origin.faults.applied.cut === 1 && bucket.get('raced') === undefined) bucket.put('raced', theirs)
    }, 1)
    const slow = await openS3(
      origin.url,
      's3://data',
      testCredential,
      plainDefaults,
      testDependencies({ random: () => 0.9 }),
    )
    const writing = slow.write(
      'raced',
      bytes.length,
      chunksOf(bytes),
      { overwrite: false, partBytes: 5 * mebibyte },
      signal,
    )
    await expect(writing).rejects.toMatchObject({ code: 'already_exists' })
    clearInterval(watching)
    await slow.close()
    expect(theirs.equals(await readObject(store, 'raced'))).toBe(true)
    expect(bucket.uploads.count).toBe(0)
  })

  it.each(['part', 'complete_upload'] as const)(
    'leaves neither object nor upload when %s fails for good',
    async (on) => {
      origin.faults.add({ kind: 'cut', on, times: 100 })
      await expect(write('large', large)).rejects.toMatchObject({ code: 'unavailable' })
      expect(bucket.get('large')).toBeUndefined()
      expect(bucket.uploads.count).toBe(0)
      origin.faults.clear()
      origin.faults.add({ kind: 'denied', on })
      await expect(write('large', large)).rejects.toMatchObject({ code: 'permission_denied' })
      expect(bucket.uploads.count).toBe(0)
      expect(origin.counters.requests.abort_upload).toBe(2)
    },
  )

  it('aborts the upload even when the first try to do so fails', async () => {
    origin.faults.add({ kind: 'denied', on: 'part' }, { kind: 'internal', on: 'abort_upload' })
    await expect(write('large', large)).rejects.toMatchObject({ code: 'permission_denied' })
    expect(bucket.uploads.count).toBe(0)
  })

  it('writes where the store knows no conditions, and looks first there too', async () => {
    origin.faults.add({ kind: 'unconditional', times: 1000 })
    await write('small', small, false)
    await write('large', large, false)
    expect(large.equals(await readObject(store, 'large'))).toBe(true)
    const puts = origin.counters.requests.put
    await expect(write('small', large, false)).rejects.toMatchObject({ code: 'already_exists' })
    expect(origin.counters.requests.put).toBe(puts)
    expect(small.equals(await readObject(store, 'small'))).toBe(true)
  })

  it.each(['small', 'large'])('replaces a version where the store misreads the condition (%s)', async (size) => {
    const bytes = size === 'small' ? small : large
    bucket.put('key', Buffer.from('old'))
    const replaces = bucket.get('key')?.etag ?? ''
    origin.faults.add({ kind: 'misread', times: 1000 })
    const replace = () => store.write('key', bytes.length, chunksOf(bytes), { overwrite: true, replaces }, signal)
    await replace()
    expect(bytes.equals(await readObject(store, 'key'))).toBe(true)
    await expect(replace()).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
  })

  it.each(['misread', 'unconditional'] as const)('replaces many at once where a condition is %s', async (kind) => {
    const keys = Array.from({ length: 8 }, (_, index) => `key ${index}`)
    for (const key of keys) bucket.put(key, Buffer.from('old'))
    origin.faults.add({ kind, times: 1000 })
    const replace = (key: string, replaces = bucket.get(key)?.etag ?? '') =>
      store.write(key, small.length, chunksOf(small), { overwrite: true, replaces }, signal)
    await Promise.all(keys.map((key) => replace(key)))
    for (const key of keys) expect(small.equals(await readObject(store, key))).toBe(true)
  })

  it('creates and deletes many at once where the store knows no conditions', async () => {
    const keys = Array.from({ length: 8 }, (_, index) => `key ${index}`)
    origin.faults.add({ kind: 'unconditional', times: 1000 })
    await Promise.all(keys.map((key) => write(key, small, false)))
    const etags = new Map(keys.map((key) => [key, bucket.get(key)?.etag ?? '']))
    await Promise.all(keys.map((key) => store.delete(key, signal, etags.get(key))))
    expect(keys.filter((key) => bucket.get(key) !== undefined)).toEqual([])
  })

  it('notices that somebody else wrote the key at the same time', async () => {
    origin.faults.add({ kind: 'overwrite', on: 'head' })
    await expect(write('shared', small)).rejects.toMatchObject({
      code: 'aborted',
      reason: 'object_changed',
      retryable: false,
    })
  })

  it('sends nothing when the object is there already', async () => {
    bucket.put('there', small)
    const never = async function* (): AsyncGenerator<Uint8Array> {
      await Promise.reject(new Error('the bytes were read'))
      yield small
    }
    await expect(store.write('there', 100, never(), { overwrite: false }, signal)).rejects.toMatchObject({
      code: 'already_exists',
    })
    expect(origin.counters.requests).toMatchObject({ put: 0, create_upload: 0 })
  })

  it('says so when a bucket is not there, and takes a missing object for deleted', async () => {
    const lost = await openS3(origin.url, 's3://nowhere', testCredential, plainDefaults)
    await expect(lost.write('k', 5, chunksOf(testBytes(1, 5)), { overwrite: true }, signal)).rejects.toMatchObject({
      code: 'not_found',
    })
    await expect(lost.delete('k', signal)).rejects.toMatchObject({ code: 'not_found', reason: 'no_such_bucket' })
    await lost.close()
    origin.faults.add({ kind: 'missing', on: 'delete' })
    await store.delete('k', signal)
  })

  it('refuses to overwrite by the header of COS there', async () => {
    const cos = await startOrigin({ credentials: [testCredential], cos: true })
    const place = cos.bucket('bucket-125')
    const cosn = await openCosn(cos.endpointSuffix, 'cosn://bucket-125/', testCredential, plainDefaults)
    for (const [on, bytes] of [
      ['put', small],
      ['complete_upload', large],
    ] as const) {
      cos.faults.add({ kind: 'missing', on: 'head' })
      place.put(on, testBytes(9, 10))
      const writing = cosn.write(
        on,
        bytes.length,
        chunksOf(bytes),
        { overwrite: false, partBytes: 5 * mebibyte },
        signal,
      )
      await expect(writing).rejects.toMatchObject({ code: 'already_exists' })
      expect(place.get(on)?.size).toBe(10)
    }
    expect(place.uploads.count).toBe(0)
    await cosn.close()
    await cos.close()
  })

  it('keeps what another client wrote at COS while the parts of a new version were sent', async () => {
    const cos = await startOrigin({ credentials: [testCredential], cos: true })
    const place = cos.bucket('bucket-125')
    const cosn = await openCosn(cos.endpointSuffix, 'cosn://bucket-125/', testCredential, plainDefaults)
    const theirs = testBytes(4, 20)
    const replaces = place.put('key', testBytes(9, 10)).etag
    const changing = async function* (): AsyncGenerator<Uint8Array> {
      yield* chunksOf(large.subarray(0, 6 * mebibyte))
      place.put('key', theirs)
      yield* chunksOf(large.subarray(6 * mebibyte))
    }
    const options = { overwrite: true, replaces, partBytes: 5 * mebibyte }
    const writing = cosn.write('key', large.length, changing(), options, signal)
    await expect(writing).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
    expect(theirs.equals(await readObject(cosn, 'key'))).toBe(true)
    expect(place.uploads.count).toBe(0)
    await cosn.close()
    await cos.close()
  })
})

describe('renaming at a store that is not well', () => {
  const signal = new AbortController().signal
  let origin: Origin
  let bucket: OriginBucket
  let store: UnderFileSystem
  let etag: string

  beforeEach(async () => {
    origin = await startOrigin({ credentials: [testCredential], buckets: ['data'] })
    bucket = origin.bucket('data')
    const dependencies = testDependencies({ random: () => 0.02, copyBytesMax: 10 * mebibyte })
    store = await openS3(origin.url, 's3://data', testCredential, plainDefaults, dependencies)
    etag = (await store.write('from', small.length, chunksOf(small), { overwrite: true }, signal)).etag
  })
  afterEach(async () => {
    await store.close()
    await origin.close()
  })

  const rename = () => store.rename('from', 'to', etag, signal)
  const expectOnly = async (...contents: readonly (readonly [string, Buffer])[]): Promise<void> => {
    expect(bucket.sortedKeys).toEqual(contents.map(([key]) => key))
    for (const [key, bytes] of contents) expect(bytes.equals(await readObject(store, key)), key).toBe(true)
  }

  it('is done when the answers to the copy and to the delete were lost', async () => {
    origin.faults.add({ kind: 'lost_answer', on: 'put' }, { kind: 'lost_answer', on: 'delete' })
    expect(await rename()).toMatchObject({ key: 'to', etag })
    expect(origin.faults.applied.lost_answer).toBe(2)
    await expectOnly(['to', small])
  })

  it('looks again before it copies again, also where the store knows no conditions', async () => {
    const theirs = testBytes(3, small.length)
    origin.faults.add({ kind: 'unconditional', on: 'put' })
    // Theirs comes behind the first copy, or in place of one that was not made. The first attempt
    // of all learns of the conditions.
    for (const [kind, lookBeforeCopy] of [
      ['lost_answer', 3],
      ['internal', 2],
    ] as const) {
      origin.faults.add({ kind, on: 'put' })
      const stat = store.stat.bind(store)
      let looks = 0
      store.stat = async (key, looking) => {
        if (key === 'to' && (looks += 1) === lookBeforeCopy) bucket.put('to', theirs)
        return stat(key, looking)
      }
      await expect(rename()).rejects.toMatchObject({ code: 'already_exists' })
      store.stat = stat
      await expectOnly(['from', small], ['to', theirs])
      bucket.delete('to')
    }
  })

  it('undoes the copy when the source changes in the last moment', async () => {
    origin.faults.add({ kind: 'overwrite', on: 'delete', key: 'from' })
    await expect(rename()).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
    await expectOnly(['from', Buffer.from(small.map((byte) => byte ^ 0xff))])
  })

  it('undoes the copy when the source may not be deleted', async () => {
    origin.faults.add({ kind: 'denied', on: 'delete', key: 'from' })
    await expect(rename()).rejects.toMatchObject({ code: 'permission_denied' })
    await expectOnly(['from', small])
  })

  it('undoes the copy when it is cancelled before the delete, not with the signal that was aborted', async () => {
    const stop = new AbortController()
    const stat = store.stat.bind(store)
    store.stat = async (key, looking) => {
      if (key === 'from' && bucket.get('to') !== undefined) stop.abort(new SkeinError('cancelled', 'stop'))
      return stat(key, looking)
    }
    await expect(store.rename('from', 'to', etag, stop.signal)).rejects.toMatchObject({ code: 'cancelled' })
    store.stat = stat
    await expectOnly(['from', small])
  })

  it('keeps the copy when nobody knows whether the source is deleted, and goes on from there', async () => {
    origin.faults.add({ kind: 'cut', on: 'delete', times: 100 })
    await expect(rename()).rejects.toMatchObject({ code: 'unavailable' })
    await expectOnly(['from', small], ['to', small])
    origin.faults.clear()
    await rename()
    await expectOnly(['to', small])
  })

  it('keeps the copy when another version has come in between two attempts to delete', async () => {
    origin.faults.add({ kind: 'lost_answer', on: 'delete' })
    const watching = setInterval(() => {
      if (origin.faults.applied.lost_answer === 1 && bucket.get('from') === undefined)
        bucket.put('from', testBytes(4, 10))
    }, 1)
    const slow = await openS3(
      origin.url,
      's3://data',
      testCredential,
      plainDefaults,
      testDependencies({ random: () => 0.9 }),
    )
    await expect(slow.rename('from', 'to', etag, signal)).rejects.toMatchObject({
      code: 'aborted',
      reason: 'object_changed',
    })
    clearInterval(watching)
    await slow.close()
    await expectOnly(['from', testBytes(4, 10)], ['to', small])
  })

  it('looks before it deletes where the store knows no conditional deletes', async () => {
    origin.faults.add({ kind: 'unconditional', on: 'delete' })
    await rename()
    await expectOnly(['to', small])
    etag = (await store.write('from', small.length, chunksOf(small), { overwrite: true }, signal)).etag
    await store.delete('to', signal)
    const stat = store.stat.bind(store)
    store.stat = async (key, looking) => {
      if (key === 'from' && bucket.get('to') !== undefined) bucket.put('from', large)
      return stat(key, looking)
    }
    await expect(rename()).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed' })
    store.stat = stat
    await expectOnly(['from', large])
  })

  it('copies what is too large for the store by reading and writing, under the same rules', async () => {
    const huge = testBytes(6, 17 * mebibyte)
    const write = (key: string, bytes: Buffer) =>
      store.write(key, bytes.length, chunksOf(bytes), { overwrite: true }, signal)
    const theirs = testBytes(3, huge.length)
    etag = (await write('from', huge)).etag
    // Somebody makes the target while the copy goes up; somebody changes the source while it is
    // read.
    for (const key of ['to', 'from']) {
      const stat = store.stat.bind(store)
      let looks = 0
      store.stat = async (looked, looking) => {
        const answer = stat(looked, looking)
        if (looked !== 'to' || (looks += 1) !== 2) return answer
        await answer.catch(() => undefined)
        await write(key, theirs)
        return answer
      }
      await expect(rename(), key).rejects.toMatchObject({ code: key === 'to' ? 'already_exists' : 'aborted' })
      store.stat = stat
      if (key === 'to') await expectOnly(['from', huge], ['to', theirs])
      else await expectOnly(['from', theirs])
      bucket.delete('to')
      expect(bucket.uploads.count).toBe(0)
    }
    etag = (await write('from', huge)).etag
    const uploads = origin.counters.requests.create_upload
    expect(await rename()).toMatchObject({ key: 'to', length: huge.length })
    expect(origin.counters.requests.create_upload).toBe(uploads + 1)
    await expectOnly(['to', huge])
  })
})

describe('exactParts', () => {
  const signal = new AbortController().signal
  const partsOf = async (
    length: number,
    chunkBytes: number,
    partBytes: number,
    announced = length,
  ): Promise<Buffer[]> => {
    const parts: Buffer[] = []
    for await (const part of exactParts(chunksOf(testBytes(5, length), chunkBytes), announced, partBytes, signal))
      parts.push(part)
    return parts
  }

  it('makes full parts of chunks of any size', async () => {
    for (const length of [0, 1, 9, 10, 11, 20, 99, 100])
      for (const chunkBytes of [1, 3, 10, 17, 1000]) {
        const parts = await partsOf(length, chunkBytes, 10)
        expect(parts.map((part) => part.length)).toEqual(
          length === 0
            ? [0]
            : [...Array.from({ length: Math.ceil(length / 10) - 1 }, () => 10), length % 10 === 0 ? 10 : length % 10],
        )
        expect(Buffer.concat(parts).equals(testBytes(5, length))).toBe(true)
      }
  })

  it('does not give out the last part when there are too many or too few bytes', async () => {
    for (const [announced, full] of [
      [25, 2],
      [20, 1],
      [35, 3],
    ] as const) {
      const seen: number[] = []
      const reading = (async () => {
        for await (const part of exactParts(chunksOf(testBytes(5, 30), 7), announced, 10, signal))
          seen.push(part.length)
      })()
      await expect(reading).rejects.toMatchObject({ code: 'invalid_argument' })
      expect(seen.length).toBe(full)
    }
  })
})
