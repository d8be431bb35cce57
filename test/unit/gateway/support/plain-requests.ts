// Why: doors are also tested with requests that no client library makes. How: one request as it is,
// and connections on which a test writes what it likes.
import { once } from 'node:events'
import { request, type IncomingHttpHeaders } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect } from 'vitest'

export interface PlainAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface PlainRequest {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

/** One request as it is, without signature. */
export function plainly(
  { address }: { readonly address: string },
  method: string,
  path: string,
  { headers = {}, body }: PlainRequest = {},
): Promise<PlainAnswer> {
  const [host, port] = address.split(':')
  return new Promise((resolve, reject) => {
    const sent = request({ host, port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

export interface RawConnection {
  readonly socket: Socket
  /** Resolves with all that came when it matches. */
  readonly read: (pattern: RegExp) => Promise<string>
  readonly ended: Promise<unknown>
}

export class RawConnections {
  readonly #sockets: Socket[] = []

  async dial({ address }: { readonly address: string }): Promise<RawConnection> {
    const [host = '', port] = address.split(':')
    const socket = connect({ host, port: Number(port) })
    this.#sockets.push(socket)
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.on('error', () => undefined)
    const ended = new Promise((resolve) => socket.once('close', resolve))
    await once(socket, 'connect')
    const read = async (pattern: RegExp): Promise<string> => {
      await expect.poll(() => text, { interval: 5 }).toMatch(pattern)
      return text
    }
    return { socket, read, ended }
  }

  close(): void {
    for (const socket of this.#sockets.splice(0)) socket.destroy()
  }
}
