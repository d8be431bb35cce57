// Why: documentation goes stale where nothing holds it to the code. How: each rule takes pages and
// returns one line a violation, so that the test can run it over the real pages and over planted
// ones.
import { CommanderError } from 'commander'
import { splitArguments } from '../../src/cli/frame/global-options.ts'
import { commandTree } from '../../src/cli/program.ts'
import { definitionOf } from '../../src/config/keys/schema.ts'
import { codeBlocks, commandLines, simpleCommands } from '../support/documented-commands.ts'

export interface Page {
  /** From the repository's root, such as `docs/cli.md`. */
  readonly path: string
  readonly text: string
}

/** Most lines of a page. */
export const linesMax: Readonly<Record<string, number>> = { 'README.md': 150, 'ARCHITECTURE.md': 200 }

export function lengthViolations(pages: readonly Page[]): string[] {
  return pages.flatMap(({ path, text }) => {
    const lines = text.trimEnd().split('\n').length
    const max = linesMax[path] ?? Number.POSITIVE_INFINITY
    return lines > max ? [`${path}: ${lines} lines, ${max} at most`] : []
  })
}

/**
 * Relative links and anchors that lead nowhere. @param exists whether the repository has a file or
 * folder
 */
export function linkViolations(pages: readonly Page[], exists: (path: string) => boolean): string[] {
  const anchors = new Map(pages.map(({ path, text }) => [path, anchorsOf(text)]))
  return pages.flatMap(({ path, text }) =>
    linksOf(text).flatMap((link) => {
      if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return []
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? path : joined(path, decodeURI(file))
      if (!exists(target)) return [`${path}: ${link} leads to no file`]
      const known = anchors.get(target)
      return anchor === undefined || known === undefined || known.has(anchor)
        ? []
        : [`${path}: ${link} leads to no heading`]
    }),
  )
}

/** Commands of `skein` in code blocks that the command line would not take. */
export async function commandViolations(pages: readonly Page[]): Promise<string[]> {
  const found: string[] = []
  for (const { path, text } of pages)
    for (const { line, words } of skeinCommands(text)) {
      const problem = await problemOf(words.slice(1))
      if (problem !== undefined) found.push(`${path}:${line}: ${words.join(' ')}: ${problem}`)
    }
  return found
}

/**
 * Names of commands and options in the text (`fs rm --cacheOnly`, `skein job ls`) that the command
 * line does not have.
 */
export async function spanViolations(pages: readonly Page[]): Promise<string[]> {
  const program = await commandTree()
  const everywhere = ['-D', '--home', '--format', '--debug', '--help']
  return pages.flatMap(({ path, text }) =>
    [...withoutCode(text).matchAll(/`([^`\n]+)`/g)].flatMap(([, span = '']) => {
      const words = span.split(/ +/)
      const isNamed = words[0] === 'skein' || words[0] === 'goosefs'
      const [groupName = '', name = '', ...more] = isNamed ? words.slice(1) : words
      const group = program.commands.find((one) => one.name() === groupName)
      if (group === undefined)
        return isNamed && /^[a-z]/i.test(groupName) ? [`${path}: \`${span}\`: there is no command ${groupName}`] : []
      if (!/^[a-z][a-zA-Z]*$/.test(name) || group.commands.length === 0) return []
      const command = group.commands.find((one) => one.name() === name)
      if (command === undefined) return [`${path}: \`${span}\`: there is no command ${groupName} ${name}`]
      const end = more.findIndex((word) => word === '--' || word === '|')
      const known = [...everywhere, ...command.options.flatMap(({ long, short }) => [long, short])]
      return (end < 0 ? more : more.slice(0, end))
        .map((word) =>
          word
            .replace(/^[[(]/, '')
            .replace(/[\])]$/, '')
            .replace(/=.*/, ''),
        )
        .filter((word) => /^--?[a-zA-Z]/.test(word) && !known.includes(word) && !word.startsWith('-D'))
        .map((word) => `${path}: \`${span}\`: ${groupName} ${name} has no option ${word}`)
    }),
  )
}

/** Stands last, so that an entry which a merge has put at the end is seen. */
const changelogEnd = '<!-- New entries go under [Unreleased]. -->'

/**
 * What departs from the form of Keep a Changelog: headings, their order, entries that stand twice.
 */
