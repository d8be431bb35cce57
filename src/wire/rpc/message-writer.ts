// Why: a new writer begins with 128 bytes and takes twice as many each time its message has
// outgrown them, which is five times for the answer of OpenFile. How: one writer for all messages
// of a client or a server; only what it returns is allocated. Encoding does not wait, so there is
// one message at a time.
import { BinaryWriter } from '@bufbuild/protobuf/wire'
import type { MessageType } from '../service.ts'

/** The memory of a longer message is not kept. */
const keptBytesMax = 64 * 1024

export class MessageWriter {
  #writer = new BinaryWriter()

  /** @throws what the type throws for a value that its field cannot carry */
  encode(type: MessageType, message: never): Uint8Array {
    const writer = this.#writer
    // Unless it ends well, the writer has a part of the message.
    this.#writer = new BinaryWriter()
    const bytes = type.encode(message, writer).finish()
    if (bytes.length <= keptBytesMax) this.#writer = writer
    return bytes
  }
}
