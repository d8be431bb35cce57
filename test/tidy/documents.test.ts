// Why: links, commands and lengths of the documentation hold because this fails when they do not;
// and each rule is shown planted violations, since a rule that cannot fail guards nothing.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  changelogViolations,
  commandViolations,
  lengthViolations,
  linkViolations,
  type Page,
  repetitionViolations,
  skeinCommands,
  spanViolations,
} from './document-rules.ts'

const root = join(import.meta.dirname, '../..')
const pages: readonly Page[] = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  ...globSync('docs/**/*.md', { cwd: root }),
].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
/** Pages whose blocks are typed; the usages of docs/cli.md are no commands. */
const typed = pages.filter(({ path }) => path !== 'docs/cli.md')

function planted(...texts: readonly string[]): Page[] {
  return texts.map((text, index) => ({ path: `docs/planted-${index}.md`, text }))
}
const block = (...lines: readonly string[]): string => `# Page\n\n\`\`\`console\n${lines.join('\n')}\n\`\`\`\n`

describe('documentation', () => {
  it('is read', () => {
    expect(pages.length).toBeGreaterThan(6)
    expect(typed.flatMap(({ text }) => skeinCommands(text)).length).toBeGreaterThan(30)
  })

  it('has no link that leads nowhere', () => {
    expect(linkViolations(pages, (path) => existsSync(join(root, path)))).toEqual([])
  })

  it('has no command that the command line would refuse', async () => {
    expect(await commandViolations(typed)).toEqual([])
  })

  it('names no command or option in its text that does not exist', async () => {
    expect(await spanViolations(pages)).toEqual([])
  })

  it('has a changelog of the usual form', () => {
    expect(pages.filter(({ path }) => path === 'CHANGELOG.md').flatMap(changelogViolations)).toEqual([])
  })

  it('has no paragraph twice', () => {
    expect(repetitionViolations(pages)).toEqual([])
  })

  it('has no page that is too long', () => {
    expect(lengthViolations(pages)).toEqual([])
  })
})

describe('a planted violation is caught', () => {
  it('a link to no file or to no heading', () => {
    const text =
      '# One `two`, three\n\n' +
      '[a](../src) [b](#one-two-three) [c](planted-0.md#one-two-three) [d](https://x.y/z) `[e](no.md)`\n'
    const exists = (path: string): boolean => ['src', 'docs/planted-0.md'].includes(path)
    expect(linkViolations(planted(text), exists)).toEqual([])
    const broken = planted('# One\n\n[a](no.md) [b](#two) [c](planted-0.md#two) <img src="images/no.svg">\n')
    expect(linkViolations(broken, exists)).toHaveLength(4)
    const fenced = planted('```\n# in code\n```\n\n[a](#in-code)\n')
    expect(linkViolations(fenced, exists)).toHaveLength(1)
  })

  it.each([
    ['an unknown command', 'skein fs lss /a'],
    ['an unknown group', 'skein files ls'],
    ['an unknown option', '$ skein fs distributedLoad /a --replicas 2'],
    ['an argument too many', 'skein fs stat /a /b'],
    ['an argument too few', 'skein fs stat > out'],
    ['an unknown key', 'skein worker -Dgoosefs.worker.no.such.key=1'],
    ['a wrong format', 'skein fs ls /a --format yaml'],
    ['an option of the load of a schedule', "skein schedule create n --cron '0 2 * * *' -- /a --replicas 2"],
    ['a command in a pipe', 'cat list | skein fs distributedLoad --indexx - /a'],
    ['a command behind a variable', 'SKEIN_HOME=/h skein fs lss /a'],
    ['a continued command', 'skein fs distributedLoad /a \\\n    --replicas 2'],
  ])('%s', async (_name, text) => {
    expect(await commandViolations(planted(block(text)))).toHaveLength(1)
  })

  it('and nothing else is', async () => {
    const good = [
      "skein fs distributedLoad '/a/{0..9}.tar' /b --include '*.tar' > out 2>&1  # why not | --x",
      "skein schedule create n --cron '0 2 * * *' -- /a --replication 2",
      'skein ns create a s3://b \\',
      '    --attribute s3.region=x',
      'skein job progress <id> --watch 2>/dev/null | head -1 && skein worker ' +
        '-Dgoosefs.worker.tieredstore.level0.dirs.path=/a,/b &',
      'echo skein fs lss',
    ]
    expect(await commandViolations(planted(block(...good)))).toEqual([])
    expect(skeinCommands(block(...good))).toHaveLength(5)
  })

  it('output in a block with prompts is no command', async () => {
    expect(await commandViolations(planted(block('$ skein job ls', 'skein fs lss')))).toEqual([])
  })

  it('a name in the text that does not exist, and no other', async () => {
    const good =
      '`fs rm [-R] --cacheOnly` `skein job ls` `skein --help` `ns` `job progress ID --watch --format json` ' +
      '`skein worker -Da=b` `fs/x`\n'
    expect(await spanViolations(planted(good))).toEqual([])
    expect(
      await spanViolations(planted('`fs remove` `skein jobs ls` `fs rm --cache-only` `ns update --force`\n')),
    ).toHaveLength(4)
  })

  it('a changelog that is out of form', () => {
    const end = '<!-- New entries go under [Unreleased]. -->\n'
    const changelog = (...lines: readonly string[]): string[] =>
      changelogViolations({ path: 'CHANGELOG.md', text: [...lines, end].join('\n') })
    expect(
      changelog('# Changelog', '## [Unreleased]', '## [0.2.0] - 2026-01-31', '### Added', '- a', '### Fixed', '- b'),
    ).toEqual([])
    expect(changelog('# Changelog', '## [Unreleased]', '- a')).toHaveLength(1)
    expect(
      changelog('# Changelog', end, '- a').length + changelogViolations({ path: 'x', text: '# Changelog\n' }).length,
    ).toBe(2)
    expect(changelog('# Changelog', '## 0.2.0 - unreleased')).toHaveLength(1)
    expect(changelog('# Changelog', '## [Unreleased]', '### New', '- a', '### Added', '- a')).toHaveLength(2)
    expect(changelog('# Changelog', '## [Unreleased]', '### Added', '### Added', '# Changes')).toHaveLength(2)
  })

  it('a paragraph in two pages, and not twice in one', () => {
    const paragraph = 'A sentence that is said more than once. '.repeat(6)
    expect(
      repetitionViolations(planted(paragraph, `# Other\n\n- ${paragraph.replaceAll('. ', '.\n  ')}`)),
    ).toHaveLength(1)
    expect(repetitionViolations(planted(`${paragraph}\n\n${paragraph}`))).toEqual([])
  })

  it('a README that is too long', () => {
    expect(lengthViolations([{ path: 'README.md', text: 'line\n'.repeat(151) }])).toHaveLength(1)
    expect(lengthViolations([{ path: 'README.md', text: 'line\n'.repeat(150) }])).toEqual([])
  })
})
