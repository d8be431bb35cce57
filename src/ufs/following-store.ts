// Why: the definition of a namespace may change while its store is in use. Once the change is
// confirmed, no further request may go to the old store. How: a store that looks up the current
// definition on every call. When the definition changes, a running call is cancelled and repeated
// on the new store, and a read continues after the last byte that it returned. A write cannot be
// replayed, because its chunks are read only once: it fails and the caller repeats it.
import { SkeinError } from '../base/errors.ts'
import { FollowedUpload } from './followed-upload.ts'
import type {
  ListPage,
  ListRequest,
  ObjectInfo,
  ObjectUpload,
  ReadRequest,
  ReplacingVersions,
  UnderFileSystem,
  UploadOptions,
  WriteOptions,
  StoreGate,
  StoreReadAhead,
} from './under-file-system.ts'

/** The store that one version of the definition describes. */
export class DefinedStore {
  readonly store: UnderFileSystem
  readonly #retiring = new AbortController()
  readonly #ended = Promise.withResolvers<void>()
  #calls = 0

  constructor(store: UnderFileSystem) {
    this.store = store
  }

  /** Aborted when the definition changes. No further request may go to the store then. */
  get retired(): AbortSignal {
    return this.#retiring.signal
  }

  begin(): void {
    this.#calls += 1
  }

