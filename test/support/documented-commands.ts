// Why: the commands in the documentation are read by people who type them; tests read them the same
// way. How: the code blocks of a page, the command lines in them with their continuations joined,
// and their words as a shell would split them. Pure.

export interface CodeBlock {
  /** `console`, `sh`, ... or empty. */
  readonly language: string
  /** Of the fence that opens it, from 1. */
  readonly line: number
  readonly lines: readonly string[]
  /** Of the comment `<!-- not run: reason -->` in front of it. */
  readonly notRun: string | undefined
}

export function codeBlocks(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = []
  let open: { language: string; line: number; lines: string[]; notRun: string | undefined; indent: string } | undefined
  let notRun: string | undefined
  for (const [index, line] of markdown.split('\n').entries()) {
    const fence = /^(\s*)```(\S*)/.exec(line)
    if (open !== undefined) {
      if (fence === null) open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line)
      else {
        blocks.push(open)
        open = undefined
      }
    } else if (fence !== null) {
      open = { language: fence[2] ?? '', line: index + 1, lines: [], notRun, indent: fence[1] ?? '' }
      notRun = undefined
    } else if (line.trim() !== '') {
      notRun = /^\s*<!-- not run: (.+) -->\s*$/.exec(line)?.[1]
    }
  }
  if (open !== undefined) throw new Error(`line ${open.line}: a code block is not closed`)
  return blocks
}

export interface CommandLine {
  /** As written, continuations joined, without a prompt. */
  readonly text: string
  /** Of the page, from 1. */
  readonly line: number
}

/**
 * The lines of a shell's block. In a `console` block only those behind a prompt; the others are
 * output.
 */
export function commandLines(block: CodeBlock): CommandLine[] {
  if (!['', 'sh', 'bash', 'console'].includes(block.language)) return []
  const hasPrompt = block.lines.some((line) => line.startsWith('$ '))
  const found: CommandLine[] = []
  let joined: { text: string; line: number } | undefined
  for (const [index, line] of block.lines.entries()) {
    const isBegin = joined === undefined
    if (isBegin && hasPrompt && !line.startsWith('$ ')) continue
    const text = isBegin ? line.replace(/^\$ /, '') : line.trim()
    if (isBegin && (text.trim() === '' || text.startsWith('#'))) continue
    joined = { text: (joined?.text ?? '') + text.replace(/\s*\\$/, ' '), line: joined?.line ?? block.line + 1 + index }
    if (line.endsWith('\\')) continue
    found.push(joined)
    joined = undefined
  }
  return found
}

/** Space, comments, operators, placeholders such as `<id>`, redirections, words. */
const tokens = new RegExp(
  [
    /\s+/,
    /#.*$/,
    /\|\||&&|[|;&]/,
    /\d?(?:>+|<+(?![a-z][\w-]*>))(?:&\d)?/,
    /(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|<[a-z][\w-]*>|[^\s|;&<>"'\\])+/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'gy',
)

/**
 * The simple commands of a line: what stands between `|`, `&&`, `||`, `;` and before a comment,
 * each as words.
 */
export function simpleCommands(text: string): string[][] {
  const commands: string[][] = [[]]
  let isSpace = true
  let isRedirected = false
  for (const [part] of text.matchAll(tokens)) {
    if (/^\s/.test(part)) {
      isSpace = true
      continue
    }
    if (part.startsWith('#') && isSpace) break
    isSpace = false
    if (/^(?:\|\||&&|[|;&])$/.test(part)) commands.push([])
    else if (/^\d?[<>]+(?:&\d)?$/.test(part)) isRedirected = !part.includes('&')
    else if (isRedirected) isRedirected = false
    else commands.at(-1)?.push(unquoted(part))
  }
  return commands.filter((words) => words.length > 0)
}

function unquoted(word: string): string {
  return word.replaceAll(
    /"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/g,
    (_all, double?: string, single?: string, escaped?: string) => {
      return double?.replaceAll(/\\(["\\$`])/g, '$1') ?? single ?? escaped ?? ''
    },
  )
}
