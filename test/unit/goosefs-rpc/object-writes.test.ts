// Why: a stream that writes an object must reach no other object than that of its file, and leave
// nothing when it ends early.
import { describe, expect, it, vi } from 'vitest'
import { fileIdOf } from '../../../src/base/block-id.ts'
import { SkeinError } from '../../../src/base/errors.ts'
import { ufsPathOfPending } from '../../../src/goosefs-rpc/ids/pending-paths.ts'
import { ObjectWrites } from '../../../src/goosefs-rpc/worker/object-writes.ts'
import type { UnfinishedFile } from '../../../src/wire/generated/lifecycle.ts'

type Steps = AsyncIterable<{ readonly bytes: Uint8Array } | 'flush'>
const fileId = fileIdOf(5)
const file: UnfinishedFile = {
  ...{ fileId, namespaceId: 'n', key: 'd/f', path: '/d/f', blockSizeBytes: 4, writePolicy: 'THROUGH' },
  ...{ contentType: 'text/plain', userMetadata: { values: { a: 'b' } } },
}

function house(known: UnfinishedFile = file) {
  const told: string[] = []
  const object = {
    bytes: Buffer.alloc(0),
    get length() {
      return object.bytes.length
    },
    write: async (chunk: Uint8Array) => void (object.bytes = Buffer.concat([object.bytes, chunk])),
    prepare: async () => void told.push('prepared'),
    giveUp: async () => void told.push('given up'),
  }
  const begin = vi.fn(async (_file: object) => object)
  const noteUpload = vi.fn(async (request: { length: number }) => {
    told.push(`noted ${request.length}`)
    return {}
  })
  const getUnfinishedFile = async (request: { fileId?: number | undefined }): Promise<UnfinishedFile> => {
    if (request.fileId !== known.fileId) throw new SkeinError('not_found', 'the file is not being written')
    return known
  }
  const writes = new ObjectWrites({
    ...{ workerId: 'w', uploads: { begin } },
    lifecycle: { getUnfinishedFile, noteUpload },
  })
  const stop = new AbortController()
  const sent: bigint[] = []
  const write = (steps: Steps, ufsPath: string | undefined = ufsPathOfPending('/d/f', fileId)) =>
    writes.write(
      { command: { type: 1, id: -1n, createUfsFileOptions: { ufsPath } }, steps },
      { signal: stop.signal },
      async ({ offset }) => void sent.push(offset),
    )
  return { told, object, begin, noteUpload, sent, stop, write }
}

async function* stepsOf(...steps: readonly string[]): Steps {
  for (const step of steps) yield step === 'flush' ? step : { bytes: Buffer.from(step) }
}

describe('a stream that writes an object', () => {
  it('is answered at each flush, and noted at its end', async () => {
    const { told, object, begin, noteUpload, sent, write } = house()
    await write(stepsOf('hello ', 'flush', 'world', 'flush'))
    expect(sent).toEqual([6n, 11n])
    expect(String(object.bytes)).toBe('hello world')
    expect(told).toEqual(['prepared', 'noted 11'])
    const metadata = { contentType: 'text/plain', userMetadata: { a: 'b' } }
    expect(begin.mock.calls[0]?.[0]).toEqual({ fileId, namespaceId: 'n', key: 'd/f', metadata })
    expect(noteUpload.mock.calls[0]?.[0]).toEqual({ fileId, workerId: 'w', length: 11 })
  })

  it('may have no bytes', async () => {
    const { told, sent, write } = house()
    await write(stepsOf('flush'))
    expect(sent).toEqual([0n])
    expect(told).toEqual(['prepared', 'noted 0'])
  })

  it.each([
    undefined,
    '',
    'file:///etc/passwd',
    's3://bucket/key',
    'goosefs:///d/f',
    'goosefs:///d/f#',
    'goosefs:///d/f#-1',
    `goosefs:///d/f#${'9'.repeat(19)}`,
    ufsPathOfPending('/d/f', fileIdOf(6)),
  ])('reaches nothing by %s', async (ufsPath) => {
    const { begin, write } = house()
    await expect(write(stepsOf('x'), ufsPath ?? '')).rejects.toBeInstanceOf(SkeinError)
    expect(begin).not.toHaveBeenCalled()
  })

  it.each([{ writePolicy: 'MUST_CACHE' }, { uploadedBytes: 3 }])('is refused for a file with %s', async (more) => {
    const { begin, write } = house({ ...file, ...more })
    await expect(write(stepsOf('x'))).rejects.toMatchObject({
      code: expect.stringMatching(/^(invalid_argument|already_exists)$/),
    })
    expect(begin).not.toHaveBeenCalled()
  })

  it('that breaks, is reset or is refused by the master is given up', async () => {
    const broken = house()
    const steps = async function* (): Steps {
      yield { bytes: Buffer.from('half') }
      throw new SkeinError('cancelled', 'the stream was reset')
    }
    await expect(broken.write(steps())).rejects.toMatchObject({ code: 'cancelled' })
    expect(broken.told).toEqual(['given up'])
    const reset = house()
    const ending = async function* (): Steps {
      yield { bytes: Buffer.from('half') }
      reset.stop.abort(new SkeinError('cancelled', 'reset'))
    }
    await expect(reset.write(ending())).rejects.toMatchObject({ code: 'cancelled' })
    expect(reset.told).not.toContain('prepared')
    expect(reset.told).toContain('given up')
    const refused = house()
    refused.noteUpload.mockRejectedValueOnce(new SkeinError('not_found', 'abandoned'))
    await expect(refused.write(stepsOf('x'))).rejects.toMatchObject({ code: 'not_found' })
    expect(refused.told).toEqual(['prepared', 'given up'])
  })
})
