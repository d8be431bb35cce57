// Why: a value may come from five places, and a message about it must say which. How: each place
// becomes a list of settings; a later one wins: defaults < profile < site file < skein.json <
// environment < -D.
import { SkeinError } from '../base/errors.ts'
import type { ValueLayer } from './config.ts'
import { isOurName, isServiceAddress, keyOfName, ownNames } from './keys/environment-names.ts'
import { definitionOf, nearestKey } from './keys/schema.ts'

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

export interface EnvironmentSettings {
  readonly settings: readonly Setting[]
  /** One line for each variable that looks like one of ours and is passed over. */
  readonly warnings: readonly string[]
}

/**
 * What the environment says: each key by its name in capitals, and `SKEIN_MASTER`, which is
 * stronger.
 */
export function environmentSettings(environment: Readonly<Record<string, string | undefined>>): EnvironmentSettings {
  const settings: Setting[] = []
  const warnings: string[] = []
  // Both spellings are in use; the lower one is the older, and wins as it does elsewhere.
  for (const [variable, key] of proxyVariables) {
    for (const name of [variable, variable.toLowerCase()]) {
      const text = environment[name] ?? ''
      if (text !== '') settings.push({ key, text, layer: 'env', where: name })
    }
  }
  for (const [name, text] of Object.entries(environment).sort(([one], [other]) => (one < other ? -1 : 1))) {
    if (text === undefined || text === '' || ownNames.has(name) || !isOurName(name)) continue
    const key = keyOfName(name)
    // The values may be anybody's secrets.
    if (key === undefined) warnings.push(`${name}: passed over, no key has this name in the environment`)
    else if (isServiceAddress(text))
      warnings.push(`${name}: passed over, its value is the address of a service and not one of ${key}`)
    else settings.push({ key, text, layer: 'env', where: name })
  }
  const master = environment['SKEIN_MASTER']
  if (master !== undefined && master !== '') settings.push(...addressSettings(master, 'env', 'SKEIN_MASTER'))
  return { settings, warnings }
}

/**
 * The two master keys out of `host:port`, `[::1]:port` or `host`.
 * @throws SkeinError invalid_argument for anything else
 */
export function addressSettings(address: string, layer: ValueLayer, where: string): Setting[] {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[^:\s/]+)(?::(\d{1,5}))?$/.exec(address)
  const host = match?.[1]
  if (host === undefined || Number(match?.[2] ?? 0) > 65_535) {
    throw new SkeinError('invalid_argument', `${where}: '${address}' is not an address: write host:port`, {
      reason: reasonOf(layer),
    })
  }
  const settings: Setting[] = [{ key: 'goosefs.master.hostname', text: host.replace(/^\[|\]$/g, ''), layer, where }]
  if (match?.[2] !== undefined) settings.push({ key: 'goosefs.master.rpc.port', text: match[2], layer, where })
  return settings
}

/** `-D` definitions as settings. */
export function flagSettings(definitions: Readonly<Record<string, string>>): Setting[] {
  return Object.entries(definitions).map(([key, text]) => ({ key, text, layer: 'flag', where: '-D' }))
}

/**
 * The last setting of each key. @throws SkeinError invalid_argument for an unknown key, naming it,
 * its place and the nearest known key
 */
export function mergeSettings(settings: readonly Setting[]): Map<string, Setting> {
  const merged = new Map<string, Setting>()
  for (const setting of settings) {
    if (definitionOf(setting.key) === undefined) {
      const message =
        `${setting.where}: unknown key '${shortened(setting.key, 200)}'; ` +
        `the nearest known key is '${nearestKey(setting.key)}'`
      throw new SkeinError('invalid_argument', message, { reason: reasonOf(setting.layer) })
    }
    merged.set(setting.key, setting)
  }
  return merged
}

/** A message about one setting: the place, the key, what is wrong. */
export function settingError(setting: Setting | undefined, key: string, problem: string): SkeinError {
  const where = setting === undefined ? '' : `${setting.where}: `
  return new SkeinError('invalid_argument', `${where}${key}: ${shortened(problem, 500)}`, {
    reason: reasonOf(setting?.layer),
  })
}

/** A line is read by people, whatever was written into a file. */
function shortened(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max / 2)}...${text.slice(-max / 4)}`
}

/** `usage` for what was typed with the command, `config` for the rest. */
function reasonOf(layer: ValueLayer | undefined): string {
  return layer === 'flag' ? 'usage' : 'config'
}
