// Why: one table of all metrics, so that the endpoint, the reports and the documentation agree.
// How: each metric has the name that Prometheus shows. Names follow
// https://prometheus.io/docs/practices/naming/: `_seconds` and `_bytes` are the only units,
// counters end in `_total`, outcomes and reasons are labels. The metrics of the process and of
// Node.js have the names of prom-client, for which dashboards exist.
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly help: string
  /** Label -> all its values. */
  readonly labels?: Readonly<Record<string, readonly string[]>>
  /** Upper bounds of a histogram's buckets, ascending; `+Inf` is added. */
  readonly buckets?: readonly number[]
}
type Metrics = Readonly<Record<string, MetricDefinition>>

const processMetrics = {
  process_cpu_seconds_total: { type: 'counter', help: 'User and system CPU time spent, in seconds.' },
  process_resident_memory_bytes: { type: 'gauge', help: 'Resident memory size in bytes.' },
  process_start_time_seconds: { type: 'gauge', help: 'Start time of the process, in seconds since the Unix epoch.' },
  process_open_fds: { type: 'gauge', help: 'Number of open file descriptors (Linux only).' },
  process_max_fds: { type: 'gauge', help: 'Maximum number of open file descriptors (Linux only).' },
  nodejs_heap_size_used_bytes: { type: 'gauge', help: 'Used part of the JavaScript heap.' },
  nodejs_heap_size_total_bytes: { type: 'gauge', help: 'Size of the JavaScript heap.' },
  nodejs_external_memory_bytes: {
    type: 'gauge',
    help: 'Memory outside the JavaScript heap that JavaScript objects hold, buffers included.',
  },
  nodejs_array_buffer_memory_bytes: { type: 'gauge', help: 'Memory of buffers, a part of the external memory.' },
  nodejs_eventloop_lag_p50_seconds: {
    type: 'gauge',
    help: 'Median event loop lag between two scrapes, at least 15 seconds.',
  },
  nodejs_eventloop_lag_p99_seconds: {
    type: 'gauge',
    help: '99th percentile of the event loop lag between two scrapes, at least 15 seconds.',
  },
  nodejs_eventloop_lag_max_seconds: {
    type: 'gauge',
    help: 'Maximum event loop lag between two scrapes, at least 15 seconds.',
  },
  nodejs_gc_duration_seconds: {
    type: 'histogram',
    labels: { kind: ['major', 'minor', 'incremental', 'weakcb'] },
    buckets: [0.001, 0.01, 0.1, 1, 2, 5],
    help: 'Duration of garbage collections.',
  },
  skein_rpc_connections: { type: 'gauge', help: 'Open connections of the RPC port.' },
  skein_rpc_rejections_total: {
    type: 'counter',
    help: 'Connections and calls that the RPC port rejected because a limit was reached.',
  },
  skein_rpc_request_buffers_bytes: { type: 'gauge', help: 'Memory of the requests of calls in flight.' },
  skein_ufs_read_bytes_total: { type: 'counter', help: 'Bytes read from under file systems.' },
  skein_ufs_written_bytes_total: { type: 'counter', help: 'Bytes of objects written to under file systems.' },
  skein_ufs_requests_total: {
    type: 'counter',
    labels: { operation: ['read', 'list', 'stat', 'write'] },
    help: 'Requests sent to under file systems, retries included. Copies and deletes count as `write`.',
  },
  skein_ufs_retries_total: {
    type: 'counter',
    labels: { reason: ['slow_down', 'timeout', 'error'] },
    help: 'Requests to under file systems that failed and were retried. `slow_down`: SlowDown and 429 responses.',
  },
} as const satisfies Metrics

const journalMetrics = {
  skein_journal_appends_total: { type: 'counter', help: 'Commands appended to the journal.' },
  skein_journal_sync_duration_seconds: {
    type: 'histogram',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5],
    help: 'Duration of fdatasync calls of the journal.',
  },
} as const satisfies Metrics

