import { describe, expect, it } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import type { FileStatus } from '../../../src/client/file-system.ts'
import { writeWhole } from '../../../src/client/write/write-whole.ts'

const signal = new AbortController().signal
const lost = new SkeinError('unavailable', 'the worker failed', { reason: 'block_lost', retryable: false })

/** @param failures of the first attempts to write */
async function written(failures: readonly SkeinError[]) {
  const calls: string[] = []
  const left = [...failures]
  async function* chunks(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('ab')
    yield Buffer.from('c')
  }
  const writing = writeWhole(
    {
      create: async (path, options) => {
        calls.push(`create ${path} ${options?.length}`)
        return {
          write: async (chunk) => {
            calls.push(Buffer.from(chunk).toString())
            const failure = chunk.length === 1 ? left.shift() : undefined
            if (failure !== undefined) throw failure
          },
          close: async () => {
            calls.push('close')
            return { length: 3 } as FileStatus
          },
          abort: async () => void calls.push('abort'),
        }
      },
    },
    '/ns/a',
    3,
    chunks,
    signal,
  )
  const result = await writing.catch((thrown: unknown) => thrown)
  return { calls, result }
}

describe('writing a whole file', () => {
  const once = ['create /ns/a 3', 'ab', 'c']

  it('gives its bytes and closes it', async () => {
    expect(await written([])).toEqual({ calls: [...once, 'close', 'abort'], result: { length: 3 } })
  })

  it('begins anew, from the start, when a worker lost a block; some times', async () => {
    const { calls, result } = await written([lost, lost])
    expect(calls).toEqual([...once, 'abort', ...once, 'abort', ...once, 'close', 'abort'])
    expect(result).toEqual({ length: 3 })
    expect((await written([lost, lost, lost])).result).toBe(lost)
  })

  it('does not for other failures, and leaves nothing', async () => {
    const full = new SkeinError('resource_exhausted', 'full')
    expect(await written([full])).toEqual({ calls: [...once, 'abort'], result: full })
  })
})
