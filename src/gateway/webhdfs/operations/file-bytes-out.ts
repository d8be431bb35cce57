// Why: clients read a file through two requests: the first tells where the bytes are, so that an
// error is an answer and not a broken stream; the second, at this port again, gives them. How: both
// open the file; the second finds it opened. A client does not say how much it will read, so bytes
// are made as they are taken, and a client that leaves ends the read.
import type { FileHandle } from '../../../client/file-system.ts'
import { toSkeinError } from '../../../base/errors.ts'
import { lentStream } from '../../sent-memory.ts'
import { hadoopError } from '../answer/hadoop-exceptions.ts'
import {
  emptyReply,
  jsonReply,
  type WebHdfsCall,
  type WebHdfsContext,
  type WebHdfsReply,
} from '../call/webhdfs-call.ts'

/** OPEN */
export async function openFile(context: WebHdfsContext, call: WebHdfsCall): Promise<WebHdfsReply> {
  const { parameters, path, isData } = call
  const offset = parameters.whole('offset', 0) ?? 0
  const wanted = parameters.whole('length', 0) ?? Number.MAX_SAFE_INTEGER
  const handle = await opened(context, call)
  try {
    const { length } = handle.status
    // Reading at the end gives nothing; asking first where the bytes there are is an error.
    const isBeyond = isData ? offset > length : offset >= length && length > 0
    if (isBeyond)
      throw hadoopError('IOException', `Offset=${offset} out of the range [0, ${length}); OPEN, path=${path}`)
    if (!isData) {
      await handle.close()
      return redirectReply(call)
    }
    const range = { offset, length: Math.min(wanted, length - offset) }
    const stream = lentStream(context.pieces, range.length, {
      stream: (memory) => handle.stream(range, { signal: call.signal, memory }),
      close: () => handle.close(),
    })
    return { status: 200, headers: { 'content-type': bytesType }, body: { kind: 'bytes', stream } }
  } catch (thrown) {
    await handle.close()
    throw thrown
  }
}

export const bytesType = 'application/octet-stream'

/** To the data URL; with `noredirect=true` as a document. */
export function redirectReply({ parameters, dataUrl }: WebHdfsCall): WebHdfsReply {
  if (parameters.flag('noredirect', false)) return jsonReply({ Location: dataUrl })
  return emptyReply(307, { location: dataUrl, 'content-type': bytesType })
}

/** @throws FileNotFoundException for what is no file, and errors of the file system */
export async function opened(
  { fileSystem, onSource }: WebHdfsContext,
  { path, signal }: WebHdfsCall,
): Promise<FileHandle> {
  try {
    return await fileSystem.open(path, { signal, onSource })
  } catch (thrown) {
    const error = toSkeinError(thrown)
    const isDirectory = path === '/' || (error.code === 'failed_precondition' && error.reason === undefined)
    throw isDirectory ? hadoopError('FileNotFoundException', `Path is not a file: ${path}`) : error
  }
}
