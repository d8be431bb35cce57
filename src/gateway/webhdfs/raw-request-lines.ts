// Why: Java's client of HTTP, and so Hadoop's, sends names that are not ASCII as they are, in
// UTF-8. Servers of Java take them; the parser of Node.js refuses them. How: the first line of a
// connection is read before the parser gets it, and such bytes and control characters are
// percent-encoded. On a connection
// that is used again the parser refuses the line, and the connection is closed without an answer:
// clients then repeat the request over a new one.
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../../base/clock.ts'

/** As the parser limits a line and its headers. */
const lineBytesMax = 32 * 1024
/** As the parser limits the time for a head. */
const lineMs = 10_000
const newline = 0x0a

/** Must be called before anything else listens to connections of the server. */
export function takeRawRequestLines(server: Server, clock: Pick<Clock, 'schedule'>): void {
  const [parse] = server.listeners('connection') as ((this: Server, socket: Socket) => void)[]
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    readLine(socket, clock, (first) => {
      parse?.call(server, socket)
      socket.unshift(first)
      socket.resume()
    })
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (error.code === 'HPE_INVALID_URL' || !socket.writable || error.code === 'ECONNRESET') socket.destroy()
    else socket.end(`HTTP/1.1 ${statusOf(error.code)}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  })
}

/** As Node.js answers by itself. */
function statusOf(code: string | undefined): string {
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large'
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? '408 Request Timeout' : '400 Bad Request'
}

/** Calls `onRead` with all bytes that came, when the first line is among them or it is too long. */
function readLine(socket: Socket, clock: Pick<Clock, 'schedule'>, onRead: (bytes: Buffer) => void): void {
  let got: Buffer = Buffer.alloc(0)
  const onData = (chunk: Buffer): void => {
    got = got.length === 0 ? chunk : Buffer.concat([got, chunk])
    const end = got.indexOf(newline)
    if (end < 0 && got.length < lineBytesMax) return
    leave()
    socket.pause()
    onRead(withEncodedLine(got, end < 0 ? got.length : end))
  }
  const onError = (): void => void socket.destroy()
  const leave = (): void => {
    cancel()
    socket.off('data', onData)
    socket.off('error', onError)
    socket.off('close', leave)
    socket.off('end', onError)
  }
  const cancel = clock.schedule(lineMs, () => socket.destroy())
  socket.on('error', onError)
  socket.on('end', onError)
  socket.on('close', leave)
  socket.on('data', onData)
}

function withEncodedLine(bytes: Buffer, end: number): Buffer {
  const line = bytes.subarray(0, end)
  if (!line.some(isRefused)) return bytes
  const encoded = Array.from(line, (byte) =>
    isRefused(byte) ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}` : String.fromCharCode(byte),
  )
  return Buffer.concat([Buffer.from(encoded.join(''), 'latin1'), bytes.subarray(end)])
}

/** All but printable ASCII, blanks, and the carriage return at the end. */
function isRefused(byte: number): boolean {
  return byte >= 0x7f || (byte < 0x20 && byte !== 0x0d)
}
