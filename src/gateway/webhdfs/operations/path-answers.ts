// Why: what clients ask about one path. How: each answer from the status, the blocks or the summary
// of the file system, in Hadoop's form.
import type { FileStatus } from '../../../client/file-system.ts'
import { hadoopError, parameterError } from '../answer/hadoop-exceptions.ts'
import { blockLocationsJson, blocksOf, type LocatedRange, locatedBlocksJson } from '../answer/location-json.ts'
import { permissionText, statusJson } from '../answer/status-json.ts'
import {
  emptyReply,
  jsonReply,
  type WebHdfsCall,
  type WebHdfsContext,
  type WebHdfsReply,
} from '../call/webhdfs-call.ts'
import { firstNameOf } from '../../../base/paths.ts'
import { opened } from './file-bytes-out.ts'
import { hasRootMount } from '../../../client/status/namespace-of.ts'
import { found } from './paths-found.ts'

const noQuota = -1

/** GETFILESTATUS, GETFILELINKSTATUS: there are no links. */
export async function getFileStatus(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  return jsonReply({ FileStatus: statusJson(await existing(context, call), '') })
}

/** GETACLSTATUS */
export async function getAclStatus(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { owner, group, mode } = await existing(context, call)
  const stickyBit = (mode & 0o1000) !== 0
  return jsonReply({ AclStatus: { entries: [], group, owner, permission: permissionText(mode), stickyBit } })
}

/** GETXATTRS */
export async function getExtendedAttributes(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  await existing(context, call)
  if (call.parameters.text('xattr.name') !== undefined)
    throw hadoopError('IOException', 'At least one of the attributes provided was not found.')
  return jsonReply({ XAttrs: [] })
}

/** LISTXATTRS: the names are a text with JSON in it. */
export async function listExtendedAttributes(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  await existing(context, call)
  return jsonReply({ XAttrNames: '[]' })
}

/** CHECKACCESS */
export async function checkAccess(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const action = call.parameters.word('fsaction')
  if (action === undefined) throw parameterError('fsaction', 'it is required')
  if (!/^[r-][w-][x-]$/.test(action))
    throw parameterError('fsaction', `"${action.slice(0, 100)}" does not match [r-][w-][x-]`)
  await existing(context, call)
  const topName = firstNameOf(call.path)
  if (action.includes('w') && !context.permissions.may(call.user, 'write', topName))
    throw hadoopError('AccessControlException', `Permission denied: user=${call.user}, access=WRITE, path=${call.path}`)
  return emptyReply()
}

/** GETCONTENTSUMMARY */
export async function getContentSummary(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { files, directories, length, space } = await summary(context, call)
  return jsonReply({
    ContentSummary: {
      ...{ directoryCount: directories, fileCount: files, length, ecPolicy: '' },
      ...{ quota: noQuota, spaceConsumed: space, spaceQuota: noQuota, typeQuota: {} },
      ...{ snapshotDirectoryCount: 0, snapshotFileCount: 0, snapshotLength: 0, snapshotSpaceConsumed: 0 },
    },
  })
}

/** GETQUOTAUSAGE */
export async function getQuotaUsage(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { files, directories, space } = await summary(context, call)
  const fileAndDirectoryCount = files + directories
  const usage = { fileAndDirectoryCount, quota: noQuota, spaceConsumed: space, spaceQuota: noQuota, typeQuota: {} }
  return jsonReply({ QuotaUsage: usage })
}

/** GETFILEBLOCKLOCATIONS */
export async function getFileBlockLocations(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { status, range } = await locatedFile(context, call)
  return jsonReply(blockLocationsJson(blocksOf(status, range, await cachedBlocks(context, call, range))))
}

/** GET_BLOCK_LOCATIONS, of clients before Hadoop 3.4. */
export async function getBlockLocations(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { status, range } = await locatedFile(context, call)
  return jsonReply(locatedBlocksJson(status, blocksOf(status, range, await cachedBlocks(context, call, range))))
}

async function locatedFile(
  context: WebHdfsContext,
  call: WebHdfsCall,
): Promise<{ readonly status: FileStatus; readonly range: LocatedRange }> {
  const offset = call.parameters.whole('offset', 0) ?? 0
  const wanted = call.parameters.whole('length', 0) ?? Number.MAX_SAFE_INTEGER
  const handle = await opened(context, call)
  await handle.close()
  const { status } = handle
  const left = Math.max(0, status.length - offset)
  return { status, range: { offset: Math.min(offset, status.length), length: Math.min(wanted, left) } }
}

async function cachedBlocks(
  { fileSystem }: WebHdfsContext,
  { path, signal }: WebHdfsCall,
  range: LocatedRange,
): ReturnType<WebHdfsContext['fileSystem']['blockLocations']> {
  return range.length === 0 ? [] : fileSystem.blockLocations(path, range, { signal })
}

interface Summary {
  readonly files: number
  readonly directories: number
  readonly length: number
  /** What the cache has of it. */
  readonly space: number
}

async function summary({ fileSystem }: WebHdfsContext, { path, signal }: WebHdfsCall): Promise<Summary> {
  const { files, directories, bytes, cachedBytes } = await fileSystem.summary(path, { signal })
  const isCounted = path !== '/' || (await hasRootMount(fileSystem, { signal }))
  return { files, directories: isCounted ? directories : directories + 1, length: bytes, space: cachedBytes }
}

/** @throws FileNotFoundException */
export async function existing({ fileSystem }: WebHdfsContext, { path, signal }: WebHdfsCall): Promise<FileStatus> {
  const status = await found(fileSystem, path, signal)
  if (status === undefined) throw hadoopError('FileNotFoundException', `File does not exist: ${path}`)
  return status
}
