// Why: keys for access to object stores: COS, proxies, time-outs, and which stores are allowed.
import type { KeyTable } from './key-definition.ts'

export const underStoreKeys = {
  'fs.cosn.block.size': {
    kind: 'bytes',
    default: '128MB',
    min: 65_536,
    max: 2 ** 40,
    scope: 'all',
    doc: 'Block size of files that a load caches; also a namespace attribute',
  },
  'fs.cosn.upload_thread_pool': {
    kind: 'integer',
    defaultDoc: '3 x CPUs',
    min: 1,
    max: 4096,
    scope: 'job-worker',
    doc: 'Maximum range requests in flight in one job worker, shared by its tasks',
  },
  'fs.cosn.read.ahead.block.size': {
    kind: 'bytes',
    default: '4MB',
    min: 4096,
    max: 2 ** 30,
    scope: 'job-worker',
    doc: 'Bytes per range request. For small files, set the mean or median file size',
  },
  'fs.cosn.read.ahead.queue.size': {
    kind: 'integer',
    default: '8',
    min: 1,
    max: 1024,
    scope: 'job-worker',
    doc:
      'Range requests ahead per stream, usually 8-32. More than `fs.cosn.block.size` / ' +
      '`fs.cosn.read.ahead.block.size` has no effect',
  },
  'fs.cosn.maxRetries': {
    kind: 'integer',
    default: '10',
    min: 0,
    max: 1000,
    scope: 'all',
    doc: 'Maximum retries of a request to the store',
  },
  'fs.cosn.client.socket.timeoutsec': {
    kind: 'seconds',
    default: '30',
    min: 100,
    scope: 'all',
    doc: 'A request to the store fails after this many seconds without a byte from the store',
  },
  'fs.cosn.connection.timeout': {
    kind: 'duration',
    default: '10s',
    min: 100,
    scope: 'all',
    doc: 'Timeout for connecting to the store',
  },
  'fs.cosn.max.connection.num': {
    kind: 'integer',
    default: '1024',
    min: 1,
    max: 65_536,
    scope: 'all',
    doc: 'Maximum connections to one bucket',
  },
  'fs.cosn.traffic.limit': {
    kind: 'integer',
    default: '-1',
    min: -1,
    scope: 'all',
    doc: 'Maximum bits per second of one request, enforced by COS. -1 means no limit',
  },
  'fs.cosn.bucket.region': { kind: 'text', scope: 'all', doc: 'Region of COS buckets; also a namespace attribute' },
  'fs.cosn.bucket.endpoint_suffix': {
    kind: 'text',
    scope: 'all',
    doc: 'Host suffix that replaces `cos.<region>.myqcloud.com`; also a namespace attribute',
  },
  'fs.cosn.useHttps': {
    kind: 'boolean',
    default: 'true',
    scope: 'all',
    doc: 'Use https for COS; also a namespace attribute',
  },
  'fs.cosn.userinfo.secretId': {
    kind: 'secret',
    scope: 'all',
    doc: 'COS secret id for namespaces without their own',
  },
  'fs.cosn.userinfo.secretKey': {
    kind: 'secret',
    scope: 'all',
    doc: 'COS secret key for namespaces without their own',
  },
  'fs.cosn.userinfo.sessionToken': {
    kind: 'secret',
    scope: 'all',
    doc: 'COS session token for namespaces without their own',
  },
  'fs.cosn.http.proxy.ip': {
    kind: 'text',
    scope: 'all',
    doc:
      'Address or name of the HTTP proxy for all stores. Overrides the proxy variables of the environment; also ' +
      'a namespace attribute',
  },
  'fs.cosn.http.proxy.port': {
    kind: 'integer',
    min: 1,
    max: 65_535,
    scope: 'all',
    doc: 'Port of the proxy in `fs.cosn.http.proxy.ip`; also a namespace attribute',
  },
  'fs.cosn.http.proxy.username': {
    kind: 'text',
    scope: 'all',
    doc: 'User name for the proxy in `fs.cosn.http.proxy.ip`; also a namespace attribute',
  },
  'fs.cosn.http.proxy.password': {
    kind: 'secret',
    scope: 'all',
    doc: 'Password for the proxy in `fs.cosn.http.proxy.ip`; also a namespace secret',
  },
  'skein.ufs.http.proxy': {
    kind: 'secret',
    defaultDoc: '`HTTP_PROXY` or `http_proxy`',
    scope: 'all',
    doc: 'Proxy for stores with http endpoints: `http://user:password@host:port`',
  },
  'skein.ufs.https.proxy': {
    kind: 'secret',
    defaultDoc: '`HTTPS_PROXY` or `https_proxy`',
    scope: 'all',
    doc: 'Proxy for stores with https endpoints. Uses CONNECT tunnels',
  },
  'skein.ufs.no.proxy': {
    kind: 'text',
    defaultDoc: '`NO_PROXY` or `no_proxy`',
    scope: 'all',
    doc:
      'Hosts that are reached without the two proxies above: names, suffixes, `host:port`, addresses or address ' +
      'ranges. `*` means all hosts',
  },
  'skein.ufs.read.rate.min': {
    kind: 'bytes',
    default: '1KB',
    min: 0,
    max: 2 ** 30,
    scope: 'all',
    doc:
      'Minimum bytes per second of a response from the store, measured over `fs.cosn.client.socket.timeoutsec`. ' +
      'Slower requests fail. 0 means no minimum; also a namespace attribute',
  },
  'skein.ufs.allowPrivateEndpoints': {
    kind: 'boolean',
    default: 'false',
    localDefault: 'true',
    scope: 'all',
    doc: 'Allow stores at loopback, link-local and private addresses, and plain http',
  },
  'skein.ufs.file.roots': {
    kind: 'list',
    localDefault: '/',
    scope: 'all',
    doc:
      'Directories that `file://` namespaces may use: absolute paths, the same on the master, workers and job ' +
      'workers. Symbolic links are resolved before the comparison. If unset, `file://` namespaces are refused',
  },
} as const satisfies KeyTable
