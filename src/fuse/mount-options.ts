// Why: users of mount(8) write `-o allow_other,uid=1000`. How: each option becomes a configuration
// key, so a site file, -D and -o say the same; an option that is unknown is refused. Pure.
import { SkeinError } from '../base/errors.ts'

interface Meaning {
  readonly key: string
  /** The key's value from the option's; undefined: this option takes no value. */
  readonly value?: (text: string) => string
  /** For an option without a value. */
  readonly is?: string
}

const same = (text: string): string => text
const seconds = (text: string): string => {
  if (!/^\d{1,7}(?:\.\d{1,9})?$/.test(text))
    throw new SkeinError('invalid_argument', `'${text}' is not a number of seconds`)
  return String(Math.round(Number(text) * 1000))
}

const meanings: Readonly<Record<string, Meaning>> = {
  allow_other: { key: 'skein.fuse.allow.other', is: 'true' },
  default_permissions: { key: 'skein.fuse.default.permissions', is: 'true' },
  ro: { key: 'skein.fuse.read.only', is: 'true' },
  rw: { key: 'skein.fuse.read.only', is: 'false' },
  nonempty: { key: 'skein.fuse.nonempty', is: 'true' },
  direct_io: { key: 'skein.fuse.direct.size.min', is: '0' },
  uid: { key: 'skein.fuse.user.id', value: same },
  gid: { key: 'skein.fuse.group.id', value: same },
  umask: { key: 'skein.fuse.umask', value: same },
  attr_timeout: { key: 'skein.fuse.attribute.timeout', value: seconds },
  entry_timeout: { key: 'skein.fuse.entry.timeout', value: seconds },
  max_read: { key: 'skein.fuse.request.bytes', value: same },
  max_readahead: { key: 'skein.fuse.read.ahead', value: same },
  max_background: { key: 'skein.fuse.requests.max', value: same },
}
/** Options that say what is the case anyway. */
const implied: ReadonlySet<string> = new Set([
  'kernel_cache',
  'auto_cache',
  'big_writes',
  'async_read',
  'nosuid',
  'nodev',
  'noatime',
])

/**
 * Configuration keys of options, a later one before an earlier one.
 * @param texts each is a list with commas
 * @throws SkeinError invalid_argument for an unknown option, or a value where none is expected
 */
export function mountOptionKeys(texts: readonly string[]): Record<string, string> {
  const keys: Record<string, string> = {}
  for (const option of texts.flatMap((text) => text.split(',')).filter((text) => text !== '')) {
    const equals = option.indexOf('=')
    const [name, value] = equals < 0 ? [option, undefined] : [option.slice(0, equals), option.slice(equals + 1)]
    if (implied.has(name) && value === undefined) continue
    const meaning = Object.hasOwn(meanings, name) ? meanings[name] : undefined
    if (meaning === undefined) throw new SkeinError('invalid_argument', `unknown mount option '${name}'`)
    if ((meaning.value === undefined) !== (value === undefined))
      throw new SkeinError(
        'invalid_argument',
        value === undefined ? `mount option '${name}' needs a value` : `mount option '${name}' takes no value`,
      )
    keys[meaning.key] = meaning.is ?? meaning.value?.(value ?? '') ?? ''
  }
  return keys
}
