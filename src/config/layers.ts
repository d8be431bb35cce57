// Why: a value may come from five sources, and a message must name the source. How: each source
// becomes a list of settings, and a later one overrides: defaults < profile < site file <
// skein.json < environment < -D.
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
  /** One line per variable that looks like a key but is ignored. */
  readonly warnings: readonly string[]
}

/**
 * The settings of the environment: each key by its name in capitals, and `SKEIN_MASTER`, which has
 * precedence.
 */
export function environmentSettings(environment: Readonly<Record<string, string | undefined>>): EnvironmentSettings {
  const settings: Setting[] = []
  const warnings: string[] = []
  // Both spellings are in use. The lower-case one has precedence, as in other programs.
  for (const [variable, key] of proxyVariables) {
    for (const name of [variable, variable.toLowerCase()]) {
      const text = environment[name] ?? ''
      if (text !== '') settings.push({ key, text, layer: 'env', where: name })
    }
  }
  for (const [name, text] of Object.entries(environment).sort(([one], [other]) => (one < other ? -1 : 1))) {
    if (text === undefined || text === '' || ownNames.has(name) || !isOurName(name)) continue
    const key = keyOfName(name)
    // Never show the values: they may be secrets of other programs.
    if (key === undefined) warnings.push(`${name}: ignored, because no key has this environment name`)
    else if (isServiceAddress(text))
      warnings.push(`${name}: ignored, because its value is a service address and not a value of ${key}`)
    else settings.push({ key, text, layer: 'env', where: name })
  }
  const master = environment['SKEIN_MASTER']
  if (master !== undefined && master !== '') settings.push(...addressSettings(master, 'env', 'SKEIN_MASTER'))
  return { settings, warnings }
}

/**
 * Converts `host:port`, `[::1]:port` or `host` to the two keys of the master.
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
 * The last setting of each key.
 * @throws SkeinError invalid_argument for an unknown key, with its source and the nearest known key
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

/** The error for a setting: the source, the key and the problem. */
export function settingError(setting: Setting | undefined, key: string, problem: string): SkeinError {
  const where = setting === undefined ? '' : `${setting.where}: `
  return new SkeinError('invalid_argument', `${where}${key}: ${shortened(problem, 500)}`, {
    reason: reasonOf(setting?.layer),
  })
}

/** Shortens a text of any length for a message. */
function shortened(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max / 2)}...${text.slice(-max / 4)}`
}

/** `usage` for -D, `config` for all other sources. */
function reasonOf(layer: ValueLayer | undefined): string {
  return layer === 'flag' ? 'usage' : 'config'
}
