// Why: a value may come from five places, and a message about it must say which. How: each place becomes a list of
// settings; a later one wins: defaults < profile < site file < skein.json < environment < -D.
import { SkeinError } from '../base/errors.ts'
import type { ValueLayer } from './config.ts'
import { definitionOf, nearestKey } from './schema.ts'

export interface Setting {
  readonly key: string
  readonly text: string
  readonly layer: ValueLayer
  /** `file:line`, the environment variable, or `-D`. */
  readonly where: string
}

const proxyVariables = [
  ['HTTP_PROXY', 'skein.ufs.http.proxy'],
  ['HTTPS_PROXY', 'skein.ufs.https.proxy'],
  ['NO_PROXY', 'skein.ufs.no.proxy'],
] as const

/** An environment variable's settings. `SKEIN_CONF` and unknown names are not settings. */
export function environmentSettings(environment: Readonly<Record<string, string | undefined>>): Setting[] {
  const settings: Setting[] = []
  const add = (name: string, key: string, text = environment[name]): void => {
    if (text !== undefined && text !== '') settings.push({ key, text, layer: 'env', where: name })
  }
  add('SKEIN_HOME', 'skein.home')
  add('SKEIN_PROFILE', 'skein.profile')
  add('SKEIN_QUEUE_URL', 'skein.queue.url')
  add('SKEIN_LOG_LEVEL', 'skein.log.level')
  // Both spellings are in use; the lower one is the older, and wins as it does elsewhere.
  for (const [name, key] of proxyVariables) {
    add(name, key)
    add(name.toLowerCase(), key)
  }
  const master = environment['SKEIN_MASTER']
  if (master !== undefined && master !== '') settings.push(...addressSettings(master, 'env', 'SKEIN_MASTER'))
  return settings
}

/**
 * The two master keys out of `host:port`, `[::1]:port` or `host`.
 * @throws SkeinError invalid_argument for anything else
 */
export function addressSettings(address: string, layer: ValueLayer, where: string): Setting[] {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[^:\s/]+)(?::(\d{1,5}))?$/.exec(address)
  const host = match?.[1]
  if (host === undefined || Number(match?.[2] ?? 0) > 65_535) {
    throw new SkeinError('invalid_argument', `${where}: '${address}' is not an address: write host:port`, { reason: reasonOf(layer) })
  }
  const settings: Setting[] = [{ key: 'goosefs.master.hostname', text: host.replace(/^\[|\]$/g, ''), layer, where }]
  if (match?.[2] !== undefined) settings.push({ key: 'goosefs.master.rpc.port', text: match[2], layer, where })
  return settings
}

/** `-D` definitions as settings. */
export function flagSettings(definitions: Readonly<Record<string, string>>): Setting[] {
  return Object.entries(definitions).map(([key, text]) => ({ key, text, layer: 'flag', where: '-D' }))
}

/** The last setting of each key. @throws SkeinError invalid_argument for an unknown key, naming it, its place and the nearest known key */
export function mergeSettings(settings: readonly Setting[]): Map<string, Setting> {
  const merged = new Map<string, Setting>()
  for (const setting of settings) {
    if (definitionOf(setting.key) === undefined) {
      const message = `${setting.where}: unknown key '${shortened(setting.key, 200)}'; the nearest known key is '${nearestKey(setting.key)}'`
      throw new SkeinError('invalid_argument', message, { reason: reasonOf(setting.layer) })
    }
    merged.set(setting.key, setting)
  }
  return merged
}

/** A message about one setting: the place, the key, what is wrong. */
export function settingError(setting: Setting | undefined, key: string, problem: string): SkeinError {
  const where = setting === undefined ? '' : `${setting.where}: `
  return new SkeinError('invalid_argument', `${where}${key}: ${shortened(problem, 500)}`, { reason: reasonOf(setting?.layer) })
}

/** A line is read by people, whatever was written into a file. */
function shortened(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max / 2)}...${text.slice(-max / 4)}`
}

/** `usage` for what was typed with the command, `config` for the rest. */
function reasonOf(layer: ValueLayer | undefined): string {
  return layer === 'flag' ? 'usage' : 'config'
}
