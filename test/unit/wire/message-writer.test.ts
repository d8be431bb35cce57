// One writer for all messages: none has bytes of another one, whatever happened before.
import { describe, expect, it } from 'vitest'
import { FileInfo } from '../../../src/wire/generated/master.ts'
import { MessageWriter } from '../../../src/wire/rpc/message-writer.ts'

const infoOf = (path: string, fileId = 1): FileInfo => FileInfo.fromPartial({ path, fileId })
const encode = (writer: MessageWriter, info: FileInfo): Uint8Array => writer.encode(FileInfo, info as never)

describe('a message writer', () => {
  it('writes each message alone, in memory of its own', () => {
    const writer = new MessageWriter()
    const paths = ['/a', `/${'b'.repeat(1000)}`, '', `/${'c'.repeat(100_000)}`, '/d']
    const all = paths.map((path) => encode(writer, infoOf(path)))
    expect(all.map((bytes) => FileInfo.decode(bytes).path)).toEqual(paths)
    expect(new Set(all.map(({ buffer }) => buffer)).size).toBe(all.length)
  })

  it('leaves out what it had written of a message that cannot be sent', () => {
    const writer = new MessageWriter()
    const broken = { ...infoOf('/broken'), length: 1.5 }
    expect(() => encode(writer, broken)).toThrow()
    expect(encode(writer, infoOf('/a'))).toEqual(FileInfo.encode(infoOf('/a')).finish())
  })
})