const masterMetrics = {
  skein_master_files: { type: 'gauge', help: 'Files in the metadata.' },
  skein_master_unfinished_files: {
    type: 'gauge',
    help:
      'Files that are being written or were abandoned by their writers. ' +
      'Limit: `skein.master.unfinished.files.max`.',
  },
  skein_master_workers: {
    type: 'gauge',
    labels: { state: ['live', 'lost'] },
    help: 'Registered workers. `lost`: no heartbeat within the timeout.',
  },
  skein_master_block_map_bytes: { type: 'gauge', help: 'Memory of the map from blocks to workers.' },
  skein_master_state_used_bytes: { type: 'gauge', help: 'Used part of the metadata database on disk.' },
  skein_master_replication_copies_in_flight: { type: 'gauge', help: 'Replicas that workers are copying.' },
  skein_master_replication_copies_total: {
    type: 'counter',
    labels: { outcome: ['ok', 'error'] },
    help: 'Replicas copied from worker to worker. `error`: not reported in time.',
  },
  skein_master_replication_dropped_replicas_total: {
    type: 'counter',
    help: 'Replicas dropped because there were too many, or because they were copied to another worker.',
  },
  skein_master_replication_unplaced_replicas_total: {
    type: 'counter',
    help: 'Missing replicas that no worker had space for. A replica counts at each check.',
  },
  skein_master_replication_pending_files: { type: 'gauge', help: 'Files whose replication has to be checked.' },
} as const satisfies Metrics

const workerMetrics = {
  skein_worker_capacity_bytes: { type: 'gauge', help: 'Sum of the quotas of the block directories.' },
  skein_worker_used_bytes: { type: 'gauge', help: 'Used part of the capacity, reservations included.' },
  skein_worker_blocks: { type: 'gauge', help: 'Blocks in the block store.' },
  skein_worker_unknown_blocks: {
    type: 'gauge',
    help: 'Blocks whose file is unknown to the master. They are not deleted, because they may be the only copy.',
  },
  skein_worker_blocks_removed_total: {
    type: 'counter',
    labels: { reason: ['evicted', 'corrupt'] },
    help: 'Blocks deleted to free space (`evicted`), or because of a wrong checksum (`corrupt`).',
  },
  skein_worker_blocks_promoted_total: { type: 'counter', help: 'Blocks moved to the top tier because they were read.' },
  skein_worker_reservations_aborted_total: {
    type: 'counter',
    help: 'Reservations aborted because their writer stalled while another writer needed the space.',
  },
  skein_worker_read_bytes_total: {
    type: 'counter',
    labels: { source: ['local', 'remote', 'ufs'] },
    help:
      'Bytes read by clients: cached bytes read on the same host (`local`) or from another host (`remote`), ' +
      'and bytes read from the under file system (`ufs`).',
  },
  skein_worker_written_bytes_total: {
    type: 'counter',
    help: 'Bytes of blocks written to the block store, without moves between tiers.',
  },
  skein_worker_scrubbed_bytes_total: {
    type: 'counter',
    help: 'Bytes of cached blocks whose checksums were verified in the background.',
  },
  skein_worker_directories: {
    type: 'gauge',
    labels: { state: ['normal', 'unstable', 'down'] },
    help: 'Block directories. After disk errors a directory is read-only (`unstable`), then not used (`down`).',
  },
  skein_worker_data_connections: { type: 'gauge', help: 'Open connections of the data port.' },
  skein_worker_data_rejections_total: {
    type: 'counter',
    help: 'Connections that the data port rejected, or closed while idle, because a limit was reached.',
  },
  skein_worker_data_slow_requests_aborted_total: {
    type: 'counter',
    help: 'Requests of the data port aborted because they were too slow while others waited.',
  },
  skein_worker_data_waiting_writes: { type: 'gauge', help: 'Writes to the data port that wait for memory.' },
  skein_worker_data_read_buffers_bytes: { type: 'gauge', help: 'Memory of blocks being sent by the data port.' },
  skein_worker_goosefs_read_buffers_bytes: { type: 'gauge', help: "Memory of blocks being sent to GooseFS's clients." },
  skein_worker_data_write_buffers_bytes: { type: 'gauge', help: 'Memory of blocks being received by the data port.' },
  skein_worker_data_small_buffers_bytes: { type: 'gauge', help: 'Memory of small blocks received in one request.' },
  skein_worker_store_read_buffers_bytes: {
    type: 'gauge',
    help: 'Memory of reads from under file systems for clients, requests in flight included.',
  },
} as const satisfies Metrics

