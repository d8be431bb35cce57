// Why: clients write a file through two requests, as they read one. How: the file is written while
// its bytes arrive, and is visible when all have come; of a body that breaks off nothing is left.
// The replication that every client of Hadoop sends by default is not a wish for copies in a cache:
// the namespace decides. A block size counts if it is smaller than the cluster's.
import { toSkeinError } from '../../../base/errors.ts'
import type { CreateOptions } from '../../../client/file-system.ts'
import { hadoopError } from '../answer/hadoop-exceptions.ts'
import { emptyReply, type WebHdfsCall, type WebHdfsContext, type WebHdfsReply } from '../call/webhdfs-call.ts'
import { redirectReply } from './file-bytes-out.ts'
import { found, parentOf } from './paths-found.ts'

const createFlags = [
  ...['CREATE', 'OVERWRITE', 'APPEND', 'SYNC_BLOCK', 'LAZY_PERSIST', 'NEW_BLOCK', 'NO_LOCAL_WRITE'],
  ...['SHOULD_REPLICATE', 'IGNORE_CLIENT_LOCALITY', 'NO_LOCAL_RACK'],
] as const
const blockSizeBytesMin = 1024 * 1024
/** Of HDFS. */
const defaultFileMode = 0o644

/** CREATE */
export async function createFile(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const options = await createOptions(context, call)
  if (!call.isData) return redirectReply(call)
  const output = await context.fileSystem.create(call.path, options).catch(async (thrown: unknown) => {
    throw await createFailure(context, call, thrown)
  })
  try {
    for await (const chunk of call.content()) await output.write(chunk)
    await output.close()
  } catch (thrown) {
    await output.abort()
    throw await createFailure(context, call, thrown)
  }
  return emptyReply(201, { location: call.fileUrl })
}

async function createOptions(context: WebHdfsContext, call: WebHdfsCall): Promise<CreateOptions> {
  const { parameters, path, user, signal, contentBytes } = call
  const flags = parameters.words('createflag', createFlags)
  if (flags.has('APPEND')) throw hadoopError('UnsupportedOperationException', 'appending to files is not supported')
  const isOverwritten = parameters.flag('overwrite', false) || flags.has('OVERWRITE')
  const mode = parameters.permission('permission') ?? defaultFileMode
  const blockSize = parameters.whole('blocksize', 1) ?? context.blockSizeBytes
  parameters.whole('replication', 1)
  parameters.whole('buffersize', 1)
  if (!parameters.flag('createparent', true)) {
    const parent = parentOf(path)
    const status = await found(context.fileSystem, parent, signal)
    if (status === undefined) throw hadoopError('FileNotFoundException', `Parent directory doesn't exist: ${parent}`)
    if (status.kind === 'file')
      throw hadoopError('ParentNotDirectoryException', `Parent path is not a directory: ${parent}`)
  }
  return {
    ...{ signal, mode, ifExists: isOverwritten ? 'overwrite' : 'exclusive' },
    ...(user === '' ? {} : { owner: user }),
    ...(contentBytes === undefined ? {} : { length: contentBytes }),
    ...(blockSize < context.blockSizeBytes && { blockSizeBytes: Math.max(blockSize, blockSizeBytesMin) }),
  }
}

/** What is wrong with the path, if it is that. */
async function createFailure(
  { fileSystem }: WebHdfsContext,
  { path, signal }: WebHdfsCall,
  thrown: unknown,
): Promise<unknown> {
  const error = toSkeinError(thrown)
  if (error.code === 'already_exists') return hadoopError('FileAlreadyExistsException', error.message)
  const isOfPath = error.code === 'failed_precondition' || error.code === 'invalid_argument'
  if (!isOfPath || error.reason !== undefined) return error
  const status = await found(fileSystem, path, signal)
  if (status?.kind !== 'directory') return error
  return hadoopError('FileAlreadyExistsException', `${path} already exists as a directory`)
}
