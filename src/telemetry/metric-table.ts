// Why: every metric there is, in one table, so that the endpoint, the reports and the documentation
// cannot drift apart.
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge'
  readonly unit:
    | 'connections'
    | 'bytes'
    | 'requests'
    | 'blocks'
    | 'files'
    | 'tasks'
    | 'errors'
    | 'seconds'
    | 'loads'
    | 'schedules'
    | 'runs'
    | 'directories'
  readonly help: string
}

export const metricTable = {
  'ufs.read.bytes': { type: 'counter', unit: 'bytes', help: 'Bytes read from under file systems' },
  'ufs.read.requests': { type: 'counter', unit: 'requests', help: 'Read requests sent to under file systems' },
  'ufs.list.requests': { type: 'counter', unit: 'requests', help: 'Listing requests sent to under file systems' },
  'ufs.stat.requests': { type: 'counter', unit: 'requests', help: 'Stat (HEAD) requests sent to under file systems' },
  'ufs.write.bytes': { type: 'counter', unit: 'bytes', help: 'Bytes of objects written to under file systems' },
  'ufs.write.requests': {
    type: 'counter',
    unit: 'requests',
    help: 'Requests sent to under file systems to write, copy or delete',
  },
  'ufs.retries': { type: 'counter', unit: 'requests', help: 'Requests to under file systems that were sent again' },
  'ufs.slow.downs': { type: 'counter', unit: 'errors', help: 'SlowDown or 429 answers of under file systems' },
  'worker.bytes.read.local': { type: 'counter', unit: 'bytes', help: 'Cached bytes read by clients of the same host' },
  'worker.bytes.read.remote': { type: 'counter', unit: 'bytes', help: 'Cached bytes served over the data port' },
  'worker.bytes.written': {
    type: 'counter',
    unit: 'bytes',
    help: 'Bytes of blocks that came into the block store; moves between tiers do not count',
  },
  'worker.blocks.cached': { type: 'gauge', unit: 'blocks', help: 'Blocks in the block store' },
  'worker.blocks.kept': {
    type: 'gauge',
    unit: 'blocks',
    help: 'Blocks of files that the master does not know, whose bytes exist nowhere else',
  },
  'worker.blocks.corrupt': { type: 'counter', unit: 'blocks', help: 'Blocks deleted because a checksum did not match' },
  'worker.bytes.read.ufs': { type: 'counter', unit: 'bytes', help: 'Bytes read from under file systems for clients' },
  'worker.blocks.evicted': { type: 'counter', unit: 'blocks', help: 'Blocks deleted to make room' },
  'worker.blocks.promoted': {
    type: 'counter',
    unit: 'blocks',
    help: 'Blocks moved to an upper tier because they were read',
  },
  'worker.bytes.scrubbed': {
    type: 'counter',
    unit: 'bytes',
    help: 'Bytes of cached blocks read and checked in the background',
  },
  'worker.directories.unstable': {
    type: 'gauge',
    unit: 'directories',
    help: 'Block directories that are read and not written, after faults of the disk',
  },
  'worker.directories.down': {
    type: 'gauge',
    unit: 'directories',
    help: 'Block directories given up until their disk is well again',
  },
  'worker.data.connections': { type: 'gauge', unit: 'connections', help: 'Open connections of the data port' },
  'worker.data.connections.refused': {
    type: 'gauge',
    unit: 'connections',
    help: 'Connections of the data port that were refused, or closed while idle, for want of room; since the start',
  },
  'worker.data.stragglers': {
    type: 'counter',
    unit: 'requests',
    help: 'Requests of the data port that were cut because others waited',
  },
  'worker.reservations.stalled': {
    type: 'counter',
    unit: 'blocks',
    help: 'Reservations that hardly grew, aborted because another writer found no room',
  },
  'worker.data.read.buffers': {
    type: 'gauge',
    unit: 'bytes',
    help: 'Bytes of blocks in memory for readers of the data port',
  },
  'worker.store.read.buffers': {
    type: 'gauge',
    unit: 'bytes',
    help: 'Bytes of objects in memory, or on their way, for clients',
  },
  'worker.data.write.buffers': {
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory given to blocks that are being sent to the data port',
  },
  'worker.data.writes.waiting': {
    type: 'gauge',
    unit: 'requests',
    help: 'Blocks whose bytes wait until there is memory for them',
  },
  'worker.data.small.buffers': { type: 'gauge', unit: 'bytes', help: 'Bodies with small blocks in memory' },
  'worker.capacity': { type: 'gauge', unit: 'bytes', help: 'Sum of the directory quotas' },
  'worker.used': { type: 'gauge', unit: 'bytes', help: 'Bytes of blocks in the store, reserved ones included' },
  'master.files': { type: 'gauge', unit: 'files', help: 'Files the master knows' },
  'master.blocks.memory': { type: 'gauge', unit: 'bytes', help: 'Memory of the map from blocks to workers' },
  'master.state.used': { type: 'gauge', unit: 'bytes', help: 'Pages of the metadata that hold something' },
  'master.workers.live': { type: 'gauge', unit: 'requests', help: 'Workers that send heartbeats' },
  'master.replication.copies.open': { type: 'gauge', unit: 'blocks', help: 'Replicas that workers were told to copy' },
  'master.replication.copies.made': {
    type: 'counter',
    unit: 'blocks',
    help: 'Replicas that were copied from worker to worker',
  },
  'master.replication.copies.failed': {
    type: 'counter',
    unit: 'blocks',
    help: 'Copies of replicas that were not reported in time',
  },
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
  'master.files.unfinished': {
    type: 'gauge',
    unit: 'files',
    help: 'Files that are being written, or whose writers went away; at most `skein.master.unfinished.files.max`',
  },
  'master.replication.files.waiting': {
    type: 'gauge',
    unit: 'files',
    help: 'Files whose replicas are to be looked at',
  },
  'process.memory.resident': { type: 'gauge', unit: 'bytes', help: 'Resident memory of the process' },
  'process.memory.heap.used': { type: 'gauge', unit: 'bytes', help: 'Used part of the JavaScript heap' },
  'process.memory.heap.total': { type: 'gauge', unit: 'bytes', help: 'Size of the JavaScript heap' },
  'process.memory.external': {
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory outside of the JavaScript heap that its objects hold, buffers included',
  },
  'process.memory.buffers': { type: 'gauge', unit: 'bytes', help: 'Memory of buffers' },
  'journal.appends': { type: 'counter', unit: 'requests', help: 'Commands appended to the journal' },
  'journal.syncs': { type: 'counter', unit: 'requests', help: 'fdatasync calls of the journal' },
  'job.read.buffers': {
    type: 'gauge',
    unit: 'bytes',
    help: 'Bytes that loads hold in memory or have on their way; at most `skein.job.worker.read.budget`',
  },
  'job.idle.pieces': { type: 'gauge', unit: 'bytes', help: 'Memory that loads keep for what they read next' },
  'job.tasks.dispatched': { type: 'counter', unit: 'tasks', help: 'Tasks put into the queue' },
  'job.tasks.completed': { type: 'counter', unit: 'tasks', help: 'Tasks whose completion was accepted' },
  'job.tasks.retried': { type: 'counter', unit: 'tasks', help: 'Tasks put into the queue again' },
  'job.files.loaded': { type: 'counter', unit: 'files', help: 'Files that loads brought in' },
  'job.tasks.out': { type: 'gauge', unit: 'tasks', help: 'Tasks that are queued or running' },
  'job.tasks.time': {
    type: 'counter',
    unit: 'seconds',
    help: 'From the queue to the accepted completion, summed over tasks',
  },
  'job.loads.running': { type: 'gauge', unit: 'loads', help: 'Loads that have not ended' },
  'job.loads.completed': { type: 'counter', unit: 'loads', help: 'Loads that ended COMPLETED' },
  'job.loads.partial': { type: 'counter', unit: 'loads', help: 'Loads that ended PARTIAL' },
  'job.loads.failed': { type: 'counter', unit: 'loads', help: 'Loads that ended FAILED' },
  'job.loads.cancelled': { type: 'counter', unit: 'loads', help: 'Loads that were cancelled' },
  'job.loads.time': { type: 'counter', unit: 'seconds', help: 'From submission to end, summed over ended loads' },
  'job.files.cached': { type: 'counter', unit: 'files', help: 'Files of ended loads that were there already' },
  'job.files.failed': { type: 'counter', unit: 'files', help: 'Files that loads gave up' },
  'job.bytes.loaded': { type: 'counter', unit: 'bytes', help: 'Bytes that ended loads brought in, once each' },
  'job.bytes.origin': {
    type: 'counter',
    unit: 'bytes',
    help: 'Bytes that ended loads read from the store, retries included',
  },
  'rpc.connections': {
    type: 'gauge',
    unit: 'connections',
    help: 'Open connections of the RPC port; `skein local`: of all of them',
  },
  'rpc.turned.away': {
    type: 'gauge',
    unit: 'requests',
    help: 'Connections and calls that an RPC port had no room for, since the start',
  },
  'rpc.request.buffers': { type: 'gauge', unit: 'bytes', help: 'Requests of calls in flight at the RPC port' },
  'queue.down': { type: 'gauge', unit: 'errors', help: '1 while the queue of tasks does not answer the job master' },
  'schedule.defined': { type: 'gauge', unit: 'schedules', help: 'Schedules there are' },
  'schedule.runs.started': { type: 'counter', unit: 'runs', help: 'Scheduled runs that became loads' },
  'schedule.runs.skipped': { type: 'counter', unit: 'runs', help: 'Scheduled runs that were skipped or refused' },
  'task.blocks.written': { type: 'counter', unit: 'blocks', help: 'Block replicas written by the job worker' },
  'task.bytes.copied': {
    type: 'counter',
    unit: 'bytes',
    help: 'Bytes of further replicas that the job worker read from cache workers',
  },
  'task.failures': { type: 'counter', unit: 'errors', help: 'Block replicas that a task could not write' },
} as const satisfies Readonly<Record<string, MetricDefinition>>

export type MetricName = keyof typeof metricTable
