// Why: what a compose file promises is only known when its own words are run. How: reads the part
// of YAML that such a file is written in (maps and lists by indentation, lists in brackets, plain
// and quoted words, one anchor) and refuses all else, so that a file that says more than this
// understands fails its test instead of being half run.

type Value = string | readonly Value[] | { readonly [key: string]: Value }

export interface ComposeService {
  readonly name: string
  readonly entrypoint: readonly string[]
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Volume or path, by the directory in the container. */
  readonly volumes: Readonly<Record<string, string>>
  readonly dependsOn: readonly string[]
}

export interface ComposeFile {
  /** In the file's order. */
  readonly services: readonly ComposeService[]
  /** Command lines in the comments at its head, from the word after `docker compose`. */
  readonly commandLines: readonly (readonly string[])[]
}

interface Line {
  readonly indent: number
  readonly text: string
}

export function parseCompose(text: string): ComposeFile {
  const lines = text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trim().startsWith('#'))
    .map((line) => ({ indent: line.length - line.trimStart().length, text: line.trim() }))
  const anchors = new Map<string, Value>()
  const top = asMap(block(lines, anchors))
  const services = Object.entries(asMap(top['services'] ?? {})).map(([name, value]) => serviceOf(name, asMap(value)))
  const comments = text.split('\n').filter((line) => line.startsWith('#'))
  const joined = comments
    .map((line) => line.slice(1).trim())
    .join('\n')
    .replaceAll(/\\\n/g, ' ')
  const commandLines = joined
    .split('\n')
    .filter((line) => line.startsWith('docker compose '))
    .map((line) => line.split(/\s+/).slice(2))
  return { services, commandLines }
}

function serviceOf(name: string, map: Readonly<Record<string, Value>>): ComposeService {
  return {
    name,
    entrypoint: asWords(map['entrypoint'] ?? []),
    command: asWords(map['command'] ?? []),
    environment: Object.fromEntries(
      Object.entries(asMap(map['environment'] ?? {})).map(([key, value]) => [key, asWord(value)]),
    ),
    volumes: Object.fromEntries(
      asWords(map['volumes'] ?? []).map((word) => word.split(':', 2).toReversed() as [string, string]),
    ),
    dependsOn: asWords(map['depends_on'] ?? []),
  }
}

/** A map or a list of lines that are indented alike. */
function block(lines: Line[], anchors: Map<string, Value>): Value {
  const indent = lines[0]?.indent ?? 0
  const items: Value[] = []
  const map: Record<string, Value> = {}
  while (lines[0]?.indent === indent) {
    const { text } = lines.shift() as Line
    if (text.startsWith('- ')) {
      items.push(scalar(text.slice(2)))
      continue
    }
    const [, key = '', rest = ''] = /^([\w.<-]+):\s*(.*)$/.exec(text) ?? []
    if (key === '') throw new Error(`compose file: cannot read '${text}'`)
    if (key === '<<') Object.assign(map, anchors.get(rest.replace(/^\*/, '')) ?? unknown(rest))
    else map[key] = valueOf(rest, indent, lines, anchors)
  }
  if ((lines[0]?.indent ?? 0) > indent) throw new Error(`compose file: cannot read '${lines[0]?.text}'`)
  return items.length > 0 ? items : map
}

function valueOf(rest: string, indent: number, lines: Line[], anchors: Map<string, Value>): Value {
  if (rest !== '' && !rest.startsWith('&')) return rest.startsWith('[') ? flow(rest) : scalar(rest)
  if ((lines[0]?.indent ?? 0) <= indent) return {}
  if (lines[0]?.text === '[') return flow(untilClosed(lines))
  const value = block(lines, anchors)
  if (rest.startsWith('&')) anchors.set(rest.slice(1), value)
  return value
}

function untilClosed(lines: Line[]): string {
  let text = ''
  while (lines.length > 0 && !text.endsWith(']')) text += ` ${(lines.shift() as Line).text}`
  return text.trim()
}

function flow(text: string): Value {
  if (!text.endsWith(']')) throw new Error(`compose file: cannot read '${text}'`)
  return [...text.slice(1, -1).matchAll(/'[^']*'|[^,\s][^,]*/g)].map(([word]) => scalar(word.trim()))
}

function scalar(text: string): string {
  if (/^'[^']*'$/.test(text)) return text.slice(1, -1)
  if (/^[&*"{|>!]|\s#/.test(text)) throw new Error(`compose file: cannot read '${text}'`)
  return text
}

function unknown(name: string): never {
  throw new Error(`compose file: there is no anchor ${name}`)
}

function asMap(value: Value): Readonly<Record<string, Value>> {
  if (typeof value === 'string' || Array.isArray(value))
    throw new Error(`compose file: ${JSON.stringify(value)} is no map`)
  return value as Readonly<Record<string, Value>>
}

function asWord(value: Value): string {
  if (typeof value !== 'string') throw new Error(`compose file: ${JSON.stringify(value)} is no word`)
  return value
}

function asWords(value: Value): readonly string[] {
  if (!Array.isArray(value)) throw new Error(`compose file: ${JSON.stringify(value)} is no list`)
  return value.map(asWord)
}
