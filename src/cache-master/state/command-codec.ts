// Why: the journal keeps bytes. How: msgpack of the command object, self-contained in every entry,
// after one byte that names the format, so that a later version can still read this one's journal.
import { Packr } from 'msgpackr'
import { assert } from '../../base/assert.ts'
import type { Command } from '../../meta/commands/commands.ts'

const format = 1
const packr = new Packr()

export function encodeCommand(command: Command): Uint8Array {
  const body = packr.pack(command)
  const bytes = new Uint8Array(body.length + 1)
  bytes[0] = format
  bytes.set(body, 1)
  return bytes
}

/**
 * @throws Error when the bytes are no command (the journal's checksums were right, so that is a
 *   defect or a newer version)
 */
export function decodeCommand(bytes: Uint8Array): Command {
  assert(bytes[0] === format, `journal entry of format ${bytes[0]}, this version reads ${format}`)
  const command: unknown = packr.unpack(bytes.subarray(1))
  assert(typeof command === 'object' && command !== null && 'type' in command, 'journal entry is not a command')
  return command as Command
}
