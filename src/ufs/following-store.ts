// Why: a namespace's definition may be changed while its store is in use, and once that was
// answered nobody may ask the old store for anything. How: a store that goes by the present
// definition with every call. A call that is under way at the one before is ended and made again; a
// read goes on behind the bytes that it gave out. What a write was given cannot be had twice: it
// fails, and its caller repeats it.
import { SkeinError } from '../base/errors.ts'
import type {
  ListPage,
  ListRequest,
  ObjectInfo,
  ReadRequest,
  UnderFileSystem,
  WriteOptions,
  StoreGate,
} from './under-file-system.ts'

/** The store by one definition. */
export class DefinedStore {
  readonly store: UnderFileSystem
  readonly #retiring = new AbortController()
  readonly #ended = Promise.withResolvers<void>()
  #calls = 0

  constructor(store: UnderFileSystem) {
    this.store = store
  }

  /** Aborted when the definition is another one: nothing more may be asked of the store. */
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

  /** Ends what is under way, and closes the store once that has cleaned up behind it. */
  async retire(): Promise<void> {
    if (!this.retired.aborted) {
      this.#retiring.abort(otherDefinition())
      if (this.#calls === 0) this.#ended.resolve()
    }
    await this.#ended.promise
    await this.store.close()
  }
}

/** Whose definition it goes by. */
export interface DefinitionSource {
  /** By the present definition, where that is known at once. */
  readonly known: DefinedStore | undefined
  /** @throws SkeinError when it cannot be told, or the namespace is gone */
  current(signal: AbortSignal): Promise<DefinedStore>
  /** It is not used any more. */
  close(): Promise<void>
}

/** The reason of a write that was cut off by another definition. */
const definitionChanged = 'definition_changed'

export function isOtherDefinition(error: SkeinError): boolean {
  return error.reason === definitionChanged
}

export class FollowingStore implements UnderFileSystem {
  readonly #source: DefinitionSource
  /** One joined signal for the many calls of one task. */
  #joined = new WeakMap<AbortSignal, AbortSignal>()
  #last: DefinedStore | undefined
  /** Of stores that are retired. */
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

  /** A position's token is of the store that gave it; another one goes by the key. */
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

  /** @throws SkeinError aborted (`definition_changed`, retryable) beside what write throws */
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

  delete(key: string, signal: AbortSignal): Promise<void> {
    return this.#repeat(signal, (store, joined) => store.delete(key, joined))
  }

  copy(from: string, to: string, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#repeat(signal, (store, joined) => store.copy(from, to, joined))
  }

  rename(from: string, to: string, etag: string, signal: AbortSignal): Promise<ObjectInfo> {
    return this.#repeat(signal, (store, joined) => store.rename(from, to, etag, joined))
  }

  get readAhead(): { readonly rangeBytes: number; readonly rangesAhead: number } | undefined {
    return (this.#source.known ?? this.#last)?.store.readAhead
  }

  get gate(): StoreGate | undefined {
    return this.#last?.store.gate
  }

  get slowDowns(): number {
    return this.#retired.slowDowns + (this.#last?.store.slowDowns ?? 0)
  }

  get counters(): UnderFileSystem['counters'] {
    const { readBytes = 0, readRequests = 0 } = this.#last?.store.counters ?? {}
    return { readBytes: this.#retired.readBytes + readBytes, readRequests: this.#retired.readRequests + readRequests }
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
    this.#retired = { ...counters, slowDowns }
    this.#last = defined
    this.#joined = new WeakMap()
  }
}

/** What calls at a retired store end with. */
function otherDefinition(): SkeinError {
  return new SkeinError('aborted', "the namespace's definition was changed meanwhile: try again", {
    reason: definitionChanged,
  })
}
