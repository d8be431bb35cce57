// Why: every metric there is, in one table, so that the endpoint, the reports and the documentation cannot drift apart.
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge'
  readonly unit: 'bytes' | 'requests' | 'blocks' | 'files' | 'tasks' | 'errors' | 'seconds'
  readonly help: string
}

export const metricTable = {
  'ufs.read.bytes': { type: 'counter', unit: 'bytes', help: 'Bytes read from under file systems' },
  'ufs.read.requests': { type: 'counter', unit: 'requests', help: 'Read requests sent to under file systems' },
  'ufs.list.requests': { type: 'counter', unit: 'requests', help: 'Listing requests sent to under file systems' },
  'ufs.stat.requests': { type: 'counter', unit: 'requests', help: 'Stat (HEAD) requests sent to under file systems' },
  'ufs.write.bytes': { type: 'counter', unit: 'bytes', help: 'Bytes of objects written to under file systems' },
  'ufs.write.requests': { type: 'counter', unit: 'requests', help: 'Requests sent to under file systems to write, copy or delete' },
  'ufs.retries': { type: 'counter', unit: 'requests', help: 'Requests to under file systems that were sent again' },
  'ufs.slow.downs': { type: 'counter', unit: 'errors', help: 'SlowDown or 429 answers of under file systems' },
  'worker.bytes.read.local': { type: 'counter', unit: 'bytes', help: 'Cached bytes read by clients of the same host' },
  'worker.bytes.read.remote': { type: 'counter', unit: 'bytes', help: 'Cached bytes served over the data port' },
  'worker.bytes.written': { type: 'counter', unit: 'bytes', help: 'Bytes committed into the block store' },
  'worker.blocks.cached': { type: 'gauge', unit: 'blocks', help: 'Blocks in the block store' },
  'worker.blocks.corrupt': { type: 'counter', unit: 'blocks', help: 'Blocks deleted because a checksum did not match' },
  'worker.capacity': { type: 'gauge', unit: 'bytes', help: 'Sum of the directory quotas' },
  'worker.used': { type: 'gauge', unit: 'bytes', help: 'Bytes of blocks in the store, reserved ones included' },
  'master.files': { type: 'gauge', unit: 'files', help: 'Files the master knows' },
  'master.workers.live': { type: 'gauge', unit: 'requests', help: 'Workers that send heartbeats' },
  'master.replication.copies.open': { type: 'gauge', unit: 'blocks', help: 'Replicas that workers were told to copy' },
  'master.replication.copies.made': { type: 'counter', unit: 'blocks', help: 'Replicas that were copied from worker to worker' },
  'master.replication.copies.failed': { type: 'counter', unit: 'blocks', help: 'Copies of replicas that were not reported in time' },
  'master.replication.replicas.dropped': {
    type: 'counter',
    unit: 'blocks',
    help: 'Replicas above the maximum, or moved elsewhere, dropped',
  },
  'master.replication.unplaced': {
    type: 'counter',
    unit: 'blocks',
    help: 'Missing replicas that no worker had room for, counted at each look',
  },
  'master.replication.files.waiting': { type: 'gauge', unit: 'files', help: 'Files whose replicas are to be looked at' },
  'journal.appends': { type: 'counter', unit: 'requests', help: 'Commands appended to the journal' },
  'journal.syncs': { type: 'counter', unit: 'requests', help: 'fdatasync calls of the journal' },
  'job.tasks.dispatched': { type: 'counter', unit: 'tasks', help: 'Tasks put into the queue' },
  'job.tasks.completed': { type: 'counter', unit: 'tasks', help: 'Tasks whose completion was accepted' },
  'job.tasks.retried': { type: 'counter', unit: 'tasks', help: 'Tasks put into the queue again' },
  'job.files.loaded': { type: 'counter', unit: 'files', help: 'Files that loads brought in' },
  'job.files.failed': { type: 'counter', unit: 'files', help: 'Files that loads gave up' },
  'task.blocks.written': { type: 'counter', unit: 'blocks', help: 'Block replicas written by the job worker' },
  'task.failures': { type: 'counter', unit: 'errors', help: 'Block replicas that a task could not write' },
} as const satisfies Readonly<Record<string, MetricDefinition>>

export type MetricName = keyof typeof metricTable
