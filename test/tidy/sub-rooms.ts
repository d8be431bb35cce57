// Why: a room with sixty files is a hall. Each large room has sub-rooms, and each of these says
// what it may import inside its own room. How: the table names sub-rooms (`disk`) and single files
// of the room's root (`block-store.ts`); files of the root that nobody names see the whole room.
import { importsOf, resolved, type SourceFile } from './rules.ts'

/** By room, by sub-room: what its files may import inside the room beside themselves. */
const subRooms: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  base: {
    attributes: ['shape.ts'],
    checksum: [],
    files: ['errors.ts'],
    flow: ['assert.ts', 'bytes.ts', 'clock.ts', 'errors.ts'],
    ring: [],
    xml: [],
  },
  block: {
    disk: ['block-store.ts'],
    segment: ['block-store.ts', 'disk'],
    directory: ['block-store.ts', 'disk', 'segment'],
    'tier/order': [],
    tier: ['block-store.ts', 'block-eviction.ts', 'disk', 'segment', 'tier/order'],
    assembly: ['block-store.ts', 'disk', 'segment', 'directory', 'tier', 'tier/order'],
  },
  'cache-master': {
    state: [],
    workers: ['state'],
    replication: ['workers'],
    store: ['master-context.ts', 'state'],
    cluster: ['master-context.ts', 'workers', 'replication'],
    paths: ['master-context.ts', 'state', 'store'],
    written: ['master-context.ts', 'workers', 'store', 'paths'],
    files: ['master-context.ts', 'state', 'store', 'paths', 'written'],
    namespaces: ['master-context.ts', 'state', 'store', 'paths', 'files'],
    listings: ['master-context.ts', 'store', 'paths'],
    loads: ['master-context.ts', 'store', 'paths'],
  },
  'cache-worker': { blocks: [], link: ['blocks'], probe: [], uploads: [], reads: ['uploads'] },
  cli: {
    frame: [],
    format: ['frame'],
    fs: ['frame', 'format'],
    load: ['frame', 'format'],
    jobs: ['frame', 'format', 'load'],
    admin: ['frame', 'format'],
    mounts: ['frame', 'roles.ts'],
    'tune/picture': [],
    'tune/probe': ['frame'],
    'tune/sweep': ['frame', 'tune/picture'],
    tune: ['frame', 'fs', 'tune/picture', 'tune/probe', 'tune/sweep'],
    completion: ['frame'],
  },
  client: {
    read: [],
    origin: ['read'],
    status: ['file-range.ts', 'file-system.ts'],
    open: ['aborted-calls.ts', 'file-range.ts', 'file-system.ts', 'given-options.ts', 'read', 'status'],
    write: ['file-system.ts', 'worker-directories.ts'],
    upkeep: ['file-system.ts', 'status', 'write'],
  },
  config: { keys: [] },
  'goosefs-rpc': {
    'generated/goosefs': [],
    ids: [],
    session: ['generated/goosefs', 'native-service.ts'],
    master: ['generated/goosefs', 'ids', 'native-service.ts'],
    worker: ['generated/goosefs', 'ids', 'native-service.ts'],
  },
  fuse: {
    protocol: [],
    device: ['protocol'],
    tree: ['error-numbers.ts', 'outage-patience.ts', 'protocol', 'files'],
    files: ['error-numbers.ts', 'outage-patience.ts', 'protocol', 'tree'],
  },
  gateway: {
    credentials: ['callers.ts'],
    's3/answer': [],
    's3/request': ['s3/answer'],
    's3/signature': ['callers.ts', 's3/answer', 's3/request'],
    's3/body': ['s3/answer', 's3/request', 's3/signature'],
    's3/call': ['callers.ts', 'stream-reply.ts', 's3/answer', 's3/request', 's3/signature', 's3/body'],
    's3/objects': ['sent-memory.ts', 's3/answer', 's3/request', 's3/body', 's3/call'],
    's3/listing': ['s3/answer', 's3/request', 's3/call', 's3/objects'],
    's3/uploads': ['s3/answer', 's3/request', 's3/body', 's3/call', 's3/listing', 's3/objects'],
    's3/buckets': ['s3/answer', 's3/request', 's3/call', 's3/listing', 's3/objects'],
    s3: [
      ...['callers.ts', 'credentials', 's3/answer', 's3/request', 's3/signature', 's3/body', 's3/call'],
      ...['s3/objects', 's3/listing', 's3/buckets', 's3/uploads'],
      ...['door-port.ts', 'door-requests.ts', 'request-body.ts', 'stream-reply.ts'],
    ],
    'webhdfs/answer': [],
    'webhdfs/request': ['webhdfs/answer'],
    'webhdfs/call': ['callers.ts', 'stream-reply.ts', 'webhdfs/request'],
    'webhdfs/operations': ['sent-memory.ts', 'webhdfs/answer', 'webhdfs/request', 'webhdfs/call'],
    webhdfs: [
      ...['callers.ts', 'door-port.ts', 'door-requests.ts', 'request-body.ts', 'stream-reply.ts'],
      ...['webhdfs/answer', 'webhdfs/request', 'webhdfs/call', 'webhdfs/operations'],
    ],
  },
  'job-master': {
    options: [],
    dispatch: ['options'],
    view: ['options', 'dispatch'],
    set: ['options', 'dispatch', 'view', 'job-master-context.ts'],
    plan: ['options', 'dispatch', 'job-master-context.ts', 'running-load.ts'],
    run: ['options', 'dispatch', 'view', 'set', 'plan', 'job-master-context.ts', 'running-load.ts'],
    schedule: ['dispatch', 'view', 'plan', 'job-master-context.ts'],
  },
  'job-worker': { pace: [], set: ['pace'], tune: [] },
  journal: { disk: [], log: ['disk', 'journal.ts'], state: ['disk', 'state-table.ts'] },
  load: {
    choice: [],
    placing: [],
    schedule: ['placing'],
    state: ['choice', 'placing', 'schedule', 'load.ts'],
    plan: ['placing', 'state', 'load.ts'],
  },
  meta: {
    commands: ['meta-tables.ts'],
    apply: ['commands', 'edge-order.ts', 'meta-tables.ts', 'resolve-path.ts', 'walk.ts'],
  },
  process: {
    parts: ['links.ts', 'role-shell.ts', 'servers.ts', 'stores.ts', 'version.ts'],
    roles: ['parts', 'io-threads.ts', 'links.ts', 'queues.ts', 'role-shell.ts', 'servers.ts'],
  },
  ufs: {
    transport: ['read-turns.ts'],
    trust: ['key-order.ts', 'transport', 'under-file-system.ts'],
    's3/request': ['store-options.ts', 'transport', 'trust'],
    s3: [
      ...['key-order.ts', 'read-ahead.ts', 'rename-by-copy.ts', 'store-options.ts', 'under-file-system.ts'],
      ...['transport', 'trust', 's3/request'],
    ],
    local: ['key-order.ts', 'rename-by-copy.ts', 'under-file-system.ts'],
  },
  wire: {
    generated: ['status.ts'],
    limits: ['generated', 'service.ts'],
    rpc: ['limits', 'address.ts', 'connection-guard.ts', 'service.ts', 'status.ts'],
    http: ['address.ts', 'connection-guard.ts', 'status.ts'],
    data: ['generated', 'http', 'address.ts', 'status.ts'],
  },
}

