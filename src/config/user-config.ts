// Why: what programs and commands that use a cluster are configured with. Pure.
import type { Config } from './config.ts'
import type { Values } from './values.ts'

/** @param cwd resolves a path of a file */
export function userOf(values: Values, cwd: (path: string) => string): Config['user'] {
  const credentialsFile = values.text('skein.user.origin.credentials.file')
  return {
    blockSizeBytes: values.amount('goosefs.user.block.size.bytes.default'),
    createTtlAction: values.word('goosefs.user.file.create.ttl.action') as 'FREE' | 'DELETE',
    metadataSyncIntervalMs: values.amount('goosefs.user.file.metadata.sync.interval'),
    passiveCache: values.flag('goosefs.user.file.passive.cache.enabled'),
    openedFileAgeMs: values.amount('skein.user.opened.file.age'),
    readAheadBytes: values.amount('skein.user.read.ahead.memory'),
    origin: {
      fallback: values.flag('skein.user.origin.fallback'),
      credentialsFile: credentialsFile === undefined ? undefined : cwd(credentialsFile),
    },
    smallBlockBytes: values.amount('skein.user.small.block.cache'),
    writeKeptBytes: values.amount('skein.user.write.kept.bytes'),
  }
}
