// Why: with THROUGH and CACHE_THROUGH a client of GooseFS sends the bytes of the object itself to
// some worker, and says how long it is by ending the stream. How: only the object of a file that is
// being written can be named (ids/pending-paths.ts), and only with a policy that wants it; where
// that is, the master says. When the stream ends, the bytes are at the store and the master knows
// it; the object is there when CompleteFile is called. Sequence of messages: src/io/file_writer.rs
// of the Rust client, 0.2.2.
import { type StoredMetadata, storedMetadata } from '../../base/attributes/object-metadata.ts'
import { throwIfAborted } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { LifecycleServiceDefinition, UnfinishedFile } from '../../wire/generated/lifecycle.ts'
import type { Service } from '../../wire/service.ts'
import type { WriteRequestCommand } from '../generated/goosefs/blocks.ts'
import { fileIdOfUfsPath } from '../ids/pending-paths.ts'
import type { NativeCall } from '../native-service.ts'

/** Bytes of one object on their way to the store (cache-worker/uploads/prepared-uploads.ts). */
interface SentObject {
  readonly length: number
  write(chunk: Uint8Array): Promise<void>
  prepare(): Promise<void>
  giveUp(): Promise<void>
}

interface ObjectWritesParts {
  readonly workerId: string
  readonly lifecycle: Pick<Service<LifecycleServiceDefinition>, 'getUnfinishedFile' | 'noteUpload'>
  readonly uploads: {
    begin(
      file: {
        readonly fileId: number
        readonly namespaceId: string
        readonly key: string
        readonly metadata: StoredMetadata
      },
      signal: AbortSignal,
    ): Promise<SentObject>
  }
}

/** The first command of a stream, and what follows it. */
interface ObjectMessages {
  readonly command: WriteRequestCommand
  readonly steps: AsyncIterable<{ readonly bytes: Uint8Array } | 'flush'>
}

export class ObjectWrites {
  readonly #parts: ObjectWritesParts

  constructor(parts: ObjectWritesParts) {
    this.#parts = parts
  }

  /**
   * @throws SkeinError invalid_argument (no file of CreateFile), not_found (not being written any
   *   more), already_exists (a second stream), and what the store says
   */
  readonly write = async (
    { command, steps }: ObjectMessages,
    { signal }: Pick<NativeCall, 'signal'>,
    send: (response: { readonly offset: bigint }) => Promise<void>,
  ): Promise<void> => {
    const { workerId, lifecycle, uploads } = this.#parts
    const { fileId, namespaceId, key, contentType, userMetadata } = await this.#named(command, signal)
    const metadata = storedMetadata({ contentType, userMetadata: userMetadata?.values })
    const upload = await uploads.begin({ fileId, namespaceId, key, metadata }, signal)
    // A write that waits for the store ends with the stream.
    const onReset = (): void => void upload.giveUp()
    signal.addEventListener('abort', onReset, { once: true })
    try {
      for await (const step of steps) {
        if (step === 'flush') await send({ offset: BigInt(upload.length) })
        else await upload.write(step.bytes)
      }
      throwIfAborted(signal)
      await upload.prepare()
      await lifecycle.noteUpload({ fileId, workerId, length: upload.length }, { signal })
    } catch (thrown) {
      await upload.giveUp()
      throw thrown
    } finally {
      signal.removeEventListener('abort', onReset)
    }
  }

  async #named({ createUfsFileOptions }: WriteRequestCommand, signal: AbortSignal): Promise<UnfinishedFile> {
    const fileId = fileIdOfUfsPath(createUfsFileOptions?.ufsPath ?? '')
    const file = await this.#parts.lifecycle.getUnfinishedFile({ fileId }, { signal })
    const { path, writePolicy, uploadedBytes } = file
    // With ASYNC_THROUGH a client sends the object when no worker took the first block.
    if (writePolicy === 'MUST_CACHE')
      throw new SkeinError('invalid_argument', `${path} has no object of its own: its write type is ${writePolicy}`)
    if (uploadedBytes !== undefined)
      throw new SkeinError('already_exists', `the object of ${path} was written before, with ${uploadedBytes} bytes`)
    return file
  }
}
