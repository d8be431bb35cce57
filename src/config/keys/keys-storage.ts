// Why: keys of the cache: tiers and their directories, eviction, and reads. `{x}` in a name is the
// number of a tier, 0 to levels - 1.
import type { KeyTable } from './key-definition.ts'

export const storageKeys = {
  'goosefs.worker.tieredstore.levels': {
    kind: 'integer',
    default: '1',
    min: 1,
    max: 16,
    scope: 'worker',
    doc: 'Number of storage tiers',
  },
  'goosefs.worker.tieredstore.level{x}.alias': {
    kind: 'text',
    defaultDoc:
      'the medium of the directories if it is set, with the level as suffix for a second tier of one medium ' +
      '(`SSD1`); otherwise MEM, SSD, HDD for levels 0, 1, 2',
    scope: 'worker',
    doc: 'Name of the tier. Each tier needs a different name',
  },
  'goosefs.worker.tieredstore.level{x}.dirs.path': {
    kind: 'list',
    defaultDoc: '`<home>/worker/blocks` for level 0',
    scope: 'worker',
    doc: 'Directories of the tier: absolute paths, none inside another',
  },
  'goosefs.worker.tieredstore.level{x}.dirs.mediumtype': {
    kind: 'list',
    defaultDoc: 'the alias of the tier',
    scope: 'worker',
    doc: 'Medium of each directory: MEM, SSD or HDD. One entry per directory',
  },
  'goosefs.worker.tieredstore.level{x}.dirs.quota': {
    kind: 'bytesList',
    defaultDoc: 'level 0: `goosefs.worker.ramdisk.size` divided among the directories; other levels: 10GB each',
    scope: 'worker',
    doc: 'Capacity of each directory. One entry per directory',
  },
  'goosefs.worker.tieredstore.level{x}.watermark.high.ratio': {
    kind: 'number',
    min: 0,
    max: 1,
    defaultDoc: '0.95; none on the last tier',
    scope: 'worker',
    doc:
      'When the used share of the tier exceeds this ratio, the worker moves its coldest blocks to the next tier ' +
      'in the background. On the last tier the worker deletes them, but only if one of the two ratios is set',
  },
  'goosefs.worker.tieredstore.level{x}.watermark.low.ratio': {
    kind: 'number',
    min: 0,
    max: 1,
    defaultDoc: '0.70; none on the last tier',
    scope: 'worker',
    doc: 'Background eviction stops when the used share of the tier is at or below this ratio',
  },
  'goosefs.worker.tieredstore.free.ahead.bytes': {
    kind: 'bytes',
    default: '0',
    min: 0,
    scope: 'worker',
    doc: 'Extra bytes to free when a writer has to wait for space',
  },
  'skein.worker.promotion.rate': {
    kind: 'bytes',
    default: '64MB',
    min: 0,
    scope: 'worker',
    doc: 'Maximum bytes per second for moving blocks to the top tier after they are read. 0 turns promotion off',
  },
  'skein.worker.scrub.rate': {
    kind: 'bytes',
    default: '4MB',
    min: 0,
    scope: 'worker',
    doc: 'Maximum bytes per second for reading and verifying cached blocks in the background. 0 turns scrubbing off',
  },
  'goosefs.worker.ramdisk.size': {
    kind: 'bytes',
    min: 1,
    scope: 'worker',
    doc: 'Total capacity of level 0. Applies if no quota is set',
  },
  'goosefs.worker.memory.size': {
    kind: 'bytes',
    min: 1,
    scope: 'worker',
    doc: 'Older name of `goosefs.worker.ramdisk.size`. If both are set, `goosefs.worker.ramdisk.size` applies',
  },
  'goosefs.worker.block.annotator.class': {
    kind: 'choice',
    values: [
      'goosefs.worker.block.annotator.LRUAnnotator',
      'goosefs.worker.block.annotator.LRFUAnnotator',
      'com.qcloud.cos.goosefs.worker.block.annotator.LRUAnnotator',
      'com.qcloud.cos.goosefs.worker.block.annotator.LRFUAnnotator',
    ],
    default: 'goosefs.worker.block.annotator.LRUAnnotator',
    scope: 'worker',
    doc: 'Eviction policy: the order in which blocks are evicted',
  },
  'goosefs.worker.block.annotator.lrfu.step.factor': {
    kind: 'number',
    default: '0.25',
    min: 0,
    max: 1,
    scope: 'worker',
    doc: 'LRFU: 0 evicts the least frequently used block, 1 the least recently used block',
  },
  'goosefs.worker.block.annotator.lrfu.attenuation.factor': {
    kind: 'number',
    default: '2.0',
    min: 1,
    max: 1000,
    scope: 'worker',
    doc: 'LRFU: how fast the weight of an access decays. Larger values decay faster',
  },
  'goosefs.worker.network.reader.buffer.size': {
    kind: 'bytes',
    default: '4MB',
    min: 4096,
    max: 2 ** 30,
    scope: 'worker',
    doc: 'Buffer per read stream',
  },
  'goosefs.worker.network.block.reader.threads.max': {
    kind: 'integer',
    default: '2048',
    min: 1,
    max: 65_536,
    scope: 'worker',
    doc:
      'Maximum connections to the data port. At the limit, the worker closes idle and very slow connections to ' +
      'accept new ones',
  },
  'skein.worker.data.peer.connections.max': {
    kind: 'integer',
    default: '1024',
    min: 1,
    max: 65_536,
    scope: 'worker',
    doc: 'Maximum connections to the data port from one remote address',
  },
  'skein.worker.data.pipeline.max': {
    kind: 'integer',
    default: '16',
    min: 0,
    max: 1024,
    scope: 'worker',
    doc: 'Maximum pipelined requests waiting on one connection of the data port. A connection with more is closed',
  },
  'skein.worker.data.frames.max': {
    kind: 'integer',
    default: '1024',
    min: 256,
    max: 65_536,
    scope: 'worker',
    doc: 'Maximum small blocks in one request',
  },
  'skein.worker.data.small.buffers': {
    kind: 'bytes',
    default: '64MB',
    min: 2 ** 24,
    scope: 'worker',
    doc: 'Memory limit of all requests that write small blocks',
  },
  'skein.worker.data.write.buffers': {
    kind: 'bytes',
    default: '128MB',
    min: 2 ** 20,
    scope: 'worker',
    doc:
      'Memory limit of all blocks being received. Each uses 512 KiB. Further requests wait; the worker refuses a ' +
      'request if as many are waiting already',
  },
  'skein.worker.data.read.buffers': {
    kind: 'bytes',
    default: '256MB',
    min: 2 ** 20,
    scope: 'worker',
    doc:
      'Memory limit of all block reads together. `goosefs.worker.network.reader.buffer.size` is the buffer of ' +
      'one read',
  },
  'skein.worker.store.read.buffers': {
    kind: 'bytes',
    default: '128MB',
    min: 2 ** 20,
    scope: 'worker',
    doc: 'Memory limit of all reads from stores that a worker makes for clients',
  },
  'skein.worker.data.least.rate': {
    kind: 'bytes',
    default: '64KB',
    min: 0,
    scope: 'worker',
    doc:
      'Minimum bytes per second of a client while other requests wait for the memory or space that its request ' +
      'holds. The worker closes slower connections',
  },
  'skein.worker.data.stall.timeout': {
    kind: 'duration',
    default: '3s',
    min: 100,
    scope: 'worker',
    doc:
      'How long a writer below `skein.worker.data.least.rate` keeps its reserved space while another writer ' +
      'waits for space',
  },
  'skein.worker.segment.block.bytes.max': {
    kind: 'bytes',
    default: '1MB',
    min: 0,
    max: 16 * 2 ** 20,
    scope: 'worker',
    doc: 'Blocks up to this size share segment files. 0 stores each block in its own file',
  },
  'skein.worker.segment.bytes': {
    kind: 'bytes',
    default: '256MB',
    min: 2 ** 20,
    max: 2 ** 32,
    scope: 'worker',
    doc: 'Size of a segment file. The upper limit is 1/32 of the quota or 4 MiB, whichever is larger',
  },
  'skein.worker.reservation.timeout': {
    kind: 'duration',
    default: '12s',
    min: 100,
    scope: 'worker',
    doc: 'A block write without new data for this long is aborted',
  },
  'skein.user.small.block.cache': {
    kind: 'bytes',
    default: '64MB',
    min: 0,
    scope: 'client',
    doc: 'Memory of a client for blocks of at most 128 KiB that are read often. Each is read anew every 10 s',
  },
  'skein.user.write.kept.bytes': {
    kind: 'bytes',
    default: '256MB',
    min: 2 ** 20,
    scope: 'client',
    doc:
      'Memory of a client for blocks that are being written, all files together. If a worker fails, another one ' +
      'gets these bytes. Of one block, 128 MiB are kept at most. If the worker of a block that is not kept fails, ' +
      'the file must be written again',
  },
  'goosefs.user.file.passive.cache.enabled': {
    kind: 'boolean',
    default: 'true',
    scope: 'client',
    doc: 'Also copy blocks that are read from another host to the local worker, if the file may have more replicas',
  },
  'skein.user.read.ahead.memory': {
    kind: 'bytes',
    default: '64MB',
    min: 0,
    max: 2 ** 40,
    scope: 'client',
    doc:
      'Memory of a program for bytes that are read ahead of sequential readers, all open files together. Each file ' +
      'uses up to 12 MB. 0 turns reading ahead off',
  },
  'skein.user.opened.file.age': {
    kind: 'duration',
    default: '1s',
    min: 0,
    max: 3_600_000,
    scope: 'client',
    doc:
      'How long a program can open a file again without asking the master. Its own changes count at once, changes ' +
      'by others after this time. 0 always asks the master',
  },
} as const satisfies KeyTable

