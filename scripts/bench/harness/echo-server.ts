// Why: the least that a unary call costs with grpc-js, to compare the master's calls with. How: one
// method without codecs, which answers so many bytes; a process of its own.
//   node echo-server.ts BYTES
import { Server, ServerCredentials } from '@grpc/grpc-js'

const answer = Buffer.alloc(Number(process.argv[2]), 'x')
const same = (bytes: Buffer): Buffer => bytes
const server = new Server()
server.addService(
  {
    call: {
      path: '/bench.Echo/Call',
      requestStream: false,
      responseStream: false,
      ...{ requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same },
    },
  },
  { call: (_call: unknown, answered: (error: null, bytes: Buffer) => void) => answered(null, answer) },
)
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error
  process.stdout.write(`{"ready":${port}}\n`)
})
