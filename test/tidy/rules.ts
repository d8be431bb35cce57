// Why: the house's rules as data and pure functions, so that the tidy test can run them over the
// real tree and over planted violations. How: each rule takes the tree's files and returns one line
// a violation.

export interface SourceFile {
  /** From the repository's root, such as `src/base/errors.ts`. */
  readonly path: string
  readonly text: string
}

/**
 * What each room may import beside itself; nothing else. `process` and `cli` see the rooms that
 * they compose.
 */
export const layers: Readonly<Record<string, readonly string[]>> = {
  base: [],
  config: ['base'],
  tuning: ['base', 'config'],
  telemetry: ['base'],
  wire: ['base', 'telemetry'],
  ufs: ['base', 'telemetry'],
  block: ['base', 'telemetry'],
  journal: ['base', 'telemetry'],
  queue: ['base', 'telemetry'],
  meta: ['base'],
  load: ['base'],
  client: ['base', 'config', 'telemetry', 'wire', 'block', 'ufs'],
  gateway: ['base', 'config', 'telemetry', 'wire', 'client'],
  fuse: ['base', 'telemetry', 'client'],
  'goosefs-rpc': ['base', 'telemetry', 'wire', 'client'],
  'cache-master': ['base', 'telemetry', 'wire', 'ufs', 'journal', 'meta'],
  'cache-worker': ['base', 'telemetry', 'wire', 'ufs', 'block', 'client'],
  'job-master': ['base', 'telemetry', 'wire', 'journal', 'queue', 'load', 'client'],
  'job-worker': ['base', 'telemetry', 'wire', 'queue', 'ufs', 'load', 'client'],
  process: [
    'base',
    'config',
    'telemetry',
    'wire',
    'ufs',
    'block',
    'journal',
    'queue',
    'meta',
    'load',
    'client',
    'cache-master',
    'cache-worker',
    'job-master',
    'job-worker',
    'gateway',
    'fuse',
    'goosefs-rpc',
  ],
  cli: ['base', 'config', 'tuning', 'wire', 'ufs', 'client', 'fuse', 'process'],
}

/** Heavy dependencies and the only files that may import them. */
export const heavyDependencies: Readonly<Record<string, readonly string[]>> = {
  bullmq: ['src/queue/bullmq-queue.ts', 'src/queue/bullmq-schedule-timer.ts'],
  ioredis: ['src/queue/bullmq-queue.ts', 'src/queue/bullmq-schedule-timer.ts'],
  croner: ['src/load/schedule/schedule-times.ts'],
  '@grpc/grpc-js': ['src/wire/rpc/grpc.ts'],
  '@aws-sdk/client-s3': ['src/ufs/s3/request/sdk-requests.ts'],
  lmdb: ['checked-tables.ts', 'lmdb-state.ts', 'lmdb-walk.ts', 'state-check-child.ts'].map(
    (name) => `src/journal/state/${name}`,
  ),
  commander: ['src/cli/'],
}

const bannedNames = /(?:^|[/-])(?:utils?|common|helpers?|manager|impl|misc|index)(?:\.ts$|\/|-)/
const importPattern =
  /(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s+'([^']+)'|import\(\s*'([^']+)'\s*\)|(?:^|\n)\s*import\s+'([^']+)'/g
