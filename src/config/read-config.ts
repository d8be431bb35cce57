// Why: the only way to load a Config. How: reads the configuration files and orders the layers;
// resolve-config.ts does the rest. No other file in config/ accesses the disk.
import { readdirSync, type Stats, statSync } from 'node:fs'
import { availableParallelism, homedir, hostname, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { SkeinError } from '../base/errors.ts'
import { realPathOf } from '../base/files/real-path.ts'
import { readTextFile } from '../base/files/text-file.ts'
import type { Config, ConfigMode, ValueSource } from './config.ts'
import {
  addressSettings,
  environmentSettings,
  flagSettings,
  mergeSettings,
  type Setting,
  settingError,
} from './layers.ts'
import { parseProperties } from './properties.ts'
import { homeOf, type Machine, resolveConfig } from './resolve-config.ts'
import { definitionOf, schema } from './keys/schema.ts'

export interface ConfigInput {
  readonly mode: ConfigMode
  /** Keys and values from -D. */
  readonly definitions: Readonly<Record<string, string>>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Default: this machine. */
  readonly machine?: Machine
  /** A properties file in place of the site files. */
  readonly siteFile?: string
}

/** Maximum size of a properties file. */
const fileBytesMax = 1024 * 1024
const profileDirectory = join(import.meta.dirname, '../../tuning/profiles')
const profileEnding = '.properties'
/** A later file overrides an earlier one. */
const siteFiles = ['goosefs-site.properties', 'skein-site.properties']

/**
 * Loads the configuration. Precedence: defaults < profile < site file < `<home>/skein.json`
 * (clients only) < environment < -D. Environment names are keys in capitals with underscores,
 * `GOOSEFS_MASTER_HOSTNAME` (environment-names.ts). Site files are
 * `<home>/conf/{goosefs,skein}-site.properties`, or those of `SKEIN_CONF` (a file or a directory).
 * @throws SkeinError invalid_argument (reason `usage` for -D, otherwise `config`) with the source,
 *   the key and the nearest known key
 */
export function loadConfig(input: ConfigInput): Config {
  const { settings, warnings, machine } = gather(input)
  return resolveConfig(settings, input.mode, machine, warnings)
}

/** The value of a key in a configuration. */
export interface KeyValue {
  readonly key: string
  /** Undefined: no value, or a computed one, which `meaning` describes. Secrets are never shown. */
  readonly value: string | undefined
  readonly meaning: string
  readonly source: ValueSource
}

/** Every key that has an effect or is set, by name. @throws see loadConfig */
export function describeConfig(input: ConfigInput): KeyValue[] {
  loadConfig(input)
  const merged = mergeSettings(gather(input).settings)
  const keys = Object.keys(schema).filter(
    (key) => !key.includes('{x}') && (definitionOf(key)?.unused !== true || merged.has(key)),
  )
  return [...new Set([...keys, ...merged.keys()])].toSorted().map((key) => keyValue(key, merged.get(key), input.mode))
}

function keyValue(key: string, setting: Setting | undefined, mode: ConfigMode): KeyValue {
  const definition = definitionOf(key)
  const usual = (mode === 'local' ? definition?.localDefault : undefined) ?? definition?.default
  const value = setting?.text ?? usual
  const source: ValueSource =
    setting === undefined ? { layer: 'default', where: '' } : { layer: setting.layer, where: setting.where }
  return {
    key,
    value: definition?.kind === 'secret' && value !== undefined ? '[redacted]' : value,
    meaning: definition?.defaultDoc ?? '',
    source,
  }
}

function gather(input: ConfigInput): {
  readonly settings: Setting[]
  readonly warnings: readonly string[]
  readonly machine: Machine
} {
  const machine = input.machine ?? thisMachine()
  const { settings: environment, warnings } = environmentSettings(input.environment)
  const flags = flagSettings(input.definitions)
  const typed = [...environment, ...flags]
  const home = homeOf(lastOf(typed, 'skein.home'), machine)
  const files =
    input.siteFile === undefined
      ? readSiteFiles(home, input.environment['SKEIN_CONF'], machine.cwd)
      : readProperties(resolve(machine.cwd, input.siteFile), 'file')
  const profile = readProfile(
    [...files, ...typed].findLast(({ key }) => key === 'skein.profile'),
    machine.cwd,
  )
  const running =
    input.mode === 'client' ? readRunning(homeOf(lastOf([...files, ...typed], 'skein.home'), machine), typed) : []
  return { settings: [...profile, ...files, ...running, ...environment, ...flags], warnings, machine }
}

/**
 * The file in the home of a `skein local`, by which clients find it: `{"master":"host:port",...}`.
 */
export function runningFile(home: string): string {
  return join(home, 'skein.json')
}

export function thisMachine(): Machine {
  // The limit of a container, if it is below the memory of the machine.
  const memoryBytes = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)
  return {
    homeDirectory: homedir(),
    hostname: hostname(),
    cpus: availableParallelism(),
    cwd: process.cwd(),
    memoryBytes,
    realPath,
  }
}

