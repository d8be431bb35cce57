// Why: containers are configured by their environment, and Alluxio's rule is the one that operators
// know: a key in capitals with underscores. How: each key of the table has one name; what stands in
// the environment by accident (Kubernetes sets GOOSEFS_MASTER_PORT=tcp://... for a service called
// goosefs-master) is passed over and said. Pure.
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

/** The key that a variable stands for; undefined where it is none. */
export function keyOfName(name: string): string | undefined {
  const level = levelPattern.exec(name)
  if (level === null) {
    const key = keysByName.get(name)
    return key?.includes('{x}') === true ? undefined : key
  }
  return keysByName.get(`${level[1]}X${level[3]}`)?.replace('{x}', level[2] ?? '')
}

/** Variables that look as if they were for Skein. */
export function isOurName(name: string): boolean {
  return /^(GOOSEFS|SKEIN|FS_COSN)_/.test(name)
}

/** No keys, with a meaning of their own here or in the scripts of GooseFS. */
export const ownNames: ReadonlySet<string> = new Set([
  ...[
    'SKEIN_MASTER',
    'SKEIN_CONF',
    'SKEIN_PROGRESS_FILE',
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

/** Whether a value is the address that Kubernetes and Docker links put into such variables. */
export function isServiceAddress(value: string): boolean {
  return /^(tcp|udp|sctp):\/\//.test(value)
}
