// Why: a program that reads the small files of a directory one after the other would ask for each
// of them (OpenFile), which costs more than its bytes. How: one answer for the files behind a name.
// It is only ahead of the program, so it never waits for a store: what would have to be looked for
// there is left out, and asked for when it is opened.
import { blockCount } from '../../base/block-id.ts'
import { entriesOf, hiddenBelow } from '../../meta/listed-range.ts'
import { directoryAt, placeOfText } from '../../meta/resolve-path.ts'
import type {
  BlockLocations,
  FileInfo,
  OpenNextFilesRequest,
  OpenNextFilesResponse,
} from '../../wire/generated/master.ts'
import type { MasterContext } from '../master-context.ts'
import { fileInfo, locationsOf, metadataInfo } from './file-info.ts'
import { directoryKey, takeEntries } from './file-look-up.ts'
import type { PathLocator } from './path-locator.ts'

/** The files of an answer are looked up in one turn of the event loop: each must be short. */
const blocksMax = 16

export class NextFiles {
  readonly #context: MasterContext
  readonly #locator: Pick<PathLocator, 'holds'>

  constructor(context: MasterContext, locator: Pick<PathLocator, 'holds'>) {
    this.#context = context
    this.#locator = locator
  }

  /**
   * Files as OpenFile gives them; none of a directory that is not known. @throws SkeinError
   * not_found for an unknown namespace, invalid_argument for a path that is none
   */
  open({ directory, startAfter, limit, lengthMax, syncIntervalMs }: OpenNextFilesRequest): OpenNextFilesResponse {
    const { tables, workers } = this.#context
    const place = placeOfText(tables, directory)
    if (place === undefined) return { files: [], workers: [] }
    const { record } = place
    const key = directoryKey(place.key)
    const known = directoryAt(tables, record.rootId, key)
    if (known === undefined) return { files: [], workers: [] }
    workers.expire()
    const range = { isRecursive: false, prefix: '', startAfter, hidden: hiddenBelow(tables, { id: known.id, key }) }
    const files: { file: FileInfo; blocks: BlockLocations[] }[] = []
    for (const entry of takeEntries(entriesOf(tables, { id: known.id, key }, range, undefined), limit)) {
      const inode = entry.folder ? undefined : tables.inode(entry.inodeId)
      if (inode?.kind !== 'file' || inode.length > lengthMax) continue
      if (blockCount(inode.length, inode.blockSizeBytes) > blocksMax) continue
      if (!this.#locator.holds(record, inode, syncIntervalMs)) continue
      const blocks = locationsOf(this.#context, inode.id, inode.length, inode.blockSizeBytes)
      files.push({ file: { ...fileInfo(this.#context, record, entry.key, inode), ...metadataInfo(inode) }, blocks })
    }
    const ids = files.flatMap(({ blocks }) => blocks.flatMap(({ workerIds }) => workerIds))
    return { files, workers: workers.infos(ids) }
  }
}
