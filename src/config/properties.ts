// Why: GooseFS sites are configured by Java properties files, which Skein reads unchanged. How: the
// format of java.util.Properties.load (comments, continued lines, escapes). Each entry keeps its
// line number for messages.
import { SkeinError } from '../base/errors.ts'

export interface PropertyEntry {
  readonly key: string
  /** Without surrounding blanks (GooseFS trims values, too). */
  readonly value: string
  /** The first line of the entry, from 1. */
  readonly line: number
}

/**
 * Parses a properties file. The entries are in order, and a key may occur twice.
 * @throws SkeinError invalid_argument for an invalid `\u` escape, with `file:line`
 */
export function parseProperties(text: string, file: string): PropertyEntry[] {
  return logicalLines(text).map(({ content, line }) => {
    const end = separatorAt(content)
    const rest = content.slice(end).replace(/^[ \t\f]*[=:]?[ \t\f]*/, '')
    const where = `${file}:${line}`
    return { key: unescape(content.slice(0, end), where), value: unescape(rest, where).trim(), line }
  })
}

interface LogicalLine {
  readonly content: string
  readonly line: number
}

/**
 * Joins lines that end in an odd number of backslashes with the next one. Drops comments and empty
 * lines.
 */
function logicalLines(text: string): LogicalLine[] {
  const natural = text.split(/\r\n|\n|\r/)
  const lines: LogicalLine[] = []
  for (let index = 0; index < natural.length; index += 1) {
    const line = index + 1
    let content = (natural[index] ?? '').replace(/^[ \t\f]+/, '')
    if (content === '' || content.startsWith('#') || content.startsWith('!')) continue
    // Join all pieces at the end: a file may be one line with many continuations.
    const pieces: string[] = []
    while (endsInOddBackslashes(content)) {
      pieces.push(content.slice(0, -1))
      index += 1
      content = (natural[index] ?? '').replace(/^[ \t\f]+/, '')
    }
    lines.push({ content: pieces.join('') + content, line })
  }
  return lines
}

function endsInOddBackslashes(text: string): boolean {
  let start = text.length
  while (start > 0 && text[start - 1] === '\\') start -= 1
  return (text.length - start) % 2 === 1
}

/** The end of the key: the first unescaped `=`, `:` or blank. */
function separatorAt(content: string): number {
  for (let index = 0; index < content.length; index += 1) {
    const character = content[index] ?? ''
    if (character === '\\') index += 1
    else if ('=: \t\f'.includes(character)) return index
  }
  return content.length
}

const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' }

function unescape(text: string, where: string): string {
  return text.replace(/\\(u[0-9A-Fa-f]{4}|u|[^u])/g, (_, escaped: string) => {
    if (escaped === 'u')
      throw new SkeinError('invalid_argument', `${where}: \\u must be followed by four hexadecimal digits`)
    if (escaped.startsWith('u')) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16))
    return escapes[escaped] ?? escaped
  })
}