export function changelogViolations({ path, text }: Page): string[] {
  const found = text.trimEnd().endsWith(changelogEnd)
    ? []
    : [
        `${path}: the last line must be ${changelogEnd} (a merge may have put entries, or a whole older text, ` +
          'behind it)',
      ]
  const versions: string[] = []
  const entries = new Set<string>()
  let kinds = new Set<string>()
  for (const [index, line] of text.split('\n').entries()) {
    const at = `${path}:${index + 1}`
    const title = /^#+ (.*)$/.exec(line)?.[1]
    if (line.startsWith('# ') && index > 0) found.push(`${at}: a second title`)
    else if (line.startsWith('## ')) {
      const version = /^\[(Unreleased|\d+\.\d+\.\d+)\](?: - \d{4}-\d\d-\d\d)?$/.exec(title ?? '')?.[1]
      if (version === undefined || (version === 'Unreleased') !== (versions.length === 0))
        found.push(`${at}: ${line} is no version here`)
      versions.push(version ?? '')
      kinds = new Set()
    } else if (line.startsWith('### ')) {
      if (!changeKinds.has(title ?? '') || kinds.has(title ?? ''))
        found.push(`${at}: ${line} is no kind of change here`)
      kinds.add(title ?? '')
    } else if (line.startsWith('- ')) {
      if (kinds.size === 0) found.push(`${at}: an entry without a heading such as ### Added`)
      if (entries.has(line)) found.push(`${at}: the entry stands twice`)
      entries.add(line)
    }
  }
  return found
}

const changeKinds: ReadonlySet<string> = new Set(['Added', 'Changed', 'Deprecated', 'Removed', 'Fixed', 'Security'])

/** Paragraphs of more than so many characters that two pages have. */
const repeatedMin = 200

export function repetitionViolations(pages: readonly Page[]): string[] {
  const first = new Map<string, string>()
  return pages.flatMap(({ path, text }) =>
    paragraphsOf(text).flatMap((paragraph) => {
      const before = first.get(paragraph)
      if (before === undefined) first.set(paragraph, path)
      return before === undefined || before === path ? [] : [`${path} repeats ${before}: ${paragraph.slice(0, 60)}...`]
    }),
  )
}

/** Every command of `skein` in a page's code blocks. */
export function skeinCommands(text: string): { readonly line: number; readonly words: readonly string[] }[] {
  return codeBlocks(text).flatMap((block) =>
    commandLines(block).flatMap((command) =>
      simpleCommands(command.text)
        .map((words) => words.slice(words.findIndex((word) => !/^\w+=/.test(word))))
        .filter(([name = '']) => /^(?:scripts\/)?(?:skein|goosefs)$/.test(name))
        .map((words) => ({ line: command.line, words })),
    ),
  )
}

async function problemOf(words: readonly string[]): Promise<string | undefined> {
  try {
    const { options, rest } = splitArguments(words)
    const unknown = Object.keys(options.definitions).find((key) => definitionOf(key) === undefined)
    if (unknown !== undefined) return `there is no key ${unknown}`
    const separator = rest.indexOf('--')
    if (rest[0] === 'schedule' && separator >= 0) {
      await accept(rest.slice(0, separator))
      const load = rest.slice(separator + 1)
      return await problemOf(load[0] === 'fs' ? load : ['fs', 'distributedLoad', ...load])
    }
    await accept(rest)
    return undefined
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return undefined
    return thrown instanceof Error ? thrown.message : String(thrown)
  }
}

/** Parses and runs nothing. */
async function accept(words: readonly string[]): Promise<void> {
  const program = await commandTree()
  for (const command of [...program.commands, ...program.commands.flatMap((group) => group.commands)])
    if (command.commands.length === 0) command.action(() => undefined)
  await program.parseAsync([...words], { from: 'user' })
}

function withoutCode(text: string): string {
  return text.replaceAll(/^\s*```[^]*?^\s*```/gm, '')
}

function linksOf(text: string): string[] {
  const prose = withoutCode(text).replaceAll(/`[^`\n]+`/g, '')
  const markdown = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)]
  const references = [...prose.matchAll(/^\[[^\]]+\]:\s+(\S+)/gm)]
  const html = [...prose.matchAll(/\b(?:src|srcset|href)="([^"]+)"/g)]
  return [...markdown, ...references, ...html].map(([, target = '']) => target)
}

/** As GitHub makes them of headings. */
function anchorsOf(text: string): Set<string> {
  const counts = new Map<string, number>()
  const headings = [...withoutCode(text).matchAll(/^#{1,6} +(.+?) *#*$/gm)].map(([, title = '']) => {
    const plain = title.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').replaceAll(/[`*]/g, '')
    const slug = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
    const count = counts.get(slug) ?? 0
    counts.set(slug, count + 1)
    return count === 0 ? slug : `${slug}-${count}`
  })
  const named = [...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, name = '']) => name)
  return new Set([...headings, ...named])
}

function paragraphsOf(text: string): string[] {
  return withoutCode(text)
    .split(/\n\s*\n|\n(?=\s*(?:[-*|]|\d+\.) ?)/)
    .map((paragraph) =>
      paragraph
        .replaceAll(/\s+/g, ' ')
        .replace(/^ ?(?:[-*]|\d+\.) /, '')
        .trim(),
    )
    .filter((paragraph) => paragraph.length > repeatedMin)
}

function joined(from: string, relative: string): string {
  const parts = from.split('/').slice(0, -1)
  for (const step of relative.split('/')) {
    if (step === '..') parts.pop()
    else if (step !== '.' && step !== '') parts.push(step)
  }
  return parts.join('/')
}
