// Answers of the master that are given again for a short time, and never past a change.
import { beforeEach, describe, expect, test } from 'vitest'
import { SkeinError } from '../../../src/base/errors.ts'
import { OpenedFiles } from '../../../src/client/open/opened-files.ts'
import { FileInfo, OpenFileResponse } from '../../../src/wire/generated/master.ts'
import { ManualClock } from './support/manual-clock.ts'

let clock: ManualClock
let asked: string[]
let version: number

beforeEach(() => {
  clock = new ManualClock()
  asked = []
  version = 1
})

const opening = (options: { keepMs?: number; filesMax?: number } = {}): OpenedFiles =>
  new OpenedFiles({ clock, keepMs: 1000, ...options })

const ask = (path: string) => async (): Promise<OpenFileResponse> => {
  asked.push(path)
  return OpenFileResponse.fromPartial({ file: FileInfo.fromPartial({ path, fileId: version }) })
}

async function idOf(opened: OpenedFiles, path: string, isNew = false): Promise<number | undefined> {
  return (await opened.open(path, isNew, ask(path))).file?.fileId
}

describe('OpenedFiles', () => {
  test('asks once within the time, and again behind it', async () => {
    const opened = opening()
    expect(await idOf(opened, '/ns/a')).toBe(1)
    version = 2
    clock.passMs(999)
    expect(await idOf(opened, 'gfs://host:1/ns/a')).toBe(1)
    clock.passMs(1)
    expect(await idOf(opened, '/ns/a')).toBe(2)
    expect(asked).toEqual(['/ns/a', '/ns/a'])
  })

  test('counts the time from the question, not from the answer', async () => {
    const opened = opening()
    await opened.open('/ns/a', false, async () => {
      clock.passMs(900)
      return ask('/ns/a')()
    })
    clock.passMs(100)
    await idOf(opened, '/ns/a')
    expect(asked).toHaveLength(2)
  })

  test('keeps answers that came for many, but none that is older than what it has, or than a change', async () => {
    const opened = opening()
    const answer = await ask('/ns/a')()
    const keep = opened.keepAnswers()
    clock.passMs(100)
    keep('/ns/a', answer)
    expect(opened.kept('/ns/a')).toEqual({ opened: answer, ageMs: 100 })
    expect(await idOf(opened, '/ns/a')).toBe(1)
    version = 2
    clock.passMs(899)
    await idOf(opened, '/ns/b')
    keep('/ns/b', answer)
    expect([await idOf(opened, '/ns/a'), await idOf(opened, '/ns/b')]).toEqual([1, 2])
    clock.passMs(1)
    expect([opened.kept('/ns/a'), opened.kept('/ns/none')]).toEqual([undefined, undefined])
    const late = opened.keepAnswers()
    opened.forget('/ns/a')
    late('/ns/a', answer)
    expect(opened.kept('/ns/a')).toBeUndefined()
    const never = opening({ keepMs: 0 })
    never.keepAnswers()('/ns/a', answer)
    expect(never.kept('/ns/a')).toBeUndefined()
  })

  test('keeps nothing with an age of 0, nor what could not be opened', async () => {
    const never = opening({ keepMs: 0 })
    await idOf(never, '/ns/a')
    await idOf(never, '/ns/a')
    expect(asked).toHaveLength(2)
    const opened = opening()
    const failing = (): Promise<never> => Promise.reject(new SkeinError('not_found', 'not there'))
    await expect(opened.open('/ns/b', false, failing)).rejects.toMatchObject({ code: 'not_found' })
    expect(await idOf(opened, '/ns/b')).toBe(1)
  })

  test('asks in any case when that is wanted, and keeps the answer', async () => {
    const opened = opening()
    await idOf(opened, '/ns/a')
    version = 2
    expect(await idOf(opened, '/ns/a', true)).toBe(2)
    expect(await idOf(opened, '/ns/a')).toBe(2)
    expect(asked).toHaveLength(2)
  })

  test('forgets a path and what is below it, and nothing beside it', async () => {
    const opened = opening()
    for (const path of ['/ns/a', '/ns/a/', '/ns/a/b', '/ns/ab', '/ns/a-']) await idOf(opened, path)
    version = 2
    opened.forget('/ns/a/')
    const ids = []
    for (const path of ['/ns/a', '/ns/a/', '/ns/a/b', '/ns/ab', '/ns/a-']) ids.push(await idOf(opened, path))
    expect(ids).toEqual([2, 2, 2, 1, 1])
    opened.forget('/')
    expect(await idOf(opened, '/ns/ab')).toBe(2)
  })

  test('does not keep an answer whose question is older than a change', async () => {
    const opened = opening()
    await opened.open('/ns/a', false, async () => {
      const old = await ask('/ns/a')()
      opened.forget('/ns/a')
      return old
    })
    version = 2
    expect(await idOf(opened, '/ns/a')).toBe(2)
  })

  test('keeps a bounded number, the least recently used goes first', async () => {
    const opened = opening({ filesMax: 2 })
    for (const path of ['/ns/a', '/ns/b', '/ns/a', '/ns/c']) await idOf(opened, path)
    asked = []
    for (const path of ['/ns/a', '/ns/c', '/ns/b']) await idOf(opened, path)
    expect(asked).toEqual(['/ns/b'])
  })
})
