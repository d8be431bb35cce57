// Why: a file of secrets that others can read is not secret, and one that others can write is not
// ours. How: both are refused before the content is used. A FIFO is refused, too: nothing waits for
// its writer.
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { SkeinError, toSkeinError } from '../errors.ts'

const fileBytesMax = 1024 * 1024
/** Others may do nothing with it, and the group may not write it. */
const forbiddenModeBits = 0o027

/**
 * The text of a file of secrets.
 * @param refusal creates the error for a problem
 * @throws the error of `refusal`
 */
export async function readSecretFile(path: string, refusal: (problem: string) => SkeinError): Promise<string> {
  let file: FileHandle | undefined
  try {
    // A FIFO would wait for a writer without O_NONBLOCK.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const about = await file.stat()
    if (!about.isFile()) throw refusal('it is not a file')
    if ((about.mode & forbiddenModeBits) !== 0)
      throw refusal('others may read it, or the group may write it: chmod 600 it')
    if (about.size > fileBytesMax) throw refusal(`it is longer than ${fileBytesMax} bytes`)
    return await file.readFile('utf8')
  } catch (thrown) {
    if (thrown instanceof SkeinError) throw thrown
    throw refusal(toSkeinError(thrown).message)
  } finally {
    await file?.close()
  }
}

/**
 * The JSON document in a file of secrets.
 * @throws the error of `refusal`
 */
export async function readSecretDocument(path: string, refusal: (problem: string) => SkeinError): Promise<unknown> {
  const text = await readSecretFile(path, refusal)
  try {
    return JSON.parse(text)
  } catch {
    // The message of the parser would show a part of the file.
    throw refusal('it is not JSON')
  }
}
