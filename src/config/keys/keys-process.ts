// Why: keys of every process: home, memory, port limits and time-outs.
import type { KeyTable } from './key-definition.ts'

export const processKeys = {
  'skein.home': {
    kind: 'path',
    defaultDoc: '~/.skein',
    scope: 'all',
    doc: 'Directory for all state: `master/`, `job-master/`, `worker/`, `conf/`',
  },
  'skein.profile': {
    kind: 'path',
    scope: 'all',
    doc:
      'Profile with lower priority than the site file: `high-latency`, `large-files`, `low-memory`, `many-workers`, ' +
      '`mixed` or `small-files` (in `tuning/profiles`), or a properties file',
  },
  'skein.log.level': {
    kind: 'choice',
    values: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    scope: 'all',
    doc: 'Minimum level of log lines on stderr',
  },
  'goosefs.security.authentication.type': {
    kind: 'choice',
    values: ['NOSASL', 'SIMPLE'],
    default: 'NOSASL',
    scope: 'roles',
    doc:
      'Whether GooseFS clients must say who they are. `SIMPLE`: each channel sends a user name, which nothing ' +
      'proves. `NOSASL`: it may. Either kind of client works with `NOSASL`',
  },
  'skein.security.allowInsecureBind': {
    kind: 'boolean',
    default: 'false',
    scope: 'roles',
    doc:
      'Allow a role without credentials to listen on addresses other than loopback. Use it only on a network ' +
      'that you alone use',
  },
  'skein.memory.young.generation': {
    kind: 'bytes',
    default: '16MB',
    min: 0,
    max: 512 * 2 ** 20,
    scope: 'roles',
    doc:
      'Size of one of the three spaces for new objects in the JavaScript heap. Larger values are faster and use ' +
      'more memory. 0 keeps the default of Node.js',
  },
  'skein.memory.heap.growth': {
    kind: 'integer',
    default: '50',
    min: 0,
    max: 1000,
    scope: 'roles',
    doc:
      'Maximum growth of the JavaScript heap between garbage collections, in percent. 0 keeps the default of ' +
      'Node.js, up to 300',
  },
  'skein.memory.idle.collect': {
    kind: 'duration',
    default: '15s',
    min: 0,
    max: 3_600_000,
    scope: 'roles',
    doc:
      'Idle time after which a role that was busy collects garbage once and returns the memory to the system, if ' +
      'at most 128 MiB of the JavaScript heap are in use. A role whose heap has grown by 48 MiB or more since the ' +
      'last time, and by three quarters, does so in the first pause of 250 ms. 0 turns both off',
  },
  'skein.memory.malloc.arenas': {
    kind: 'integer',
    default: '2',
    min: 0,
    max: 256,
    scope: 'roles',
    doc:
      'Number of glibc malloc arenas, shared by all threads. Each arena keeps freed memory. 0 keeps the default ' +
      'of the system',
  },
  'skein.memory.malloc.mmap.threshold': {
    kind: 'bytes',
    default: '256KB',
    min: 0,
    max: 32 * 2 ** 20,
    scope: 'roles',
    doc:
      'Buffers of at least this size are returned to the system when they are freed (glibc). 0 keeps the default ' +
      'of the system',
  },
  'skein.http.host.names': {
    kind: 'list',
    scope: 'roles',
    doc:
      'Names to accept in the `Host` header at data ports and web ports, in addition to IP addresses, ' +
      '`localhost` and the configured names of the role',
  },
  'skein.rpc.deadline': {
    kind: 'duration',
    default: '30s',
    min: 100,
    scope: 'all',
    doc: 'Deadline of an RPC, retries included',
  },
  'skein.rpc.connections.max': {
    kind: 'integer',
    default: '1024',
    min: 8,
    max: 65536,
    scope: 'roles',
    doc: 'Maximum connections to an RPC port. At the limit, a connection without a call is closed to accept a new one',
  },
  'skein.rpc.peer.connections.max': {
    kind: 'integer',
    default: '512',
    min: 4,
    max: 65536,
    scope: 'roles',
    doc: 'Maximum connections to an RPC port from one remote address',
  },
  'skein.rpc.calls.max': {
    kind: 'integer',
    default: '4096',
    min: 64,
    max: 1000000,
    scope: 'roles',
    doc:
      'Maximum calls in flight at an RPC port. At the limit, a call whose request is incomplete is refused, ' +
      'otherwise the new call',
  },
  'skein.rpc.request.buffers': {
    kind: 'bytes',
    default: '256MB',
    min: 128 * 2 ** 20,
    scope: 'roles',
    doc:
      'Memory limit of all requests in flight at an RPC port. At the limit, the request without new data for the ' +
      'longest time is refused',
  },
  'skein.rpc.session.memory': {
    kind: 'bytes',
    default: '64MB',
    min: 2 ** 20,
    max: 2 ** 30,
    scope: 'roles',
    doc: 'Memory limit of one RPC connection for frames and headers',
  },
  'skein.rpc.header.bytes.max': {
    kind: 'bytes',
    default: '16KB',
    min: 4096,
    max: 2 ** 20,
    scope: 'roles',
    doc: 'Maximum size of the headers of one call',
  },
  'skein.rpc.pings.max': {
    kind: 'integer',
    default: '100',
    min: 2,
    max: 1000000,
    scope: 'roles',
    doc: 'Maximum HTTP/2 PING and SETTINGS frames per second on one RPC connection. A connection with more is closed',
  },
  'skein.rpc.connection.idle.timeout': {
    kind: 'duration',
    default: '10m',
    min: 1000,
    scope: 'roles',
    doc: 'An RPC connection without a call is closed after this time',
  },
  'skein.rpc.connection.age.max': {
    kind: 'duration',
    default: '0s',
    min: 0,
    scope: 'roles',
    doc: 'How long an RPC connection accepts new calls. 0 means no limit',
  },
  'skein.shutdown.timeout': {
    kind: 'duration',
    default: '20s',
    min: 0,
    scope: 'roles',
    doc: 'Maximum time that a role drains after SIGTERM',
  },
  'skein.heartbeat.interval': {
    kind: 'duration',
    default: '1s',
    min: 50,
    scope: 'roles',
    doc: 'Interval between heartbeats of workers and job workers',
  },
  'skein.worker.lost.timeout': {
    kind: 'duration',
    default: '10s',
    min: 200,
    scope: 'master',
    doc: 'A worker without a heartbeat for this long is lost',
  },
  'skein.job.worker.lost.timeout': {
    kind: 'duration',
    default: '10s',
    min: 200,
    scope: 'job-master',
    doc: 'A job worker without a heartbeat for this long is lost',
  },
} as const satisfies KeyTable
