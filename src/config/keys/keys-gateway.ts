// Why: keys for the doors: the ports on which other programs reach the cache by their own
// protocols.
import type { KeyTable } from './key-definition.ts'

export const gatewayKeys = {
  'skein.gateway.bind.host': {
    kind: 'text',
    default: '127.0.0.1',
    scope: 'gateway',
    doc:
      'Address on which the gateway listens. An address that other machines reach needs ' +
      '`skein.gateway.credentials.file`',
  },
  'skein.gateway.web.port': {
    kind: 'port',
    default: '9215',
    scope: 'gateway',
    doc: 'Web port of the gateway (health, metrics); 0 picks a free one',
  },
  'skein.gateway.read.buffers': {
    kind: 'bytes',
    default: '80MB',
    min: 2 ** 20,
    max: 2 ** 40,
    scope: 'gateway',
    doc:
      'Memory limit of all files that the S3 port and the WebHDFS port are sending. While requests wait for memory, ' +
      'clients that take less than 64 KiB per second for 15 s are disconnected',
  },
  'skein.gateway.s3.port': {
    kind: 'integer',
    default: '9213',
    min: -1,
    max: 65_535,
    scope: 'gateway',
    doc: 'Port for clients of S3; 0 picks a free one, -1 opens none',
  },
  'skein.gateway.s3.domain': {
    kind: 'list',
    scope: 'gateway',
    doc: 'Domains of virtual-hosted requests: the host `<bucket>.<domain>` names the bucket',
  },
  'skein.gateway.s3.region': {
    kind: 'text',
    default: 'us-east-1',
    scope: 'gateway',
    doc: 'Region that the S3 port reports. Signatures may name any region',
  },
  'skein.gateway.s3.upload.expiry': {
    kind: 'duration',
    default: '7d',
    min: 1000,
    scope: 'gateway',
    doc: 'Time after which the parts of a multipart upload that nobody completed are deleted',
  },
  'skein.gateway.s3.requests.max': {
    kind: 'integer',
    default: '256',
    min: 1,
    max: 65536,
    scope: 'gateway',
    doc: 'Maximum S3 requests that are served at a time. More are answered with `SlowDown`',
  },
  'skein.gateway.s3.connections.max': {
    kind: 'integer',
    default: '1024',
    min: 1,
    max: 65536,
    scope: 'gateway',
    doc: 'Maximum connections to the S3 port. At the limit, an idle connection is closed to accept a new one',
  },
  'skein.gateway.s3.digest.threads': {
    kind: 'integer',
    default: '2',
    min: 0,
    max: 256,
    scope: 'gateway',
    doc:
      'Threads that compute the ETags (MD5) and checksums of uploads larger than 1 MiB. They are started when they ' +
      'are needed. A thread computes about 0.7 GiB per second. 0 computes on the thread that serves all requests',
  },
  'skein.gateway.s3.idle.timeout': {
    kind: 'duration',
    default: '30s',
    min: 1000,
    scope: 'gateway',
    doc: 'How long a client of the S3 port may send or accept no data in the middle of a body',
  },
  'skein.gateway.webhdfs.port': {
    kind: 'integer',
    default: '9214',
    min: -1,
    max: 65_535,
    scope: 'gateway',
    doc:
      'Port for clients of WebHDFS (Hadoop, Spark); 0 picks a free port, -1 opens none. Its clients are not ' +
      'authenticated, so it is on loopback only: with another `skein.gateway.bind.host` it is not opened, and ' +
      'a port that is set here is refused',
  },
  'skein.gateway.webhdfs.requests.max': {
    kind: 'integer',
    default: '512',
    min: 1,
    max: 65536,
    scope: 'gateway',
    doc: 'Maximum WebHDFS requests that are served at a time. More are answered with a `RetriableException`',
  },
  'skein.gateway.webhdfs.connections.max': {
    kind: 'integer',
    default: '1024',
    min: 1,
    max: 65536,
    scope: 'gateway',
    doc: 'Maximum connections to the WebHDFS port. At the limit, an idle connection is closed to accept a new one',
  },
  'skein.gateway.webhdfs.idle.timeout': {
    kind: 'duration',
    default: '10min',
    min: 1000,
    scope: 'gateway',
    doc:
      'How long a client of the WebHDFS port may send or accept no data in the middle of a body. Clients of Hadoop ' +
      'keep a file open while they work on what they read',
  },
  'skein.gateway.credentials.file': {
    kind: 'path',
    scope: 'gateway',
    doc:
      'JSON array of access keys: `{"accessKeyId","secretAccessKey","namespaces":["*"],"access":"read"|"write"}`. ' +
      'It is read again when it changes. Others must not be able to read it, nor the group to write it. Without it, ' +
      'the gateway listens on loopback only and checks no signature',
  },
} as const satisfies KeyTable
