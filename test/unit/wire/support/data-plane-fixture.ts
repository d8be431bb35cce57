// A worker in memory behind a real data port, and raw ends of connections, for the tests of the
// data plane.
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { afterEach } from 'vitest'
import { systemClock } from '../../../../src/base/clock.ts'
import { SkeinError } from '../../../../src/base/errors.ts'
import { silentLogger } from '../../../../src/telemetry/logger.ts'
import { DataClient, type DataClientOptions } from '../../../../src/wire/data/data-client.ts'
import type { DataPlaneHandlers, SmallBlock } from '../../../../src/wire/data/data-plane.ts'
import type { DataServerLimits } from '../../../../src/wire/data/data-server-limits.ts'
import { type RunningDataServer, startDataServer } from '../../../../src/wire/data/data-server.ts'
import type { BlockHeader } from '../../../../src/wire/generated/worker.ts'

export const signal = new AbortController().signal
export const cleanups: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

export const header = (blockId: number, length: number): BlockHeader => ({
  blockId,
  length,
  namespaceId: 'ns',
  key: `dir/ключ ${blockId}`,
  etag: '"e"',
  offset: 0,
})
export const bytesOf = (length: number, seed = 1): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 31 + seed * 17 + (index >> 8)) & 255))
export const code = (thrown: unknown): string => (thrown instanceof SkeinError ? thrown.code : 'not a SkeinError')

export const noStores: DataPlaneHandlers['readStore'] = async () => {
  throw new SkeinError('unimplemented', 'this worker reads no stores')
}

/** A worker that keeps blocks in a map, with hooks for what may go wrong in it. */
export class MapWorker implements DataPlaneHandlers {
  readonly blocks = new Map<number, Buffer>()
  readonly ended: string[] = []
  bodyError = Promise.withResolvers<unknown>()
  refuse: (header: BlockHeader) => SkeinError | undefined = () => undefined
  readonly readStore = noStores

  async read(
    blockId: number,
    offset: number,
    length: number | undefined,
  ): Promise<{ header: BlockHeader; length: number; chunks: AsyncIterable<Uint8Array> }> {
    const bytes = this.blocks.get(blockId)
    if (bytes === undefined) throw new SkeinError('not_found', `there is no block ${blockId}`)
    const part = bytes.subarray(offset, length === undefined ? undefined : offset + length)
    return {
      header: header(blockId, bytes.length),
      length: part.length,
      chunks: chunked(part, () => this.ended.push(`read ${blockId}`)),
    }
  }

  async receive(received: BlockHeader, body: AsyncIterable<Uint8Array>): Promise<void> {
    const refused = this.refuse(received)
    if (refused !== undefined) throw refused
    const chunks: Uint8Array[] = []
    try {
      for await (const chunk of body) chunks.push(chunk)
    } catch (thrown) {
      this.bodyError.resolve(thrown)
      throw thrown
    }
    this.blocks.set(received.blockId, Buffer.concat(chunks))
  }

  async receiveSmall(blocks: readonly SmallBlock[]): Promise<readonly (SkeinError | undefined)[]> {
    return blocks.map((block) => {
      const refused = this.refuse(block.header)
      if (refused === undefined) this.blocks.set(block.header.blockId, Buffer.from(block.bytes))
      return refused
    })
  }
}

export async function* chunked(bytes: Buffer, onEnd: () => void): AsyncGenerator<Uint8Array> {
  try {
    for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
  } finally {
    onEnd()
  }
}

export async function serve(
  handlers: DataPlaneHandlers,
  limits: Partial<DataServerLimits> = {},
  port = 0,
): Promise<RunningDataServer> {
  const server = await startDataServer({
    host: '127.0.0.1',
    port,
    handlers,
    logger: silentLogger,
    clock: systemClock,
    limits,
  })
  cleanups.push(() => server.close(0))
  return server
}

export function client(options: Partial<DataClientOptions> = {}): DataClient {
  const made = new DataClient({ clock: systemClock, ...options })
  cleanups.push(() => made.close())
  return made
}

export async function readAll(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

export async function put(
  data: DataClient,
  address: string,
  blockId: number,
  bytes: Buffer,
  chunkBytes = 50_000,
): Promise<void> {
  const upload = await data.openWrite(address, header(blockId, bytes.length), signal)
  if (upload === undefined) throw new Error('there already')
  for (let at = 0; at < bytes.length; at += chunkBytes) await upload.write(bytes.subarray(at, at + chunkBytes))
  await upload.commit()
}

/** A raw TCP server that a test scripts, for answers our own server would not give. */
export async function rawServer(onConnection: (socket: Socket) => void): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    onConnection(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A raw connection to our own server. */
export async function rawClient(address: string): Promise<{ socket: Socket; answer: Promise<string> }> {
  const socket = connect(Number(address.split(':')[1]), '127.0.0.1')
  cleanups.push(() => void socket.destroy())
  const answer = Promise.withResolvers<string>()
  let text = ''
  socket.on('data', (chunk) => (text += chunk.toString()))
  socket.on('error', () => undefined)
  socket.on('close', () => answer.resolve(text))
  await new Promise<void>((resolve) => socket.once('connect', resolve))
  return { socket, answer: answer.promise }
}
