// Why: the one way to a Config. How: reads the files that a configuration may come from, puts the
// layers in order, and leaves the rest to resolve-config.ts. The only file of config/ that touches
// the disk.
import { type Stats, statSync } from 'node:fs'
import { availableParallelism, homedir, hostname, totalmem } from 'node:os'
import { join, resolve } from 'node:path'
import { SkeinError } from '../base/errors.ts'
import { realPathOf } from '../base/files/real-path.ts'
import { readTextFile } from '../base/files/text-file.ts'
import type { Config, ConfigMode, ValueSource } from './config.ts'
import { addressSettings, environmentSettings, flagSettings, mergeSettings, type Setting } from './layers.ts'
import { parseProperties } from './properties.ts'
import { homeOf, type Machine, resolveConfig } from './resolve-config.ts'
import { definitionOf, schema } from './keys/schema.ts'

export interface ConfigInput {
  readonly mode: ConfigMode
  /** Keys and values given with -D. */
  readonly definitions: Readonly<Record<string, string>>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** Default: this machine. */
  readonly machine?: Machine
}

/** Of one properties file. */
const fileBytesMax = 1024 * 1024
/** A later one wins over an earlier one. */
const siteFiles = ['goosefs-site.properties', 'skein-site.properties']

/**
 * The environment: a key in capitals with underscores, `GOOSEFS_MASTER_HOSTNAME`
 * (environment-names.ts). Defaults < profile < site file < `<home>/skein.json` (clients only) <
 * environment < -D. Site files are `<home>/conf/{goosefs,skein}-site.properties`, or those of
 * `SKEIN_CONF` (a file or a directory).
 * @throws SkeinError invalid_argument (reason `usage` for -D, else `config`) naming the place, the
 *   key and the nearest known key
 */
export function loadConfig(input: ConfigInput): Config {
  const { settings, warnings, machine } = gather(input)
  return resolveConfig(settings, input.mode, machine, warnings)
}

/** One key as a configuration has it. */
export interface KeyValue {
  readonly key: string
  /**
   * Undefined: no value, or one that is worked out (`meaning` says how). Secrets are never shown.
   */
  readonly value: string | undefined
  readonly meaning: string
  readonly source: ValueSource
}

/** Every key that has an effect, or is set, by name. @throws as loadConfig */
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
  const files = readSiteFiles(home, input.environment['SKEIN_CONF'], machine.cwd)
  const profilePath = lastOf([...files, ...typed], 'skein.profile')
  const profile = profilePath === undefined ? [] : readProperties(resolve(machine.cwd, profilePath), 'profile')
  const running =
    input.mode === 'client' ? readRunning(homeOf(lastOf([...files, ...typed], 'skein.home'), machine), typed) : []
  return { settings: [...profile, ...files, ...running, ...environment, ...flags], warnings, machine }
}

/**
 * The file that `skein local` leaves in its home, so that clients find it:
 * `{"master":"host:port",...}`.
 */
export function runningFile(home: string): string {
  return join(home, 'skein.json')
}

function thisMachine(): Machine {
  // A container's own limit, where there is one below the machine's memory.
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

/** Whoever takes a directory that cannot be looked at says what is wrong with it. */
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
    throw new SkeinError('invalid_argument', `SKEIN_CONF: there is no file or directory ${path}`, { reason: 'config' })
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

/** Undefined: there is nothing. */
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

/**
 * The master's address of a running `skein local`, unless somebody named one in the environment or
 * with -D.
 */
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
  throw new SkeinError(
    'invalid_argument',
    `${path} holds no master address; remove it or start \`skein local\` again`,
    {
      reason: 'config',
    },
  )
}
