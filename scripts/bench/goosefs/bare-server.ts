// Why: the least that a read costs through a client of GooseFS, to compare Skein's answers with.
// How: a master and a worker in one, which know files of one size by canned answers, and send the
// same chunk again and again, with nothing behind it; grpc-js without codecs.
//   node bare-server.ts FILE_BYTES SMALL_BYTES
import { Server, type ServerDuplexStream, ServerCredentials } from '@grpc/grpc-js'
import { BlockWorkerDefinition, ReadRequest, ReadResponse } from '../../../src/goosefs-rpc/generated/goosefs/blocks.ts'
import {
  FileSystemMasterClientServiceDefinition,
  GetStatusPRequest,
  GetStatusPResponse,
} from '../../../src/goosefs-rpc/generated/goosefs/files.ts'
import {
  MetricsMasterClientServiceDefinition,
  MetricsHeartbeatPResponse,
} from '../../../src/goosefs-rpc/generated/goosefs/metrics.ts'
import { SaslAuthenticationServiceDefinition, SaslMessage } from '../../../src/goosefs-rpc/generated/goosefs/sasl.ts'
import {
  GetWorkerInfoListPResponse,
  WorkerManagerMasterClientServiceDefinition,
} from '../../../src/goosefs-rpc/generated/goosefs/workers.ts'

type Stream = ServerDuplexStream<Buffer, Buffer>
const [fileBytes, smallBytes] = process.argv.slice(2).map(Number) as [number, number]
const blockBytes = 64 * 1024 ** 2
const chunkBytes = 1024 ** 2
const asBuffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes)
const same = (bytes: Buffer): Buffer => bytes
const chunk = Buffer.alloc(chunkBytes, 'x')
const messages = new Map<number, Buffer>()
let port = 0

/** The encoded answer of one chunk: made once for each length. */
function messageOf(bytes: number): Buffer {
  const known = messages.get(bytes)
  if (known !== undefined) return known
  const made = asBuffer(ReadResponse.encode({ chunk: { data: chunk.subarray(0, bytes) } }).finish())
  messages.set(bytes, made)
  return made
}

function statusOf(path: string): Buffer {
  const length = path.includes('small') ? smallBytes : fileBytes
  const blocks = Array.from({ length: Math.ceil(length / blockBytes) }, (_, index) => index)
  const blockIds = blocks.map((index) => (7n << 24n) | BigInt(index))
  const fileInfo = {
    ...{ fileId: (7n << 24n) | 0xffffffn, name: path.slice(path.lastIndexOf('/') + 1), path, length: BigInt(length) },
    ...{ blockSizeBytes: BigInt(blockBytes), creationTimeMs: 1n, lastModificationTimeMs: 1n, completed: true },
    ...{ folder: false, cacheable: true, persisted: true, persistenceState: 'PERSISTED', blockIds, xattr: {} },
    fileBlockInfos: blocks.map((index) => ({
      blockInfo: {
        ...{ blockId: blockIds[index], length: BigInt(Math.min(blockBytes, length - index * blockBytes)) },
        locations: [{ workerId: 1n }],
      },
      ...{ offset: BigInt(index * blockBytes), ufsStringLocations: [] },
    })),
  }
  return asBuffer(GetStatusPResponse.encode({ fileInfo }).finish())
}

async function sendBlock(stream: Stream, { length = 0n, chunkSize }: ReadRequest): Promise<void> {
  let ended = false
  stream.on('cancelled', () => (ended = true))
  const most = Math.min(chunkBytes, Number(chunkSize ?? BigInt(chunkBytes)))
  for (let left = Number(length); left > 0 && !ended; left -= most) {
    if (!stream.write(messageOf(Math.min(most, left))))
      await new Promise<void>((resolve) => {
        stream.once('drain', () => resolve())
        stream.once('cancelled', () => resolve())
      })
  }
  if (!ended) stream.end()
}

function answerOnce(answer: (request: Buffer) => Buffer): (stream: Stream) => void {
  return (stream) => {
    stream.once('data', (request: Buffer) => {
      stream.write(answer(request))
      stream.end()
    })
  }
}

const server = new Server({ 'grpc.max_send_message_length': -1, 'grpc.max_receive_message_length': -1 })
const handlers: readonly (readonly [{ fullName: string }, Record<string, (stream: Stream) => void>])[] = [
  [
    SaslAuthenticationServiceDefinition,
    {
      authenticate: (stream) => {
        stream.on('data', () => stream.write(asBuffer(SaslMessage.encode({ messageType: 1 }).finish())))
        stream.on('end', () => stream.end())
      },
    },
  ],
  [
    WorkerManagerMasterClientServiceDefinition,
    {
      GetWorkerInfoList: answerOnce(() => {
        const worker = {
          id: 1n,
          address: { host: '127.0.0.1', rpcPort: port },
          state: 1,
          alive: true,
          capacityBytes: 1n,
        }
        return asBuffer(GetWorkerInfoListPResponse.encode({ workerInfos: [worker] }).finish())
      }),
    },
  ],
  [
    FileSystemMasterClientServiceDefinition,
    { GetStatus: answerOnce((request) => statusOf(GetStatusPRequest.decode(request).path ?? '')) },
  ],
  [
    MetricsMasterClientServiceDefinition,
    { MetricsHeartbeat: answerOnce(() => asBuffer(MetricsHeartbeatPResponse.encode({}).finish())) },
  ],
  [
    BlockWorkerDefinition,
    {
      ReadBlock: (stream) => {
        stream.once('data', (request: Buffer) => {
          stream.on('data', () => undefined)
          void sendBlock(stream, ReadRequest.decode(request))
        })
      },
    },
  ],
]
for (const [{ fullName }, methods] of handlers) {
  const definition = Object.fromEntries(
    Object.keys(methods).map((name) => [
      name,
      {
        ...{ path: `/${fullName}/${name}`, requestStream: true, responseStream: true },
        ...{ requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same },
      },
    ]),
  )
  server.addService(definition, methods)
}
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
  if (error !== null) throw error
  port = bound
  process.stdout.write(`{"ready":"127.0.0.1:${bound}"}\n`)
})
