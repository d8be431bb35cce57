// Why: keys for the addresses and state of each role, and for the queue.
import type { KeyTable } from './key-definition.ts'

export const clusterKeys = {
  'goosefs.master.hostname': {
    kind: 'text',
    default: '127.0.0.1',
    scope: 'all',
    doc: 'Host of the master, used by clients and roles',
  },
  'goosefs.master.rpc.port': {
    kind: 'port',
    default: '9200',
    scope: 'all',
    doc: 'RPC port of the master; 0 picks a free one',
  },
  'goosefs.master.rpc.addresses': {
    kind: 'list',
    scope: 'all',
    doc: 'Addresses of several masters: `host:port,host:port`. Only the first one is used',
  },
  'goosefs.master.web.port': {
    kind: 'port',
    default: '9201',
    scope: 'master',
    doc: 'Web port of the master (health, metrics); 0 picks a free one',
  },
  'goosefs.master.mount.table.root.ufs': {
    kind: 'text',
    mayBeEmpty: true,
    defaultDoc: '`<home>/root` under `skein local`, otherwise none',
    scope: 'master',
    doc:
      'Store that is mounted at `/`, beside the namespaces: a URI as for `ns create`, or an absolute directory. ' +
      'The master mounts it at its start if there is no root mount, and refuses the start if there is another one. ' +
      'An empty value or `none`: no root mount is made. `ns create --root` also takes attributes and secrets',
  },
  'skein.master.bind.host': {
    kind: 'text',
    default: '127.0.0.1',
    scope: 'master',
    doc: 'Address on which the master listens',
  },
  'skein.master.secret.key.file': {
    kind: 'path',
    defaultDoc: '`<home>/master/secret.key`',
    scope: 'master',
    doc: 'File with the key that encrypts namespace secrets. The master creates it with mode 0600 if it is missing',
  },
  'skein.master.secret.key.lost': {
    kind: 'boolean',
    default: 'false',
    scope: 'master',
    doc:
      'Set it for one start after the key file was lost. The master then starts and marks the secrets that it ' +
      'cannot decrypt as lost. Set them again with `ns update`',
  },
  'skein.master.restore.from': {
    kind: 'path',
    scope: 'master',
    doc:
      'Backup (made by `skein fsadmin backup`) to restore into an empty home. The start is refused if the home ' +
      'has state',
  },
  'skein.master.journal.skip': {
    kind: 'integer',
    default: '0',
    min: 0,
    scope: 'master',
    doc:
      'Number of a journal entry to skip if it cannot be applied. The error message of the failed start names ' +
      'it. 0 means none',
  },
  'skein.master.unfinished.files.max': {
    kind: 'integer',
    default: '100000',
    min: 1,
    max: 10_000_000,
    scope: 'master',
    doc:
      'Maximum files being written at once in the whole cluster. Further files are refused. Raise it for more ' +
      'concurrent writers',
  },
  'skein.master.unfinished.file.timeout': {
    kind: 'duration',
    default: '24h',
    min: 1000,
    max: 30 * 86_400_000,
    scope: 'master',
    doc:
      'Time after which a file that was begun and is not complete is given up, and its blocks are deleted. A writer ' +
      'that is slower fails. Expired files are deleted every `goosefs.master.ttl.checker.interval`',
  },
  'goosefs.master.ttl.checker.interval': {
    kind: 'duration',
    default: '1h',
    min: 100,
    scope: 'master',
    doc: 'Interval between checks for expired files',
  },
  'skein.master.replication.grace': {
    kind: 'duration',
    default: '15s',
    min: 0,
    scope: 'master',
    doc:
      'After a worker is lost, how long the master waits for its replicas before it makes new ones. It also ' +
      'waits this long before it removes replicas above the maximum',
  },
  'skein.master.replication.interval': {
    kind: 'duration',
    default: '5m',
    min: 1000,
    scope: 'master',
    doc: 'Interval between checks of the replicas of all files. Changes are checked at once',
  },
  'skein.journal.segment.size': {
    kind: 'bytes',
    default: '64MB',
    min: 4096,
    scope: 'roles',
    doc: 'A journal starts a new segment after this many bytes',
  },

  'goosefs.worker.hostname': {
    kind: 'text',
    defaultDoc: 'name of this host',
    scope: 'all',
    doc:
      'Host name of this worker and job worker, and of commands that read and write on this host. Equal names ' +
      'mean the same host',
  },
  'goosefs.worker.rpc.port': {
    kind: 'port',
    default: '9203',
    scope: 'worker',
    doc: 'RPC port of the worker; 0 picks a free one',
  },
  'goosefs.worker.data.port': {
    kind: 'port',
    default: '9207',
    scope: 'worker',
    doc: 'Port for block bytes (HTTP/1.1); 0 picks a free one',
  },
  'goosefs.worker.web.port': {
    kind: 'port',
    default: '9204',
    scope: 'worker',
    doc: 'Web port of the worker; 0 picks a free one',
  },
  'skein.worker.bind.host': {
    kind: 'text',
    default: '127.0.0.1',
    scope: 'worker',
    doc: 'Address on which the worker listens',
  },

  'goosefs.job.master.hostname': {
    kind: 'text',
    defaultDoc: 'the listen address if it is loopback, otherwise the name of this host',
    scope: 'job-master',
    doc: 'Host name that the job master reports to the other roles',
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
  'skein.job.master.journal.skip': {
    kind: 'integer',
    default: '0',
    min: 0,
    scope: 'job-master',
    doc: "Number of an entry of the job master's journal to skip. See `skein.master.journal.skip`",
  },
  'skein.job.master.bind.host': {
    kind: 'text',
    default: '127.0.0.1',
    scope: 'job-master',
    doc: 'Address on which the job master listens',
  },

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
  'skein.job.worker.bind.host': {
    kind: 'text',
    default: '127.0.0.1',
    scope: 'job-worker',
    doc: 'Address on which the job worker listens',
  },

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
    doc: 'How long a role waits for the queue at startup before the start fails',
  },
} as const satisfies KeyTable
