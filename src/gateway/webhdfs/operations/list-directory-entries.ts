// Why: a directory may have a million entries, and a listing must hold few of them. How: LISTSTATUS
// sends page after page of the master; LISTSTATUS_BATCH sends one, and the client asks for the next
// with the last name that it got.
import { jsonReply, type WebHdfsCall, type WebHdfsContext, type WebHdfsReply } from '../call/webhdfs-call.ts'
import type { FileStatus } from '../../../client/file-system.ts'
import { parameterError } from '../answer/hadoop-exceptions.ts'
import { type StatusJson, statusJson } from '../answer/status-json.ts'
import { EntryNames } from './entry-names.ts'
import { found, withoutSlash } from './paths-found.ts'

/** Less than a page of the file system, which then shows whether there is more. */
const batchEntries = 999
const pageEntries = 1000

/** LISTSTATUS */
export async function listStatus({ fileSystem }: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { path, signal } = call
  const pages = fileSystem.list(path, { signal, pageSize: pageEntries })[Symbol.asyncIterator]()
  // The first page is asked for before the head of the answer is sent: an error can be answered.
  const first = await pages.next()
  const rest = { [Symbol.asyncIterator]: () => pages }
  return { status: 200, body: { kind: 'pieces', pieces: pieces(path, first.done === true ? [] : first.value, rest) } }
}

async function* pieces(
  path: string,
  first: readonly FileStatus[],
  rest: AsyncIterable<readonly FileStatus[]>,
): AsyncGenerator<string> {
  const names = new EntryNames()
  let separator = ''
  const text = (page: readonly FileStatus[]): string => {
    const shown = shownEntries(path, page, names).map((entry) => JSON.stringify(entry))
    const piece = shown.length === 0 ? '' : `${separator}${shown.join(',\n')}`
    if (shown.length > 0) separator = ',\n'
    return piece
  }
  yield `{"FileStatuses":{"FileStatus":[\n${text(first)}`
  for await (const page of rest) {
    const piece = text(page)
    if (piece !== '') yield piece
  }
  yield '\n]}}\n'
}

/** LISTSTATUS_BATCH */
export async function listStatusBatch({ fileSystem }: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { path, signal, parameters } = call
  const start = parameters.text('startafter')
  if (start?.includes('/') === true) throw parameterError('startafter', 'a name has no slash')
  const startAfter = start === undefined ? undefined : await orderedName(path, start, fileSystem, signal)
  const names = new EntryNames()
  const shown: StatusJson[] = []
  const listing = { signal, pageSize: pageEntries, ...(startAfter !== undefined && { startAfter }) }
  for await (const page of fileSystem.list(path, listing)) {
    for (const entry of page) {
      const [json] = shownEntries(path, [entry], names)
      if (json === undefined) continue
      // The next batch begins behind this name, or with it.
      if (shown.length >= batchEntries - 1 && (await isHiddenByFile(path, entry))) continue
      shown.push(json)
      if (shown.length > batchEntries) break
    }
    if (shown.length > batchEntries) break
  }
  const remainingEntries = shown.length > batchEntries ? 1 : 0
  const partialListing = { FileStatuses: { FileStatus: shown.slice(0, batchEntries) } }
  return jsonReply({ DirectoryListing: { partialListing, remainingEntries } })

  /** Whether the name is a file's of an earlier batch. */
  async function isHiddenByFile(directory: string, { kind, name }: FileStatus): Promise<boolean> {
    if (kind === 'file') return false
    return (await found(fileSystem, pathOfName(directory, name), signal))?.kind === 'file'
  }
}

/** The name as the file system orders it: a directory's ends in a slash. */
async function orderedName(
  directory: string,
  name: string,
  fileSystem: WebHdfsContext['fileSystem'],
  signal: AbortSignal,
): Promise<string> {
  const status = await found(fileSystem, pathOfName(directory, name), signal)
  return status?.kind === 'directory' ? `${name}/` : name
}

function pathOfName(directory: string, name: string): string {
  const plain = withoutSlash(directory)
  return plain === '/' ? `/${name}` : `${plain}/${name}`
}

function shownEntries(path: string, page: readonly FileStatus[], names: EntryNames): StatusJson[] {
  return page.flatMap((entry) => {
    // A file is its own only entry, and has no name then.
    if (entry.kind === 'file' && entry.path === path) return [statusJson(entry, '')]
    return names.isShown(entry) ? [statusJson(entry, entry.name)] : []
  })
}