/** The profiles of this package, by name. */
export function profileNames(): string[] {
  if (lookAt(profileDirectory) === undefined) return []
  return readdirSync(profileDirectory)
    .filter((name) => name.endsWith(profileEnding))
    .map((name) => name.slice(0, -profileEnding.length))
    .toSorted()
}

/** @param chosen the name of a profile of this package, or the path of a properties file */
function readProfile(chosen: Setting | undefined, cwd: string): Setting[] {
  if (chosen === undefined) return []
  const { text } = chosen
  const names = profileNames()
  if (names.includes(text)) return readProperties(join(profileDirectory, `${text}${profileEnding}`), 'profile')
  const path = resolve(cwd, text)
  if (text === '' || (!text.includes('/') && lookAt(path) === undefined))
    throw settingError(
      chosen,
      'skein.profile',
      `'${text}' is neither a file nor one of the profiles ${names.join(', ')}`,
    )
  return readProperties(path, 'profile')
}

/** Resolves links. The user of an unreadable directory reports the problem. */
function realPath(path: string): string {
  try {
    return realPathOf(path).path
  } catch {
    return path
  }
}

function lastOf(settings: readonly Setting[], key: string): string | undefined {
  return settings.findLast((setting) => setting.key === key)?.text
}

function readSiteFiles(home: string, conf: string | undefined, cwd: string): Setting[] {
  if (conf === undefined || conf === '') return readDirectory(join(home, 'conf'))
  const path = resolve(cwd, conf)
  const stat = lookAt(path)
  if (stat === undefined)
    throw new SkeinError('invalid_argument', `SKEIN_CONF: no such file or directory: ${path}`, { reason: 'config' })
  return stat.isDirectory() ? readDirectory(path) : readProperties(path, 'file')
}

function readDirectory(directory: string): Setting[] {
  return siteFiles
    .map((name) => join(directory, name))
    .filter((path) => lookAt(path) !== undefined)
    .flatMap((path) => readProperties(path, 'file'))
}

function readProperties(path: string, layer: 'profile' | 'file'): Setting[] {
  return parseProperties(readText(path), path).map(({ key, value, line }) => ({
    key,
    text: value,
    layer,
    where: `${path}:${line}`,
  }))
}

function readText(path: string): string {
  return reading(path, () => readTextFile(path, fileBytesMax, unreadable))
}

function unreadable(message: string): SkeinError {
  return new SkeinError('invalid_argument', message, { reason: 'config' })
}

/** Undefined: does not exist. */
function lookAt(path: string): Stats | undefined {
  return reading(path, () => statSync(path, { throwIfNoEntry: false }))
}

function reading<T>(path: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof SkeinError) throw cause
    throw new SkeinError('invalid_argument', `cannot read ${path}: ${(cause as Error).message}`, {
      reason: 'config',
      cause,
    })
  }
}

/** The master address of a running `skein local`, unless the environment or -D sets one. */
function readRunning(home: string, typed: readonly Setting[]): Setting[] {
  const path = runningFile(home)
  if (typed.some(({ key }) => key.startsWith('goosefs.master.hostname') || key.startsWith('goosefs.master.rpc.')))
    return []
  if (lookAt(path) === undefined) return []
  const text = readText(path)
  try {
    const { master } = JSON.parse(text) as { master?: unknown }
    if (typeof master === 'string') return addressSettings(master, 'skein.json', path)
  } catch {
    // Falls through to the message below.
  }
  throw new SkeinError('invalid_argument', `${path} has no master address; remove it or start \`skein local\` again`, {
    reason: 'config',
  })
}