const jobMasterMetrics = {
  skein_job_running_loads: { type: 'gauge', help: 'Loads that are running.' },
  skein_job_load_duration_seconds: {
    type: 'histogram',
    labels: { outcome: ['completed', 'partial', 'failed', 'cancelled'] },
    buckets: [1, 5, 15, 60, 300, 900, 3600, 14_400, 86_400],
    help: 'Duration of loads, from submission to end.',
  },
  skein_job_files_total: {
    type: 'counter',
    labels: { outcome: ['loaded', 'cached', 'failed'] },
    help: 'Files of ended loads. `cached`: the file was in the cache before.',
  },
  skein_job_loaded_bytes_total: {
    type: 'counter',
    help: 'Bytes cached by ended loads. Replicas and retries do not count.',
  },
  skein_job_ufs_read_bytes_total: {
    type: 'counter',
    help: 'Bytes that ended loads read from under file systems, retries included.',
  },
  skein_job_tasks_in_flight: { type: 'gauge', help: 'Tasks that are queued or running.' },
  skein_job_tasks_dispatched_total: { type: 'counter', help: 'Tasks added to the queue, retries included.' },
  skein_job_tasks_retried_total: { type: 'counter', help: 'Tasks taken back, to be queued again.' },
  skein_job_tasks_completed_total: { type: 'counter', help: 'Tasks that completed.' },
  skein_job_task_duration_seconds: {
    type: 'histogram',
    buckets: [0.05, 0.25, 1, 5, 15, 60, 300, 1800],
    help: 'Duration of tasks, from the queue to their completion.',
  },
  skein_job_queue_up: { type: 'gauge', help: '1 if the task queue answers the job master, else 0.' },
  skein_job_schedules: { type: 'gauge', help: 'Defined schedules.' },
  skein_job_schedule_runs_total: {
    type: 'counter',
    labels: { outcome: ['started', 'skipped', 'refused'] },
    help: 'Runs of schedules. `started`: a load was submitted; `refused`: the load was not accepted.',
  },
} as const satisfies Metrics

const jobWorkerMetrics = {
  skein_job_worker_replicas_total: {
    type: 'counter',
    labels: { outcome: ['ok', 'error'] },
    help: 'Block replicas that tasks wrote, or failed to write.',
  },
  skein_job_worker_copied_bytes_total: {
    type: 'counter',
    help: 'Bytes read from cache workers to write further replicas.',
  },
  skein_job_worker_read_buffers_bytes: {
    type: 'gauge',
    help: 'Memory of reads of loads, requests in flight included. Limit: `skein.job.worker.read.budget`.',
  },
  skein_job_worker_reads_limit: {
    type: 'gauge',
    help: 'Range requests in flight at most. Changes during loads with `skein.tuning=auto`.',
  },
  skein_job_worker_tasks_limit: {
    type: 'gauge',
    help: 'Tasks that run at once at most. Changes during loads with `skein.tuning=auto`.',
  },
  skein_job_worker_range_bytes: {
    type: 'gauge',
    help: 'Bytes of a range request, of several stores the most. Changes during loads with `skein.tuning=auto`.',
  },
  skein_job_worker_tuning_decisions_total: {
    type: 'counter',
    labels: {
      change: ['increase', 'decrease'],
      reason: ['throughput', 'no_gain', 'slow_down', 'recovery', 'latency', 'distance', 'memory'],
    },
    help: 'Changes of the number or size of reads during loads (`skein.tuning=auto`).',
  },
  skein_job_worker_idle_buffers_bytes: { type: 'gauge', help: 'Memory of buffers that are kept for the next reads.' },
} as const satisfies Metrics

const doors = ['s3', 'webhdfs', 'fuse'] as const
const doorOperations = ['read', 'write', 'list', 'stat', 'copy', 'rename', 'delete', 'multipart', 'other'] as const

