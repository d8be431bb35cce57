import { PassThrough, Readable } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { exactBody, readWhole } from '../../../src/wire/http/http-body.ts'
import { IdleWatch } from '../../../src/wire/http/idle-watch.ts'

const watch = new IdleWatch(systemClock, 60_000, () => undefined)
const stream = (text: string): Readable => Readable.from([Buffer.from(text.slice(0, 2)), Buffer.from(text.slice(2))])

describe('a body of a known length', () => {
  it('is whole with exactly its bytes', async () => {
    expect((await readWhole(stream('abcd'), 4, watch)).toString()).toBe('abcd')
  })

  it('is cut when the stream ends in good order but early', async () => {
    await expect(readWhole(stream('abcd'), 5, watch)).rejects.toMatchObject({ code: 'unavailable', reason: 'body_cut' })
  })

  it('is refused when it goes on', async () => {
    await expect(readWhole(stream('abcd'), 3, watch)).rejects.toMatchObject({ code: 'invalid_argument' })
  })

  it('leaves the stream open for whoever takes the rest', async () => {
    const source = new PassThrough()
    source.write('ab')
    for await (const chunk of exactBody(source, 4, watch, () => undefined)) if (chunk.length > 0) break
    expect(source.destroyed).toBe(false)
    source.end('cd')
    expect(source.read()?.toString()).toBe('cd')
  })
})