const unused = (kind: 'text', doc: string) => ({ kind, scope: 'all', doc, unused: true }) as const

/** Keys of GooseFS that occur in real files and have no effect in Skein. */
export const unusedKeys = {
  'fs.AbstractFileSystem.cosn.impl': unused('text', 'Hadoop class; Skein has no Hadoop client'),
  'fs.AbstractFileSystem.gfs.impl': unused('text', 'Hadoop class; Skein has no Hadoop client'),
  'fs.cosn.impl': unused('text', 'Hadoop class; Skein has no Hadoop client'),
  'fs.gfs.impl': unused('text', 'Hadoop class; Skein has no Hadoop client'),
  'fs.cosn.credentials.provider': unused(
    'text',
    'Java class; set `fs.cosn.userinfo.secretId` and `fs.cosn.userinfo.secretKey`',
  ),
  'fs.cosn.tmp.dir': unused('text', 'Blocks are written directly to the block directories'),
  'fs.cosn.upload.buffer': unused('text', 'Large files are uploaded in parts of 16 MiB'),
  'fs.cosn.upload.buffer.size': unused('text', 'Large files are uploaded in parts of 16 MiB'),
  'fs.cosn.upload.part.size': unused('text', 'Large files are uploaded in parts of 16 MiB'),
  'fs.cosn.copy_thread_pool': unused('text', '16 objects are moved at a time'),
  'fs.cosn.userinfo.appid': unused('text', 'The bucket name contains the app id'),
  'goosefs.home': unused('text', 'See `skein.home`'),
  'goosefs.logs.dir': unused('text', 'Logs are written to stderr'),
  'goosefs.work.dir': unused('text', 'See `skein.home`'),
  'goosefs.job.master.client.threads': unused('text', 'There are no thread pools'),
  'goosefs.job.master.embedded.journal.addresses': unused('text', 'There is one job master'),
  'goosefs.job.master.job.capacity': unused('text', '`skein.load.active.jobs` and the task windows bound each load'),
  'goosefs.job.worker.throttle.enabled': unused('text', 'See `goosefs.job.worker.max.active.task.num`'),
  'goosefs.master.embedded.journal.addresses': unused('text', 'There is one master'),
  'goosefs.master.embedded.journal.port': unused('text', 'There is one master'),
  'goosefs.master.journal.folder': unused('text', 'The journal is stored in `skein.home`'),
  'goosefs.master.journal.type': unused('text', 'There is one journal type'),
  'goosefs.master.metastore': unused('text', 'Metadata is stored in LMDB'),
  'goosefs.master.metastore.dir': unused('text', 'Metadata is stored in `skein.home`'),
  'goosefs.master.security.impersonation.root.groups': unused('text', 'There are no users'),
  'goosefs.master.security.impersonation.root.users': unused('text', 'There are no users'),
  'goosefs.security.authorization.permission.enabled': unused('text', 'There are no users'),
  'goosefs.underfs.hdfs.configuration': unused('text', 'HDFS is not supported'),
  'goosefs.underfs.hdfs.version': unused('text', 'HDFS is not supported'),
  'goosefs.user.block.write.location.policy.class': unused('text', '`skein.placement.policy` is the key of loads'),
  'goosefs.user.client.transparent_acceleration.enabled': unused('text', 'Reads always fall through to the store'),
  'goosefs.user.client.transparent_acceleration.scope': unused('text', 'Reads always fall through to the store'),
  'goosefs.user.file.readtype.default': unused('text', 'The namespace attribute `readPolicy` sets the read type'),
  'goosefs.user.file.writetype.default': unused('text', 'The namespace attribute `writePolicy` sets the write type'),
  'goosefs.user.metrics.collection.enabled': unused('text', 'Metrics are always collected'),
  'goosefs.user.streaming.data.timeout': unused('text', 'See `skein.rpc.deadline`'),
  'goosefs.worker.allocator.class': unused('text', 'There is one allocator'),
  'goosefs.worker.data.server.domain.socket.address': unused(
    'text',
    'Local reads open the block file and need no socket',
  ),
  'goosefs.worker.data.server.domain.socket.as.uuid': unused(
    'text',
    'Local reads open the block file and need no socket',
  ),
  'goosefs.zookeeper.address': unused('text', 'ZooKeeper is not used'),
  'goosefs.zookeeper.enabled': unused('text', 'ZooKeeper is not used'),
  'skein.user.origin.fallback': {
    kind: 'boolean',
    default: 'true',
    scope: 'client',
    doc:
      'Read files from the store without a worker while no worker answers. The gateway uses the secrets of the ' +
      'cluster, other programs those of `skein.user.origin.credentials.file`. If false, such reads fail',
  },
  'skein.user.origin.credentials.file': {
    kind: 'path',
    scope: 'client',
    doc:
      'JSON object of the secrets that this program uses to read from stores without a worker, by namespace: ' +
      '`{"data":{"s3.accessKeyId":"...","s3.secretAccessKey":"..."}}`. Others must not be able to read it',
  },
} as const satisfies KeyTable