const folderFilesMax = 16

/**
 * Room, and the folder or root file in it: `src/block/disk/page-reader.ts` is `block` and `disk`.
 */
function placeOf(
  path: string,
): { readonly room: string; readonly place: string; readonly isRoot: boolean } | undefined {
  const [top, room, ...rest] = path.split('/')
  const file = rest.pop()
  if (top !== 'src' || room === undefined || file === undefined) return undefined
  return { room, place: rest.length === 0 ? file : rest.join('/'), isRoot: rest.length === 0 }
}

function subRoomViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const from = placeOf(file.path)
    if (from === undefined || from.isRoot) return []
    const allowed = subRooms[from.room]?.[from.place]
    if (allowed === undefined) return [`${file.path}: '${from.place}' is no sub-room of '${from.room}'`]
    return importsOf(file)
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => placeOf(resolved(file.path, specifier)))
      .filter((to) => to?.room === from.room && to.place !== from.place && !allowed.includes(to.place))
      .map((to) => `${file.path}: '${from.room}/${from.place}' may not import '${to?.place ?? ''}'`)
  })
}

function folderViolations(files: readonly SourceFile[]): string[] {
  const counts = new Map<string, number>()
  for (const { path } of files) {
    const folder = path.slice(0, path.lastIndexOf('/'))
    counts.set(folder, (counts.get(folder) ?? 0) + 1)
  }
  return [...counts]
    .filter(([, count]) => count > folderFilesMax)
    .map(([folder, count]) => `${folder}: ${count} files, ${folderFilesMax} at most`)
}

/** A name that two files have is a name that one must look up twice. */
function baseNameViolations(files: readonly SourceFile[]): string[] {
  const paths = new Map<string, string[]>()
  for (const { path } of files) {
    const name = path.slice(path.lastIndexOf('/') + 1)
    paths.set(name, [...(paths.get(name) ?? []), path])
  }
  return [...paths].filter(([, same]) => same.length > 1).map(([name, same]) => `${name}: ${same.join(', ')}`)
}

export const subRoomRules = { subRoomViolations, folderViolations, baseNameViolations }
