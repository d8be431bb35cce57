// Why: a page of a listing has two forms. The command line shows everything that is known of a
// file. Doors and programs list much and show little: for them a page has neither what follows from
// the listed path nor what most files have in common (ListedEntry in wire/proto). How: one object
// gathers the entries of one page, and what all of them share is looked up once.
import { replicationMinOf } from '../../meta/apply/expiry.ts'
import { isAnyToBePersisted } from '../../meta/apply/written-files.ts'
import { type EffectiveTtl, namespaceTtl } from '../../meta/apply/namespace-ttl.ts'
import type { DirectoryInode, FileInode, NamespaceRecord } from '../../meta/meta-tables.ts'
import type { FileInfo, ListedEntry, ListStatusResponse } from '../../wire/generated/master.ts'
import type { MasterContext } from '../master-context.ts'
import {
  cachedOf,
  directoryInfo,
  fileInfo,
  isAtStore,
  isExplicit,
  metadataInfo,
  persistenceStateOf,
  ttlOf,
} from '../paths/file-info.ts'

export interface PageEntries {
  readonly count: number
  /** The file that the listed path itself names. */
  addNamed(record: NamespaceRecord, key: string, file: FileInode): void
  addFile(record: NamespaceRecord, key: string, file: FileInode): void
  /** @param key empty for a namespace, else ending in `/` */
  addDirectory(record: NamespaceRecord, key: string, directory: DirectoryInode): void
  /** Its part of the answer. */
  answer(): Pick<ListStatusResponse, 'files' | 'listed'>
}

/** All that is known of each entry. */
export class FullEntries implements PageEntries {
  readonly #context: MasterContext
  readonly #withMetadata: boolean
  readonly #ttls: NamespaceTtls
  readonly #files: FileInfo[] = []

  constructor(context: MasterContext, withMetadata: boolean) {
    this.#context = context
    this.#withMetadata = withMetadata
    this.#ttls = new NamespaceTtls(context)
  }

  get count(): number {
    return this.#files.length
  }

  addNamed(record: NamespaceRecord, key: string, file: FileInode): void {
    this.addFile(record, key, file)
  }

