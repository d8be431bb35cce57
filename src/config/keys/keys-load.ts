// Why: keys for loads: tasks in flight, retries, limits and prices.
import type { KeyTable } from './key-definition.ts'

export const loadKeys = {
  'goosefs.job.worker.max.active.task.num': {
    kind: 'integer',
    defaultDoc: '2 x `fs.cosn.upload_thread_pool`',
    min: 1,
    max: 8192,
    scope: 'job-worker',
    doc: 'Maximum tasks that a job worker runs at once. Set it slightly above `fs.cosn.upload_thread_pool`',
  },
  'goosefs.job.worker.threadpool.size': {
    kind: 'integer',
    defaultDoc: '10, or `goosefs.job.worker.max.active.task.num` if that is less',
    min: 1,
    max: 8192,
    scope: 'job-worker',
    doc: 'Maximum tasks in their CPU-bound part at once. At most `goosefs.job.worker.max.active.task.num`',
  },
  'skein.tuning': {
    kind: 'choice',
    values: ['auto', 'off'],
    default: 'auto',
    scope: 'job-worker',
    doc:
      'Whether the number and size of reads adapt during a load. `auto`: to the throughput, the latency and the ' +
      'SlowDown answers of the store, within the read budget. What is set is the upper limit. `off`: settings stay ' +
      'as they are configured',
  },
  'skein.job.worker.read.budget': {
    kind: 'bytes',
    default: '128MB',
    min: 2 ** 20,
    scope: 'job-worker',
    doc: 'Memory limit of all reads of a job worker together',
  },
  'goosefs.user.block.worker.client.pool.max': {
    kind: 'integer',
    default: '1024',
    min: 1,
    max: 65_536,
    scope: 'all',
    doc: 'Maximum open block streams to one worker. On job workers, set 2 x `goosefs.job.worker.max.active.task.num`',
  },
  'goosefs.user.block.size.bytes.default': {
    kind: 'bytes',
    default: '128MB',
    min: 65_536,
    max: 2 ** 40,
    scope: 'all',
    doc: 'Block size of new files if `fs.cosn.block.size` is not set',
  },
  'goosefs.user.file.create.ttl.action': {
    kind: 'choice',
    values: ['FREE', 'DELETE'],
    default: 'FREE',
    scope: 'client',
    doc: 'What happens to a file when its TTL expires',
  },
  'goosefs.user.file.metadata.sync.interval': {
    kind: 'duration',
    default: '-1',
    min: -1,
    scope: 'all',
    doc:
      'How long metadata from the store counts as current. 0 checks the store at every access, -1 never checks ' +
      'again',
  },

  'skein.load.active.jobs': {
    kind: 'integer',
    default: '3000',
    min: 1,
    max: 1_000_000,
    scope: 'client',
    doc: 'Maximum tasks of one load queued or running at once. `--active-jobs` overrides it',
  },
  'skein.placement.policy': {
    kind: 'choice',
    values: ['rendezvous', 'ring'],
    default: 'rendezvous',
    scope: 'job-master',
    doc:
      'How loads choose workers for blocks. `rendezvous`: by free space, large files in runs of blocks. `ring`: as ' +
      "GooseFS's clients hash blocks to workers, so that a block is at the worker that they ask first, while that " +
      'worker has room',
  },
  'skein.load.batch.files': {
    kind: 'integer',
    default: '256',
    min: 1,
    max: 10_000,
    scope: 'job-master',
    doc: 'Maximum small files in one task',
  },
  'skein.load.batch.bytes': {
    kind: 'bytes',
    default: '64MB',
    min: 1,
    scope: 'job-master',
    doc: 'Maximum bytes of small files in one task',
  },
  'skein.load.task.bytes': {
    kind: 'bytes',
    default: '256MB',
    min: 1,
    scope: 'job-master',
    doc: 'Maximum bytes of a large file in one task. A task holds at least one block',
  },
  'skein.load.window.tasks': {
    kind: 'integer',
    default: '512',
    min: 1,
    max: 100_000,
    scope: 'job-master',
    doc: 'Maximum tasks queued or running on one job worker',
  },
  'skein.load.window.bytes': {
    kind: 'bytes',
    default: '4GB',
    min: 1,
    scope: 'job-master',
    doc: 'Maximum bytes of the tasks queued or running on one job worker',
  },
  'skein.load.listing.page.size': {
    kind: 'integer',
    default: '1000',
    min: 1,
    max: 1000,
    scope: 'job-master',
    doc: 'Objects per listing page',
  },
  'skein.load.planned.files.max': {
    kind: 'integer',
    default: '1000000',
    min: 1,
    scope: 'job-master',
    doc:
      'Approximate maximum of planned files that wait for a task, per load. The listing pauses above it, and ' +
      'above 4 x `skein.load.active.jobs` tasks',
  },
  'skein.load.listing.wait': {
    kind: 'duration',
    default: '1200ms',
    min: 0,
    scope: 'job-master',
    doc:
      'If the listing ends within this time, its size is checked against the free capacity before the first file ' +
      'is loaded',
  },
  'skein.load.attempts.max': {
    kind: 'integer',
    default: '5',
    min: 1,
    max: 100,
    scope: 'job-master',
    doc: 'Maximum attempts to load a set of blocks. After the last one, the files of the set fail',
  },
  'skein.load.retry.initial': {
    kind: 'duration',
    default: '500ms',
    min: 1,
    scope: 'job-master',
    doc: 'Delay before the first retry. It doubles with each retry, with jitter',
  },
  'skein.load.retry.max': {
    kind: 'duration',
    default: '15s',
    min: 1,
    scope: 'job-master',
    doc: 'Maximum delay before a retry',
  },
  'skein.load.repair.rounds.max': {
    kind: 'integer',
    default: '5',
    min: 0,
    max: 100,
    scope: 'job-master',
    doc: 'Maximum repair rounds after the audit found missing replicas',
  },
  'skein.load.stall.timeout': {
    kind: 'duration',
    default: '60s',
    min: 100,
    scope: 'job-master',
    doc: 'If no worker is available and a load makes no progress for this long, it ends as PARTIAL',
  },
  'skein.load.bandwidth': {
    kind: 'text',
    scope: 'job-master',
    doc:
      'Maximum bytes per second that all loads together read: `50MB/s`, or a timetable in the time zone of the ' +
      'job master: `08:00-20:00=200MB/s,else=unlimited`. The namespace attribute `bandwidth` and `--bandwidth` ' +
      'can only lower it',
  },
  'skein.price.get.per10k': {
    kind: 'number',
    min: 0,
    scope: 'job-master',
    doc: 'Price of 10,000 GET requests to an object store, for plans; also a namespace attribute',
  },
  'skein.price.list.per10k': {
    kind: 'number',
    min: 0,
    scope: 'job-master',
    doc: 'Price of 10,000 LIST requests to an object store, for plans; also a namespace attribute',
  },
  'skein.price.egress.per.gb': {
    kind: 'number',
    min: 0,
    scope: 'job-master',
    doc: 'Price of 1 GB read from an object store, for plans; also a namespace attribute',
  },
  'skein.price.currency': {
    kind: 'text',
    default: 'USD',
    scope: 'job-master',
    doc: 'Currency of the prices; also a namespace attribute',
  },
  'skein.load.history.max': {
    kind: 'integer',
    default: '1000',
    min: 1,
    max: 1_000_000,
    scope: 'job-master',
    doc: 'Maximum ended loads in the history',
  },
  'skein.load.history.files': {
    kind: 'integer',
    default: '10000000',
    min: 1,
    max: 1_000_000_000,
    scope: 'job-master',
    doc:
      'Maximum files in the history of all ended loads together (about 75 bytes each). The latest load is always ' +
      'kept in full',
  },
  'skein.load.history.age': {
    kind: 'duration',
    default: '30d',
    min: -1,
    scope: 'job-master',
    doc: 'How long an ended load stays in the history. -1 means no time limit',
  },
} as const satisfies KeyTable
