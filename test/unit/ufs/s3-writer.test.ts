import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exactParts } from '../../../src/ufs/exact-parts.ts'
import type { UnderFileSystem } from '../../../src/ufs/under-file-system.ts'
import { chunksOf, readObject } from '../../conformance/under-file-system-writes.ts'
import { testBytes } from '../../conformance/under-file-system-suite.ts'
import type { OriginBucket } from '../../support/origin/bucket.ts'
import { type Origin, startOrigin } from '../../support/origin/server.ts'
import { hastyDefaults, openCosn, openS3, testCredential, testDependencies } from '../../support/origin/stores.ts'

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
    store = await openS3(origin.url, 's3://data', testCredential, hastyDefaults, testDependencies({ random: () => 0.02 }))
  })
  afterEach(async () => {
    await store.close()
    await origin.close()
  })

  const write = (key: string, bytes: Buffer, overwrite = true) =>
    store.write(key, bytes.length, chunksOf(bytes), { overwrite, partBytes: 5 * mebibyte }, signal)

  it('sends again what was cut, refused or told to slow down', async () => {
    origin.faults.add({ kind: 'cut', on: 'put', afterBytes: 70_000 }, { kind: 'internal', on: 'put' }, { kind: 'slow_down', on: 'put' })
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
    const slow = await openS3(origin.url, 's3://data', testCredential, hastyDefaults, testDependencies({ random: () => 0.9 }))
    const writing = slow.write('raced', bytes.length, chunksOf(bytes), { overwrite: false, partBytes: 5 * mebibyte }, signal)
    await expect(writing).rejects.toMatchObject({ code: 'already_exists' })
    clearInterval(watching)
    await slow.close()
    expect(theirs.equals(await readObject(store, 'raced'))).toBe(true)
    expect(bucket.uploads.count).toBe(0)
  })

  it.each(['part', 'complete_upload'] as const)('leaves neither object nor upload when %s fails for good', async (on) => {
    origin.faults.add({ kind: 'cut', on, times: 100 })
    await expect(write('large', large)).rejects.toMatchObject({ code: 'unavailable' })
    expect(bucket.get('large')).toBeUndefined()
    expect(bucket.uploads.count).toBe(0)
    origin.faults.clear()
    origin.faults.add({ kind: 'denied', on })
    await expect(write('large', large)).rejects.toMatchObject({ code: 'permission_denied' })
    expect(bucket.uploads.count).toBe(0)
    expect(origin.counters.requests.abort_upload).toBe(2)
  })

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

  it('notices that somebody else wrote the key at the same time', async () => {
    origin.faults.add({ kind: 'overwrite', on: 'head' })
    await expect(write('shared', small)).rejects.toMatchObject({ code: 'aborted', reason: 'object_changed', retryable: false })
  })

  it('sends nothing when the object is there already', async () => {
    bucket.put('there', small)
    const never = async function* (): AsyncGenerator<Uint8Array> {
      await Promise.reject(new Error('the bytes were read'))
      yield small
    }
    await expect(store.write('there', 100, never(), { overwrite: false }, signal)).rejects.toMatchObject({ code: 'already_exists' })
    expect(origin.counters.requests).toMatchObject({ put: 0, create_upload: 0 })
  })

  it('says so when a bucket is not there, and takes a missing object for deleted', async () => {
    const lost = await openS3(origin.url, 's3://nowhere', testCredential, hastyDefaults)
    await expect(lost.write('k', 5, chunksOf(testBytes(1, 5)), { overwrite: true }, signal)).rejects.toMatchObject({ code: 'not_found' })
    await expect(lost.delete('k', signal)).rejects.toMatchObject({ code: 'not_found', reason: 'no_such_bucket' })
    await lost.close()
    origin.faults.add({ kind: 'missing', on: 'delete' })
    await store.delete('k', signal)
  })

  it('refuses to overwrite by the header of COS there', async () => {
    const cos = await startOrigin({ credentials: [testCredential], cos: true })
    const place = cos.bucket('bucket-125')
    const cosn = await openCosn(cos.endpointSuffix, 'cosn://bucket-125/', testCredential, hastyDefaults)
    for (const [on, bytes] of [
      ['put', small],
      ['complete_upload', large],
    ] as const) {
      cos.faults.add({ kind: 'missing', on: 'head' })
      place.put(on, testBytes(9, 10))
      const writing = cosn.write(on, bytes.length, chunksOf(bytes), { overwrite: false, partBytes: 5 * mebibyte }, signal)
      await expect(writing).rejects.toMatchObject({ code: 'already_exists' })
      expect(place.get(on)?.size).toBe(10)
    }
    expect(place.uploads.count).toBe(0)
    await cosn.close()
    await cos.close()
  })
})

describe('exactParts', () => {
  const signal = new AbortController().signal
  const partsOf = async (length: number, chunkBytes: number, partBytes: number, announced = length): Promise<Buffer[]> => {
    const parts: Buffer[] = []
    for await (const part of exactParts(chunksOf(testBytes(5, length), chunkBytes), announced, partBytes, signal)) parts.push(part)
    return parts
  }

  it('makes full parts of chunks of any size', async () => {
    for (const length of [0, 1, 9, 10, 11, 20, 99, 100])
      for (const chunkBytes of [1, 3, 10, 17, 1000]) {
        const parts = await partsOf(length, chunkBytes, 10)
        expect(parts.map((part) => part.length)).toEqual(
          length === 0 ? [0] : [...Array.from({ length: Math.ceil(length / 10) - 1 }, () => 10), length % 10 === 0 ? 10 : length % 10],
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
        for await (const part of exactParts(chunksOf(testBytes(5, 30), 7), announced, 10, signal)) seen.push(part.length)
      })()
      await expect(reading).rejects.toMatchObject({ code: 'invalid_argument' })
      expect(seen.length).toBe(full)
    }
  })
})