  addFile(record: NamespaceRecord, key: string, file: FileInode): void {
    const info = fileInfo(this.#context, record, key, file, this.#ttls.of(record))
    this.#files.push(this.#withMetadata ? { ...info, ...metadataInfo(file) } : info)
  }

  addDirectory(record: NamespaceRecord, key: string, directory: DirectoryInode): void {
    this.#files.push(directoryInfo(this.#context.tables, record, key, directory))
  }

  answer(): Pick<ListStatusResponse, 'files'> {
    return { files: this.#files }
  }
}

/** What of a listed path its entries begin with: `/`, or one directory. */
export interface ListedPlace {
  /** With a `/` at the end. */
  readonly path: string
  /** Undefined: `/`; else the key of a directory, empty for a namespace itself. */
  readonly key: string | undefined
}

/** See ListedEntry. */
export class BriefEntries implements PageEntries {
  readonly #context: MasterContext
  readonly #withMetadata: boolean
  readonly #place: ListedPlace
  readonly #ttls: NamespaceTtls
  readonly #named: FullEntries
  /** Whether one of its files may wait for the store; looked up once, since mostly none does. */
  #isAnyWaiting: boolean | undefined
  readonly #entries: ListedEntry[] = []

  constructor(context: MasterContext, withMetadata: boolean, place: ListedPlace) {
    this.#context = context
    this.#withMetadata = withMetadata
    this.#place = place
    this.#ttls = new NamespaceTtls(context)
    this.#named = new FullEntries(context, withMetadata)
  }

  get count(): number {
    return this.#named.count + this.#entries.length
  }

  addNamed(record: NamespaceRecord, key: string, file: FileInode): void {
    this.#named.addNamed(record, key, file)
  }

  addFile(record: NamespaceRecord, key: string, file: FileInode): void {
    const { persisted, replicationMax, owner, group, mode } = file
    const ttl = ttlOf(this.#context, record, file, this.#ttls.of(record))
    const entry: ListedEntry = {
      path: this.#pathOf(record, key),
      folder: false,
      fileId: file.id,
      length: file.length,
      blockSizeBytes: file.blockSizeBytes,
      etag: file.etag,
      createdMs: file.createdMs,
      modifiedMs: file.modifiedMs,
      cachedBytes: cachedOf(this.#context, file).bytes,
      persistenceState: persisted ? '' : this.#stateOf(file),
      persistProblem: persisted ? undefined : this.#context.persistProblems.of(file.id)?.message,
      pinned: file.pinned,
      replicationMax: replicationMax < 0 ? undefined : replicationMax,
      replicationMin: replicationMinOf(file),
      ttlMs: ttl.ttlMs < 0 ? undefined : ttl.ttlMs,
      ttlAction: ttl.action === 'FREE' ? '' : ttl.action,
      owner,
      group,
      mode,
      mountPoint: false,
      implied: false,
      contentType: undefined,
      userMetadata: undefined,
      clientMetadata: undefined,
      times: file.times,
    }
    if (this.#withMetadata) addMetadata(entry, file)
    this.#entries.push(entry)
  }

  addDirectory(record: NamespaceRecord, key: string, directory: DirectoryInode): void {
    const { ttlMs, ttlAction, replicationMax = -1, owner, group, mode } = directory
    this.#entries.push({
      path: this.#pathOf(record, key),
      folder: true,
      fileId: directory.id,
      length: 0,
      blockSizeBytes: 0,
      etag: '',
      createdMs: directory.createdMs,
      modifiedMs: directory.createdMs,
      cachedBytes: 0,
      persistenceState: isAtStore(this.#context.tables, directory) ? '' : 'NOT_PERSISTED',
      persistProblem: undefined,
      pinned: directory.pinned,
      replicationMax: replicationMax < 0 ? undefined : replicationMax,
      replicationMin: directory.replicationMin ?? 0,
      ttlMs: ttlMs < 0 ? undefined : ttlMs,
      ttlAction: ttlAction === 'FREE' ? '' : ttlAction,
      owner,
      group,
      mode,
      mountPoint: key === '',
      implied: key !== '' && !isExplicit(directory),
      contentType: undefined,
      userMetadata: undefined,
      clientMetadata: undefined,
      times: directory.times,
    })
  }

  answer(): Pick<ListStatusResponse, 'files' | 'listed'> {
    return { ...this.#named.answer(), listed: { directory: this.#place.path, entries: this.#entries } }
  }

  #stateOf(file: FileInode): string {
    const { tables } = this.#context
    this.#isAnyWaiting ??= isAnyToBePersisted(tables)
    return this.#isAnyWaiting ? persistenceStateOf(tables, file) : 'NOT_PERSISTED'
  }

  #pathOf(record: NamespaceRecord, key: string): string {
    const listed = this.#place.key
    if (listed !== undefined) return key.slice(listed.length)
    return record.name === '' ? key : `${record.name}/${key}`
  }
}

function addMetadata(entry: ListedEntry, { contentType, userMetadata, clientMetadata }: FileInode): void {
  entry.contentType = contentType
  if (userMetadata !== undefined) entry.userMetadata = { values: userMetadata }
  if (clientMetadata !== undefined) entry.clientMetadata = { values: clientMetadata }
}

/** Of the namespaces of a page, each looked up once. */
class NamespaceTtls {
  readonly #context: Pick<MasterContext, 'tables'>
  #last: { readonly rootId: number; readonly ttl: EffectiveTtl } | undefined

  constructor(context: Pick<MasterContext, 'tables'>) {
    this.#context = context
  }

  of({ rootId }: NamespaceRecord): EffectiveTtl {
    if (this.#last?.rootId !== rootId) this.#last = { rootId, ttl: namespaceTtl(this.#context.tables, rootId) }
    return this.#last.ttl
  }
}