  end(): void {
    this.#calls -= 1
    if (this.#calls === 0 && this.retired.aborted) this.#ended.resolve()
  }

  /** Cancels the running calls, waits until they have cleaned up, and closes the store. */
  async retire(): Promise<void> {
    if (!this.retired.aborted) {
      this.#retiring.abort(otherDefinition())
      if (this.#calls === 0) this.#ended.resolve()
    }
    await this.#ended.promise
    await this.store.close()
  }
}

/** Supplies the current definition of a namespace. */
export interface DefinitionSource {
  /** The store of the current definition, if it is known without a call. */
  readonly known: DefinedStore | undefined
  /** @throws SkeinError when the definition cannot be read, or the namespace no longer exists */
  current(signal: AbortSignal): Promise<DefinedStore>
  /** Releases the source. It must not be used afterwards. */
  close(): Promise<void>
}

/** The error reason of a write that failed because the definition changed. */
const definitionChanged = 'definition_changed'

export function isOtherDefinition(error: SkeinError): boolean {
  return error.reason === definitionChanged
}

export class FollowingStore implements UnderFileSystem {
  readonly #source: DefinitionSource
  /** One combined signal per caller's signal, because one task makes many calls. */
  #joined = new WeakMap<AbortSignal, AbortSignal>()
  #last: DefinedStore | undefined
  /** Totals of the retired stores. */
  #retired = { readBytes: 0, readRequests: 0, slowDowns: 0 }

  constructor(source: DefinitionSource) {
    this.#source = source
  }

  check(signal: AbortSignal): Promise<void> {
    return this.#repeat(signal, (store, joined) => store.check(joined))
  }

  stat(key: string, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#repeat(signal, (store, joined) => store.stat(key, joined))
  }

  /** A token is valid only at the store that issued it. Another store continues by the key. */
  list(request: ListRequest, signal: AbortSignal): Promise<ListPage> {
    return this.#repeat(signal, (store, joined) => store.list(request, joined))
  }

  readWhole(request: ReadRequest, signal: AbortSignal): Promise<Uint8Array> {
    return this.#repeat(signal, (store, joined) => store.readWhole(request, joined))
  }

  async *read(request: ReadRequest, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    let got = 0
    for (;;) {
      const defined = this.#source.known ?? (await this.#source.current(signal))
      const rest = { ...request, offset: request.offset + got, length: request.length - got }
      defined.begin()
      try {
        for await (const chunk of defined.store.read(rest, this.#join(defined, signal))) {
          got += chunk.length
          yield chunk
        }
        return
      } catch (thrown) {
        if (signal.aborted || !defined.retired.aborted) throw thrown
      } finally {
        defined.end()
      }
    }
  }

  /**
   * @throws SkeinError aborted (`definition_changed`, retryable), and the errors of
   *   UnderFileSystem.write
   */
  async write(
    key: string,
    length: number,
    chunks: AsyncIterable<Uint8Array>,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<ObjectInfo> {
    const defined = this.#source.known ?? (await this.#source.current(signal))
    defined.begin()
    try {
      return await defined.store.write(key, length, chunks, options, this.#join(defined, signal))
    } catch (thrown) {
      if (signal.aborted || !defined.retired.aborted) throw thrown
      throw otherDefinition()
    } finally {
      defined.end()
    }
  }

  /** The upload belongs to the present definition, and fails with it as a write does. */
  async beginUpload(key: string, options: UploadOptions, signal: AbortSignal): Promise<ObjectUpload> {
    const defined = this.#source.known ?? (await this.#source.current(signal))
    defined.begin()
    try {
      const upload = await defined.store.beginUpload(key, options, this.#join(defined, signal))
      return new FollowedUpload(upload, {
        ...{ retired: defined.retired, otherDefinition },
        onEnd: () => defined.end(),
      })
    } catch (thrown) {
      defined.end()
      if (signal.aborted || !defined.retired.aborted) throw thrown
      throw otherDefinition()
    }
  }

  delete(key: string, signal: AbortSignal, etag?: string): Promise<void> {
    return this.#repeat(signal, (store, joined) => store.delete(key, joined, etag))
  }

  copy(from: string, to: string, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#repeat(signal, (store, joined) => store.copy(from, to, joined))
  }

  rename(from: string, to: string, etag: string, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#repeat(signal, (store, joined) => store.rename(from, to, etag, joined))
  }

  renameOver(from: string, to: string, versions: ReplacingVersions, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#repeat(signal, (store, joined) => store.renameOver(from, to, versions, joined))
  }

  get readAhead(): StoreReadAhead | undefined {
    return (this.#source.known ?? this.#last)?.store.readAhead
  }

  get gate(): StoreGate | undefined {
    return this.#last?.store.gate
  }

  get slowDowns(): number {
    return this.#retired.slowDowns + (this.#last?.store.slowDowns ?? 0)
  }

  get counters(): UnderFileSystem['counters'] {
    const { readBytes = 0, readRequests = 0, firstBytes } = this.#last?.store.counters ?? {}
    const counts = {
      readBytes: this.#retired.readBytes + readBytes,
      readRequests: this.#retired.readRequests + readRequests,
    }
    return firstBytes === undefined ? counts : { ...counts, firstBytes }
  }

  close(): Promise<void> {
    return this.#source.close()
  }

  async #repeat<Result>(
    signal: AbortSignal,
    ask: (store: UnderFileSystem, joined: AbortSignal) => Promise<Result>,
  ): Promise<Result> {
    for (;;) {
      const defined = this.#source.known ?? (await this.#source.current(signal))
      defined.begin()
      try {
        return await ask(defined.store, this.#join(defined, signal))
      } catch (thrown) {
        if (signal.aborted || !defined.retired.aborted) throw thrown
      } finally {
        defined.end()
      }
    }
  }

  #join(defined: DefinedStore, signal: AbortSignal): AbortSignal {
    if (this.#last !== defined) this.#follow(defined)
    const known = this.#joined.get(signal)
    if (known !== undefined) return known
    const joined = AbortSignal.any([signal, defined.retired])
    this.#joined.set(signal, joined)
    return joined
  }

  #follow(defined: DefinedStore): void {
    const { counters, slowDowns } = this
    const { readBytes, readRequests } = counters
    this.#retired = { readBytes, readRequests, slowDowns }
    this.#last = defined
    this.#joined = new WeakMap()
  }
}

/** The error of calls that were cancelled because the definition changed. */
function otherDefinition(): SkeinError {
  return new SkeinError('aborted', "the namespace's definition changed: try again", {
    reason: definitionChanged,
  })
}