const clockPattern = /\b(?:Date\.now\(|Math\.random\(|setTimeout\(|setInterval\(|new Date\(\))/

export function importsOf(file: SourceFile): string[] {
  return [...file.text.matchAll(importPattern)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
}

/** The path of a relative import from the repository's root. */
export function resolved(from: string, specifier: string): string {
  const parts = from.split('/').slice(0, -1)
  for (const step of specifier.split('/')) {
    if (step === '..') parts.pop()
    else if (step !== '.') parts.push(step)
  }
  return parts.join('/')
}

function roomOf(path: string): string | undefined {
  const [top, room, rest] = path.split('/')
  return top === 'src' && rest !== undefined ? room : undefined
}

export function layerViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const room = roomOf(file.path)
    if (room === undefined) return []
    const allowed = layers[room]
    if (allowed === undefined) return [`${file.path}: '${room}' is no room of the house`]
    return importsOf(file)
      .filter((specifier) => specifier.startsWith('.'))
      .map((specifier) => roomOf(resolved(file.path, specifier)))
      .filter((other) => other !== undefined && other !== room && !allowed.includes(other))
      .map((other) => `${file.path}: '${room}' may not import '${other ?? ''}'`)
  })
}

/**
 * The command line reaches a cluster through `client` alone; only who starts a role composes one.
 */
export function compositionViolations(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => path.startsWith('src/cli/') && path !== 'src/cli/roles.ts')
    .filter((file) =>
      importsOf(file).some(
        (specifier) => specifier.startsWith('.') && roomOf(resolved(file.path, specifier)) === 'process',
      ),
    )
    .map(({ path }) => `${path}: of the command line only src/cli/roles.ts may import 'process'`)
}

const openPattern = /\b(?:openTargets?|openCluster)\b|\.connect\(/

/**
 * Commands on files know the client's file system only, as doors and programs do: what they need
 * and it cannot do is missing there for all.
 */
export function rawServiceViolations(files: readonly SourceFile[]): string[] {
  return files
    .filter(({ path }) => path.startsWith('src/cli/fs/'))
    .filter((file) => {
      const imported = importsOf(file).map((specifier) => resolved(file.path, specifier))
      const isRaw = imported.some((path) =>
        /^src\/(?:wire\/|client\/(?:cluster|connect|master-client)\.ts$)/.test(path),
      )
      return isRaw || openPattern.test(file.text)
    })
    .map(({ path }) => `${path}: commands on files use the file system of the client (openFiles), no service`)
}

/** Import circles between files, types included; each circle once. */
export function circleViolations(files: readonly SourceFile[]): string[] {
  const known = new Map(files.map((file) => [file.path, file]))
  const state = new Map<string, 'open' | 'done'>()
  const found: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      found.push(`import circle: ${[...trail.slice(trail.indexOf(path)), path].join(' -> ')}`)
      return
    }
    state.set(path, 'open')
    const file = known.get(path)
    for (const specifier of file === undefined ? [] : importsOf(file)) {
      const target = specifier.startsWith('.') ? resolved(path, specifier) : ''
      if (known.has(target)) visit(target, [...trail, path])
    }
    state.set(path, 'done')
  }
  for (const file of files) visit(file.path, [])
  return found
}

export function heavyDependencyViolations(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) =>
    importsOf(file).flatMap((specifier) => {
      const owner = Object.entries(heavyDependencies).find(
        ([name]) => specifier === name || specifier.startsWith(`${name}/`),
      )
      if (
        owner === undefined ||
        owner[1].some((place) => file.path === place || (place.endsWith('/') && file.path.startsWith(place)))
      )
        return []
      return [`${file.path}: only ${owner[1].join(', ')} may import '${owner[0]}'`]
    }),
  )
}

export function nameViolations(files: readonly SourceFile[]): string[] {
  return files.filter((file) => bannedNames.test(file.path)).map((file) => `${file.path}: a name that says nothing`)
}

/** A header comment says why each file is here. */
export function headerViolations(files: readonly SourceFile[]): string[] {
  return files
    .filter((file) => !/^(?:#![^\n]*\n)?\/\/ \S/.test(file.text))
    .map((file) => `${file.path}: no header comment`)
}

export function clockViolations(files: readonly SourceFile[]): string[] {
  return files
    .filter((file) => file.path.startsWith('src/') && file.path !== 'src/base/clock.ts')
    .flatMap((file) =>
      file.text
        .split('\n')
        .map((line, index) => ({ line, index }))
        .filter(({ line }) => clockPattern.test(line) && !/^\s*(?:\/\/|\*|\/\*)/.test(line))
        .map(({ index }) => `${file.path}:${index + 1}: time and chance come from base/clock.ts`),
    )
}

/** Words that belong to a workplace, not to the project. */
export function leakViolations(files: readonly SourceFile[]): string[] {
  const leak = /\/(?:home|root|Users)\/\w|\bTODO\b|\bFIXME\b/
  return files
    .filter((file) => leak.test(file.text))
    .map((file) => `${file.path}: names a machine's path or leaves a TODO`)
}

export const rules = {
  layerViolations,
  compositionViolations,
  rawServiceViolations,
  circleViolations,
  heavyDependencyViolations,
  nameViolations,
  headerViolations,
  clockViolations,
  leakViolations,
} satisfies Readonly<Record<string, (files: readonly SourceFile[]) => string[]>>
