// Why: containers are configured by environment variables. The naming rule is that of Alluxio,
// which operators know: the key in capitals with underscores. How: each key of the table has one
// name. Values that are in the environment by accident (Kubernetes sets
// GOOSEFS_MASTER_PORT=tcp://... for a service named goosefs-master) are ignored with a warning.
// Pure.
import type { KeyTable } from './key-definition.ts'
import { schema } from './schema.ts'

/** `fs.cosn.upload_thread_pool` -> `FS_COSN_UPLOAD_THREAD_POOL`. */
export function environmentName(key: string): string {
  return key.toUpperCase().replaceAll(/[^A-Z0-9]/g, '_')
}

const levelPattern = /^(GOOSEFS_WORKER_TIEREDSTORE_LEVEL)(\d{1,2})(_.+)$/

const keysByName = new Map(
  Object.keys(schema satisfies KeyTable).map((key) => [environmentName(key.replace('{x}', 'X')), key] as const),
)

/** The key of a variable; undefined if there is none. */
export function keyOfName(name: string): string | undefined {
  const level = levelPattern.exec(name)
  if (level === null) {
    const key = keysByName.get(name)
    return key?.includes('{x}') === true ? undefined : key
  }
  return keysByName.get(`${level[1]}X${level[3]}`)?.replace('{x}', level[2] ?? '')
}

/** Whether a variable looks as if it were for Skein. */
export function isOurName(name: string): boolean {
  return /^(GOOSEFS|SKEIN|FS_COSN)_/.test(name)
}

/** Variables that are not keys, but have a meaning here or in the scripts of GooseFS. */
export const ownNames: ReadonlySet<string> = new Set([
  ...[
    'SKEIN_MASTER',
    'SKEIN_CONF',
    'SKEIN_PROGRESS_FILE',
    'SKEIN_STOP_WITH_STDIN',
    'GOOSEFS_CONF_DIR',
    'GOOSEFS_JAVA_OPTS',
    'GOOSEFS_MASTER_JAVA_OPTS',
  ],
  ...[
    'GOOSEFS_WORKER_JAVA_OPTS',
    'GOOSEFS_JOB_MASTER_JAVA_OPTS',
    'GOOSEFS_JOB_WORKER_JAVA_OPTS',
    'GOOSEFS_USER_JAVA_OPTS',
  ],
])

/** Whether a value is a service address, as set by Kubernetes and Docker links. */
export function isServiceAddress(value: string): boolean {
  return /^(tcp|udp|sctp):\/\//.test(value)
}
