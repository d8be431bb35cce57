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
    doc: 'Region that GetBucketLocation returns, and that signatures must name',
  },
  'skein.gateway.s3.upload.expiry': {
    kind: 'duration',
    default: '7d',
    min: 60_000,
    scope: 'gateway',
    doc: 'Time after which the parts of a multipart upload that nobody completed are deleted',
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
