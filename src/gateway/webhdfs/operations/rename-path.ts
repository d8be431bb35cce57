// Why: RENAME has two meanings in Hadoop. Without options what cannot be moved is `false`, and a
// directory as the target means a place in it; with options everything is an error, and OVERWRITE
// replaces. How: what is at both paths is looked at first, then the file system moves, which
// refuses a target that came to be meanwhile.
import { isSkeinError, type SkeinError, toSkeinError } from '../../../base/errors.ts'
import { hadoopError, parameterError } from '../answer/hadoop-exceptions.ts'
import {
  booleanReply,
  emptyReply,
  type WebHdfsCall,
  type WebHdfsContext,
  type WebHdfsReply,
} from '../call/webhdfs-call.ts'
import { areInOneNamespace, namespaceOf } from '../../../client/status/namespace-of.ts'
import { checkedPath } from '../request/webhdfs-request.ts'
import { found, nameOf, parentOf, withoutSlash } from './paths-found.ts'

interface Move {
  readonly from: string
  readonly to: string
  /** Of what is at `from`. */
  readonly fileId?: number
}

/** RENAME */
export async function renamePath(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const destination = call.parameters.text('destination')
  if (destination === undefined) throw parameterError('destination', 'it is required')
  const topName = checkedPath(destination)
  if (topName !== '' && !context.permissions.may(call.user, 'write', topName))
    throw hadoopError('AccessControlException', `Permission denied: user=${call.user}, access=WRITE, ${destination}`)
  const options = call.parameters.words('renameoptions', ['NONE', 'OVERWRITE', 'TO_TRASH'])
  const [from, to] = [withoutSlash(call.path), withoutSlash(destination)]
  if (options.size === 0) return booleanReply(await moved(context, from, to, call.signal))
  await moveOrThrow(context, from, to, options.has('OVERWRITE'), call.signal)
  return emptyReply()
}

async function moved(context: WebHdfsContext, from: string, asked: string, signal: AbortSignal): Promise<boolean> {
  const { fileSystem } = context
  const source = await found(fileSystem, from, signal)
  if (source === undefined || from === '/') return false
  const there = await found(fileSystem, asked, signal)
  const to = there?.kind === 'directory' ? `${asked === '/' ? '' : asked}/${nameOf(from)}` : asked
  if (to === from) return source.kind === 'file'
  if (to.startsWith(`${from}/`)) return false
  const taken = to === asked ? there : await found(fileSystem, to, signal)
  if (taken !== undefined) return false
  if ((await found(fileSystem, parentOf(to), signal))?.kind !== 'directory') return false
  try {
    await move(context, { from, to, fileId: source.fileId }, signal)
    return true
  } catch (thrown) {
    if (isSkeinError(thrown, 'not_found') || isSkeinError(thrown, 'already_exists')) return false
    throw thrown
  }
}

async function moveOrThrow(
  context: WebHdfsContext,
  from: string,
  to: string,
  isOverwritten: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { fileSystem } = context
  const source = await found(fileSystem, from, signal)
  if (source === undefined) throw hadoopError('FileNotFoundException', `rename source ${from} is not found.`)
  if (from === '/' || to === '/') throw hadoopError('IOException', 'rename source and destination must not be the root')
  if (to === from)
    throw hadoopError('FileAlreadyExistsException', `The source ${from} and destination ${to} are the same`)
  if (to.startsWith(`${from}/`))
    throw hadoopError('IOException', `Rename destination ${to} is a directory or file under source ${from}`)
  const parent = await found(fileSystem, parentOf(to), signal)
  if (parent === undefined)
    throw hadoopError('FileNotFoundException', `rename destination parent ${parentOf(to)} not found.`)
  if (parent.kind === 'file')
    throw hadoopError('ParentNotDirectoryException', `rename destination parent ${parentOf(to)} is a file.`)
  const there = await found(fileSystem, to, signal)
  if (there !== undefined) {
    if (!isOverwritten) throw hadoopError('FileAlreadyExistsException', `rename destination ${to} already exists`)
    if (source.kind !== there.kind)
      throw hadoopError('IOException', `Source ${from} and destination ${to} must both be files or directories`)
    if (there.kind === 'directory') await makeRoom(context, { from, to }, signal)
  }
  await move(context, { from, to, fileId: source.fileId }, signal, there?.kind === 'file' ? 'overwrite' : 'exclusive')
}

/** Removes the empty directory that is to be replaced. */
async function makeRoom({ fileSystem }: WebHdfsContext, { from, to }: Move, signal: AbortSignal): Promise<void> {
  await refuseOtherNamespace(fileSystem, { from, to }, signal)
  try {
    // With the slash: an object of this name that came meanwhile is not what is removed.
    await fileSystem.delete(`${to}/`, { signal })
  } catch (thrown) {
    const error = toSkeinError(thrown)
    if (error.code === 'not_found') return
    if (error.code === 'failed_precondition' && error.reason === undefined)
      throw hadoopError('IOException', `rename cannot overwrite non empty destination directory ${to}`)
    throw error
  }
}

async function move(
  { fileSystem }: WebHdfsContext,
  { from, to, fileId }: Move,
  signal: AbortSignal,
  ifExists: 'exclusive' | 'overwrite' = 'exclusive',
): Promise<void> {
  await refuseOtherNamespace(fileSystem, { from, to }, signal)
  try {
    await fileSystem.rename(from, to, { ifExists, signal, ...(fileId !== undefined && { fileId }) })
  } catch (thrown) {
    const error = toSkeinError(thrown)
    throw error.code === 'invalid_argument' ? refusedMove(error) : error
  }
}

async function refuseOtherNamespace(
  fileSystem: WebHdfsContext['fileSystem'],
  { from, to }: Move,
  signal: AbortSignal,
): Promise<void> {
  for (const path of [from, to])
    if (parentOf(path) === '/' && (await namespaceOf(fileSystem, path, { signal })) !== '')
      throw hadoopError('IOException', `${path} is a namespace, which cannot be renamed`)
  if (!(await areInOneNamespace(fileSystem, [from, to], { signal })))
    throw hadoopError('IOException', `${from} cannot be moved to another namespace: copy it, then remove it`)
}

function refusedMove(error: SkeinError): SkeinError {
  return hadoopError('IOException', error.message)
}
