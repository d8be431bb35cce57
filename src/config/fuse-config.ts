// Why: what a mount is configured with. Pure.
import type { Config } from './config.ts'
import type { Values } from './values.ts'

export function fuseOf(values: Values): Config['fuse'] {
  const umask = values.word('skein.fuse.umask')
  if (!/^0?[0-7]{1,3}$/.test(umask)) throw values.error('skein.fuse.umask', `'${umask}' is not an octal umask`)
  return {
    attributeMs: values.amount('skein.fuse.attribute.timeout'),
    entryMs: values.amount('skein.fuse.entry.timeout'),
    outageWaitMs: values.amount('skein.fuse.outage.wait'),
    requestBytesMax: values.amount('skein.fuse.request.bytes'),
    readAheadBytes: values.amount('skein.fuse.read.ahead'),
    requestsMax: values.amount('skein.fuse.requests.max'),
    readers: values.amount('skein.fuse.readers'),
    directBytesMin: values.number('skein.fuse.direct.size.min') ?? Number.POSITIVE_INFINITY,
    allowOther: values.flag('skein.fuse.allow.other'),
    defaultPermissions: values.flag('skein.fuse.default.permissions'),
    readOnly: values.flag('skein.fuse.read.only'),
    nonEmpty: values.flag('skein.fuse.nonempty'),
    userId: values.number('skein.fuse.user.id'),
    groupId: values.number('skein.fuse.group.id'),
    umask: Number.parseInt(umask, 8),
    webPort: values.amount('skein.fuse.web.port'),
  }
}
