// Why: the keys that say where roles are, how they reach each other and when they give up on each other.
import type { KeyTable } from './key-definition.ts'

export const clusterKeys = {
  'skein.home': {
    kind: 'path',
    defaultDoc: '~/.skein',
    scope: 'all',
    doc: 'Directory of all state: `master/`, `job-master/`, `worker/`, `conf/`',
  },
  'skein.profile': { kind: 'path', scope: 'all', doc: 'Properties file that is read below the site file (see `tuning/`)' },
  'skein.log.level': {
    kind: 'choice',
    values: ['debug', 'info', 'warn', 'error'],
    default: 'info',
    scope: 'all',
    doc: 'Least level of log lines on stderr',
  },
  'skein.security.allowInsecureBind': {
    kind: 'boolean',
    default: 'false',
    scope: 'roles',
    doc: 'Lets a role bind beyond loopback without credentials; only for networks that nobody else is on',
  },
  'skein.rpc.deadline': {
    kind: 'duration',
    default: '30s',
    min: 100,
    scope: 'all',
    doc: 'How long a control call may take, retries included',
  },
  'skein.shutdown.timeout': { kind: 'duration', default: '20s', min: 0, scope: 'roles', doc: 'How long a role drains after SIGTERM' },
  'skein.heartbeat.interval': {
    kind: 'duration',
    default: '1s',
    min: 50,
    scope: 'roles',
    doc: 'Between heartbeats of workers and job workers',
  },
  'skein.worker.lost.timeout': {
    kind: 'duration',
    default: '10s',
    min: 200,
    scope: 'master',
    doc: 'A worker that is silent for longer is lost',
  },
  'skein.job.worker.lost.timeout': {
    kind: 'duration',
    default: '10s',
    min: 200,
    scope: 'job-master',
    doc: 'A job worker that is silent for longer is lost',
  },

  'goosefs.master.hostname': { kind: 'text', default: '127.0.0.1', scope: 'all', doc: 'Where clients and roles find the master' },
  'goosefs.master.rpc.port': { kind: 'port', default: '9200', scope: 'all', doc: 'RPC port of the master; 0 picks a free one' },
  'goosefs.master.rpc.addresses': { kind: 'list', scope: 'all', doc: 'Several masters, `host:port,host:port`; the first is used for now' },
  'goosefs.master.web.port': {
    kind: 'port',
    default: '9201',
    scope: 'master',
    doc: 'Web port of the master (health, metrics); 0 picks a free one',
  },
  'skein.master.bind.host': { kind: 'text', default: '127.0.0.1', scope: 'master', doc: 'Address that the master listens on' },
  'skein.master.secret.key.file': {
    kind: 'path',
    defaultDoc: '`<home>/master/secret.key`',
    scope: 'master',
    doc: 'Key that seals namespace secrets; made with mode 0600 when it is missing',
  },
  'skein.master.restore.from': {
    kind: 'path',
    scope: 'master',
    doc: 'Backup (`skein fsadmin backup`) that a master with an empty home begins with; refused where there is a state already',
  },
  'goosefs.master.ttl.checker.interval': {
    kind: 'duration',
    default: '1h',
    min: 100,
    scope: 'master',
    doc: 'Between two checks for expired files',
  },
  'skein.master.replication.grace': {
    kind: 'duration',
    default: '15s',
    min: 0,
    scope: 'master',
    doc: 'How long replicas of a lost worker are waited for before they are copied anew, and replicas above the maximum left alone',
  },
  'skein.master.replication.interval': {
    kind: 'duration',
    default: '5m',
    min: 1000,
    scope: 'master',
    doc: 'Between two looks at the replicas of all files; what changes is looked at without it',
  },
  'skein.journal.segment.size': {
    kind: 'bytes',
    default: '64MB',
    min: 4096,
    scope: 'roles',
    doc: 'Bytes after which a journal begins a new segment',
  },

  'goosefs.worker.hostname': {
    kind: 'text',
    defaultDoc: "this host's name",
    scope: 'roles',
    doc: 'Name of the host of this worker and job worker; same name = same host',
  },
  'goosefs.worker.rpc.port': { kind: 'port', default: '9203', scope: 'worker', doc: 'RPC port of the worker; 0 picks a free one' },
  'goosefs.worker.data.port': {
    kind: 'port',
    default: '9207',
    scope: 'worker',
    doc: 'Port for block bytes (HTTP/1.1); 0 picks a free one',
  },
  'goosefs.worker.web.port': { kind: 'port', default: '9204', scope: 'worker', doc: 'Web port of the worker; 0 picks a free one' },
  'skein.worker.bind.host': { kind: 'text', default: '127.0.0.1', scope: 'worker', doc: 'Address that the worker listens on' },

  'goosefs.job.master.hostname': {
    kind: 'text',
    defaultDoc: "the bound address, or this host's name when that is not loopback",
    scope: 'job-master',
    doc: 'How others reach the job master',
  },
  'goosefs.job.master.rpc.port': {
    kind: 'port',
    default: '9205',
    scope: 'job-master',
    doc: 'RPC port of the job master; 0 picks a free one',
  },
  'goosefs.job.master.web.port': {
    kind: 'port',
    default: '9206',
    scope: 'job-master',
    doc: 'Web port of the job master; 0 picks a free one',
  },
  'skein.job.master.bind.host': { kind: 'text', default: '127.0.0.1', scope: 'job-master', doc: 'Address that the job master listens on' },

  'goosefs.job.worker.rpc.port': {
    kind: 'port',
    default: '9208',
    scope: 'job-worker',
    doc: 'RPC port of the job worker; 0 picks a free one',
  },
  'goosefs.job.worker.web.port': {
    kind: 'port',
    default: '9210',
    scope: 'job-worker',
    doc: 'Web port of the job worker; 0 picks a free one',
  },
  'skein.job.worker.bind.host': { kind: 'text', default: '127.0.0.1', scope: 'job-worker', doc: 'Address that the job worker listens on' },

  'skein.queue.url': {
    kind: 'text',
    default: 'redis://127.0.0.1:6379',
    localDefault: 'inprocess:',
    scope: 'roles',
    doc: 'Task queue: `redis://...`, `rediss://...`, or `inprocess:` under `skein local`',
  },
  'skein.queue.connect.timeout': {
    kind: 'duration',
    default: '30s',
    min: 0,
    scope: 'roles',
    doc: 'How long a start waits for the queue before it gives up',
  },
} as const satisfies KeyTable
