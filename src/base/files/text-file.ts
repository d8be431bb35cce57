// Why: lists, manifests, properties and secrets are text from people and other programs. It may
// have a byte order mark or CRLF, use another encoding, never end, or not be a file at all. One
// reader accepts or refuses each case in the same way everywhere. How: bytes are split at line
// feeds and decoded line by line, so that a message can name the line and memory is bounded. Small
// files that are needed at startup are read synchronously.
import { closeSync, constants, createReadStream, fstatSync, openSync, readSync, type Stats } from 'node:fs'
import { stat } from 'node:fs/promises'
import { SkeinError } from '../errors.ts'

/** Maximum length of a line of a list or manifest. */
const lineBytesMax = 64 * 1024
const lineFeed = 0x0a

/** Creates the error for a text with invalid content. */
export type Refuse = (message: string) => SkeinError

/** A text to read. */
export interface TextSource {
  /** A path, or `-` for stdin. */
  readonly file: string
  /** The name in messages. */
  readonly name: string
  /** Whether a FIFO is allowed. It can be read only once, and the reader waits for its writer. */
  readonly isPipeAllowed: boolean
}

/**
 * Yields the lines without line ends and byte order mark.
 * @throws SkeinError not_found, failed_precondition; the error of `refuse` with the message
 *   `name:line: ...`
 */
export async function* textLines(source: TextSource, refuse: Refuse): AsyncGenerator<string, void, undefined> {
  let number = 0
  const line = (bytes: Buffer): string => {
    number += 1
    const text = decoded(bytes, source.name, number, refuse)
    return text.endsWith('\r') ? text.slice(0, -1) : text
  }
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of chunksOf(source)) {
    let from = 0
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, from)) {
      const part = chunk.subarray(from, end)
      checkLine(rest.length + part.length, source.name, number + 1, refuse)
      yield line(rest.length === 0 ? part : Buffer.concat([rest, part]))
      rest = Buffer.alloc(0)
      from = end + 1
    }
    checkLine(rest.length + chunk.length - from, source.name, number + 1, refuse)
    rest = Buffer.concat([rest, chunk.subarray(from)])
  }
  if (rest.length > 0) yield line(rest)
}

/** Reads a small text, without its byte order mark. @throws see textLines */
export async function readText(source: TextSource, bytesMax: number, refuse: Refuse): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunksOf(source)) {
    bytes += chunk.length
    if (bytes > bytesMax) throw refuse(`${source.name} is longer than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return wholeText(Buffer.concat(chunks), source.name, refuse)
}

/**
 * Reads a small file synchronously. Never waits: anything but a regular file is refused.
 * @throws errors of node:fs; otherwise the error of `refuse`
 */
export function readTextFile(path: string, bytesMax: number, refuse: Refuse): string {
  // Opening a FIFO without O_NONBLOCK would wait before its type can be checked.
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const about = fstatSync(file)
    if (!about.isFile()) throw refuse(`${path} is ${kindOf(about)}, not a file`)
    const buffer = Buffer.alloc(Math.min(about.size, bytesMax) + 1)
    let length = 0
    for (let read = 1; read > 0 && length < buffer.length; length += read)
      read = readSync(file, buffer, length, buffer.length - length, length)
    if (length > bytesMax) throw refuse(`${path} is longer than ${bytesMax} bytes`)
    return wholeText(buffer.subarray(0, length), path, refuse)
  } finally {
    closeSync(file)
  }
}

function wholeText(bytes: Buffer, name: string, refuse: Refuse): string {
  const parts: string[] = []
  for (let from = 0, number = 1; from <= bytes.length; number += 1) {
    const feed = bytes.indexOf(lineFeed, from)
    const end = feed < 0 ? bytes.length : feed
    parts.push(decoded(bytes.subarray(from, end), name, number, refuse))
    from = end + 1
  }
  return parts.join('\n')
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function decoded(bytes: Buffer, name: string, number: number, refuse: Refuse): string {
  if (number === 1 && bytes.length >= 2 && [0xfffe, 0xfeff].includes(bytes.readUInt16BE(0)))
    throw refuse(`${name} is UTF-16: save it as UTF-8`)
  try {
    const text = decoder.decode(bytes)
    return number === 1 && text.startsWith('\uFEFF') ? text.slice(1) : text
  } catch {
    throw refuse(`${name}:${number}: the line is not UTF-8: save the file as UTF-8`)
  }
}

function checkLine(bytes: number, name: string, number: number, refuse: Refuse): void {
  if (bytes > lineBytesMax) throw refuse(`${name}:${number}: the line is longer than ${lineBytesMax} bytes`)
}

async function* chunksOf({ file, name, isPipeAllowed }: TextSource): AsyncGenerator<Buffer, void, undefined> {
  try {
    if (file === '-') {
      for await (const chunk of process.stdin) yield typeof chunk === 'string' ? Buffer.from(chunk) : (chunk as Buffer)
      return
    }
    const about = await stat(file)
    // Devices such as /dev/null are allowed. The maximum line length also applies to them.
    const isReadable = about.isFile() || about.isCharacterDevice() || (about.isFIFO() && isPipeAllowed)
    if (!isReadable)
      throw new SkeinError('failed_precondition', `${name} cannot be read: it is ${kindOf(about)}, not a file`)
    for await (const chunk of createReadStream(file)) yield chunk as Buffer
  } catch (thrown) {
    if (thrown instanceof SkeinError) throw thrown
    const { code, message } = thrown as NodeJS.ErrnoException
    throw new SkeinError(
      code === 'ENOENT' ? 'not_found' : 'failed_precondition',
      `${name} cannot be read: ${message}`,
      { cause: thrown },
    )
  }
}

function kindOf(about: Stats): string {
  if (about.isDirectory()) return 'a directory'
  if (about.isFIFO()) return 'a FIFO'
  return about.isSocket() ? 'a socket' : 'a device'
}
