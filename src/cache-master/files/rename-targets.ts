// Why: the new name of what is moved must be free, here and at the store, before anything moves;
// the place of a file may be taken where that is wanted. How: the master's tree is asked first,
// then the store. The caller asks the tree again once it holds the paths.
import { isSkeinError, SkeinError } from '../../base/errors.ts'
import { keyProblem } from '../../base/paths.ts'
import { directoryAt, fileAt, hiddenByNamespaces, type Place } from '../../meta/resolve-path.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'
import type { RenameRequest } from '../../wire/generated/lifecycle.ts'
import { type MasterContext, pathOf } from '../master-context.ts'
import { checkNotBelowFile } from '../paths/names-beside.ts'
import type { Target } from '../paths/tree-pages.ts'
import { checkStorable } from '../store/object-changes.ts'
import type { StoreSync } from '../store/store-sync.ts'
import { checkHiddenMove } from './hidden-moves.ts'

type Wanted = Pick<RenameRequest, 'overwrite' | 'intoDirectory'>

export class RenameTargets {
  readonly #context: MasterContext
  readonly #sync: StoreSync

  constructor(context: MasterContext, sync: StoreSync) {
    this.#context = context
    this.#sync = sync
  }

  /**
   * @returns the key, without a slash at its end; that of a file itself when it replaces itself
   * @throws SkeinError invalid_argument, already_exists, failed_precondition
   */
  async keyFor(source: Target, asked: Place, wanted: Wanted, signal: AbortSignal): Promise<string> {
    const { record } = source
    const fromKey = source.key.replace(/\/$/, '')
    const to = await this.#namedKey(source, fromKey, asked, wanted, signal)
    const problem = keyProblem(to)
    if (problem !== undefined)
      throw new SkeinError('invalid_argument', `'${pathOf(record, asked.key)}' is refused: ${problem}`)
    // At the name of a namespace it would be hidden.
    if (to === '' || hiddenByNamespaces(this.#context.tables, record.rootId)?.(to) === true)
      throw new SkeinError('already_exists', `${pathOf(record, to)} exists already`)
    const mayReplace = wanted.overwrite === true && source.file !== undefined
    if (to === fromKey && mayReplace) return to
    if (to !== fromKey) {
      checkStorable(record, to)
      await checkNotBelowFile({ ...this.#context, sync: this.#sync }, record, to, signal)
    }
    if (source.directory !== undefined && to !== fromKey && `${to}/`.startsWith(source.key)) {
      throw new SkeinError('invalid_argument', `${source.path} cannot be moved into itself`)
    }
    if (to !== fromKey) checkHiddenMove(record, source.key, source.directory === undefined ? to : `${to}/`)
    // The move itself finds out whether the store has another version: only so can it see that an
    // earlier call has moved the object already.
    if (mayReplace && source.file.persisted && fileAt(this.#context.tables, record.rootId, to) !== undefined) return to
    const isFile = await this.#isFile(source, to, signal)
    if (isFile && mayReplace) return to
    if (isFile || (await this.#isDirectory(record, to, signal)))
      throw new SkeinError('already_exists', `${pathOf(record, to)} exists already`)
    return to
  }

  async #namedKey(
    { record, file }: Target,
    fromKey: string,
    asked: Place,
    { intoDirectory }: Wanted,
    signal: AbortSignal,
  ): Promise<string> {
    const askedKey = asked.key.replace(/\/$/, '')
    if (intoDirectory === true) {
      const isInside = (await this.#isDirectory(record, askedKey, signal)) && askedKey !== fromKey
      return isInside
        ? `${askedKey === '' ? '' : `${askedKey}/`}${fromKey.slice(fromKey.lastIndexOf('/') + 1)}`
        : askedKey
    }
    // With a slash at its end it is the name of a directory.
    if (file !== undefined && asked.key.endsWith('/'))
      throw new SkeinError(
        'invalid_argument',
        `${pathOf(record, asked.key)} is no name of a file: remove the slash at the end`,
      )
    return askedKey
  }

  /**
   * Whether a name is taken by a file. The copy that an earlier call made before it was cut off is
   * none: the store goes on from there.
   */
  async #isFile({ record, file }: Target, to: string, signal: AbortSignal): Promise<boolean> {
    if (file?.persisted === true && fileAt(this.#context.tables, record.rootId, to) === undefined) {
      const store = await this.#context.stores.get(record)
      const object = await store.stat(to, signal).catch((thrown: unknown) => {
        if (isSkeinError(thrown, 'not_found')) return undefined
        throw thrown
      })
      const isAlike =
        object?.length === file.length && (object.etag === file.etag || (object.crc64 ?? '-') === file.crc64)
      if (object === undefined || isAlike) return false
    }
    return (await this.#sync.refresh(record, to, signal)) !== undefined
  }

  async #isDirectory(record: NamespaceRecord, key: string, signal: AbortSignal): Promise<boolean> {
    if (key === '' || directoryAt(this.#context.tables, record.rootId, key) !== undefined) return true
    return (await this.#sync.probeDirectory(record, `${key}/`, signal)) !== undefined
  }
}