const doorMetrics = {
  skein_door_origin_bytes_total: {
    type: 'counter',
    help: 'Bytes that this process read from stores itself, because no worker answered.',
  },
  skein_door_requests_total: {
    type: 'counter',
    labels: { door: doors, operation: doorOperations, outcome: ['ok', 'client_error', 'server_error'] },
    help:
      'Requests. `multipart`: uploads in parts, the parts included. `other`: all else, and what was refused ' +
      'before its operation was known. `client_error`: includes what was not found.',
  },
  skein_door_request_duration_seconds: {
    type: 'histogram',
    labels: { door: doors, operation: doorOperations },
    buckets: [0.0005, 0.002, 0.005, 0.015, 0.05, 0.2, 1, 5, 30, 120, 600],
    help: 'Duration of requests, from their head to the end of the answer.',
  },
  skein_door_requests_in_flight: { type: 'gauge', labels: { door: doors }, help: 'Requests that are being served.' },
  skein_door_sent_bytes_total: {
    type: 'counter',
    labels: { door: doors },
    help: 'Bytes of files sent to clients.',
  },
  skein_door_received_bytes_total: {
    type: 'counter',
    labels: { door: doors },
    help: 'Bytes of files received from clients and stored.',
  },
  skein_door_file_bytes_total: {
    type: 'counter',
    labels: { door: doors, source: ['cache', 'store'] },
    help:
      'Bytes read for clients, read-ahead included: from blocks that were cached when the file was opened (`cache`), ' +
      'or through a worker from the under file system (`store`). `cache` divided by the sum is the hit ratio.',
  },
  skein_door_read_buffers_bytes: { type: 'gauge', help: 'Memory of files that the ports are sending.' },
  skein_door_connections: { type: 'gauge', labels: { door: doors }, help: 'Open connections of the port.' },
  skein_door_rejections_total: {
    type: 'counter',
    labels: { door: doors },
    help: 'Connections that the port rejected, or closed while idle, because a limit was reached.',
  },
} as const satisfies Metrics

const mountMetrics = {
  skein_fuse_nodes: { type: 'gauge', help: 'Files and directories that the kernel holds of the mount.' },
  skein_fuse_open_handles: { type: 'gauge', help: 'Open files and directories of the mount.' },
} as const satisfies Metrics

/** The metrics by role. `skein local` has all of them. */
export const metricAreas = [
  {
    title: 'All roles',
    roles: ['master', 'worker', 'job-master', 'job-worker'],
    metrics: processMetrics,
  },
  { title: 'Master and job master', roles: ['master', 'job-master'], metrics: journalMetrics },
  { title: 'Master', roles: ['master'], metrics: masterMetrics },
  { title: 'Worker', roles: ['worker'], metrics: workerMetrics },
  { title: 'Job master', roles: ['job-master'], metrics: jobMasterMetrics },
  { title: 'Job worker', roles: ['job-worker'], metrics: jobWorkerMetrics },
  { title: 'Doors', roles: ['gateway', 'fuse'], metrics: doorMetrics },
  { title: 'Mount', roles: ['fuse'], metrics: mountMetrics },
] as const satisfies readonly { title: string; roles: readonly string[]; metrics: Metrics }[]

export const metricTable = {
  ...processMetrics,
  ...journalMetrics,
  ...masterMetrics,
  ...workerMetrics,
  ...jobMasterMetrics,
  ...jobWorkerMetrics,
  ...doorMetrics,
  ...mountMetrics,
} as const satisfies Metrics

export type MetricName = keyof typeof metricTable
type NameOf<Type extends MetricDefinition['type']> = {
  [Name in MetricName]: (typeof metricTable)[Name]['type'] extends Type ? Name : never
}[MetricName]
export type CounterName = NameOf<'counter'>
export type HistogramName = NameOf<'histogram'>
/** The metrics with a single number: counters and gauges. */
export type NumberName = NameOf<'counter' | 'gauge'>

/** The last argument of calls that name a metric: its labels, or nothing if it has none. */
export type LabelsOf<Name extends MetricName> = (typeof metricTable)[Name] extends {
  readonly labels: infer Labels extends Readonly<Record<string, readonly string[]>>
}
  ? [labels: { readonly [Label in keyof Labels]: Labels[Label][number] }]
  : []
