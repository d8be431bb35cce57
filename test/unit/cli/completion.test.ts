// Why: a completion script that is wrong is found out by users, at every key they press. How: the
// scripts are loaded into the real shells, and asked as the shells ask them. For zsh the builtins
// that draw a list print it instead.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { completionNodes } from '../../../src/cli/completion/completion-nodes.ts'
import { commandTree } from '../../../src/cli/program.ts'
import { run } from './support/harness.ts'

const folder = mkdtempSync(join(tmpdir(), 'skein-completion-'))

const bashAsk =
  'source ./skein.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _skein; ' +
  '[ "${#COMPREPLY[@]}" -eq 0 ] || printf "%s\\n" "${COMPREPLY[@]}"'
const zshAsk = `compdef() { : }
compadd() { shift; print -l -- $@ }
_describe() { local name=$argv[-1]; print -l -- \${(P)name%%:*} }
_files() { print -l -- *(N) }
compset() { [[ $words[CURRENT] == *=* ]] }
source ./skein.zsh; words=("$@"); CURRENT=$#words; _skein`

/**
 * What each shell offers for the last of the words. zsh narrows a list down after the script gave
 * it, so that is done here.
 */
const shells: Readonly<Record<string, (words: readonly string[]) => string[]>> = {
  bash: (words) => lines('bash', ['--norc', '-c', bashAsk, 'ask', ...words]),
  zsh: (words) => {
    const begun = (words.at(-1) ?? '').replace(/^.*=/, '')
    return lines('zsh', ['-f', '-c', zshAsk, 'ask', ...words]).filter((word) => word.startsWith(begun))
  },
  fish: (words) => {
    const line = words.map((word) => (word === '' ? '' : word.replaceAll(' ', String.raw`\ `))).join(' ')
    const offers = lines('fish', ['--no-config', '-c', 'source ./skein.fish; complete -C "$argv"', '--', line])
    return offers.map((offer) => (offer.split('\t')[0] ?? '').replace(/^--[^=]*=/, ''))
  },
}

function lines(shell: string, args: readonly string[]): string[] {
  const env = { PATH: process.env['PATH'], HOME: folder, XDG_CONFIG_HOME: folder }
  const text = execFileSync(shell, args, { cwd: folder, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  return text.split('\n').filter((line) => line !== '')
}

function isInstalled(shell: string): boolean {
  try {
    execFileSync(shell, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

beforeAll(async () => {
  for (const shell of Object.keys(shells)) {
    const { code, stdout } = await run(['completion', shell])
    expect(code).toBe(0)
    writeFileSync(join(folder, `skein.${shell}`), stdout)
  }
  for (const file of ['list.txt', 'two words.txt']) writeFileSync(join(folder, file), '')
  mkdirSync(join(folder, 'lower'))
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('there is no script for another shell', async () => {
  const { code, stdout, stderr } = await run(['completion', 'csh'])
  expect({ code, stdout }).toEqual({ code: 64, stdout: '' })
  expect(stderr).toContain('bash, zsh, fish')
})

for (const [shell, ask] of Object.entries(shells)) {
  const isThere = isInstalled(shell)
  if (!isThere) console.warn(`${shell} is not installed: its completion is not tested`)
  describe.skipIf(!isThere)(`completion in ${shell}`, () => {
    const sorted = (words: readonly string[]): string[] => ask(words).toSorted()

    it('offers groups, their commands and the beginnings of names', () => {
      expect(ask(['skein', ''])).toEqual(expect.arrayContaining(['fs', 'ns', 'local', 'completion', 'getConf']))
      expect(ask(['skein', 'fs', 'di'])).toEqual(['distributedLoad'])
      expect(ask(['skein', '--home', 'x', '-Da=b', 'fs', 'di'])).toEqual(['distributedLoad'])
    })

    it('offers the options of a command and those of every command', () => {
      const offered = ask(['skein', 'fs', 'distributedLoad', '/a', '--'])
      expect(offered).toEqual(expect.arrayContaining(['--replication', '--from-manifest', '--format', '--home']))
      expect(ask(['skein', 'fs', 'ls', '--'])).not.toContain('--replication')
    })

    it('offers the options of a load behind the -- of a schedule', () => {
      const words = ['skein', 'schedule', 'create', 'nightly', '--cron', 'x', '--', '/a']
      expect(ask([...words, '--repl'])).toEqual(expect.arrayContaining(['--replication']))
      expect(ask([...words, '--c'])).not.toContain('--catch-up')
    })

    it('offers the words that an option or an argument takes, and nothing else', () => {
      expect(sorted(['skein', 'fs', 'setTtl', '--action', ''])).toEqual(['delete', 'free'])
      expect(sorted(['skein', 'fs', 'setTtl', '--action=f'])).toEqual(['free'])
      expect(sorted(['skein', 'ns', 'ls', '--format', ''])).toEqual(['json', 'text'])
      expect(sorted(['skein', 'fsadmin', 'report', ''])).toEqual([
        'capacity',
        'jobservice',
        'metrics',
        'summary',
        'ufs',
      ])
      expect(sorted(['skein', 'completion', ''])).toEqual(['bash', 'fish', 'zsh'])
    })

    it('offers files where an option or an argument is a file, and only there', () => {
      expect(ask(['skein', 'fs', 'distributedLoad', '--manifest', 'li'])).toEqual(['list.txt'])
      expect(ask(['skein', 'fs', 'copyFromLocal', 'li'])).toEqual(['list.txt'])
      expect(ask(['skein', 'fs', 'copyFromLocal', 'tw']).map((name) => name.replaceAll('\\', ''))).toEqual([
        'two words.txt',
      ])
      expect(ask(['skein', 'fs', 'copyFromLocal', 'list.txt', 'li'])).toEqual([])
      expect(ask(['skein', 'fs', 'stat', 'li'])).toEqual([])
      expect(ask(['skein', 'fs', 'copyToLocal', '/a', 'li'])).toEqual(['list.txt'])
    })
  })
}

describe('completion in bash, every command', () => {
  it('knows each command with all of its options', async () => {
    const nodes = completionNodes(await commandTree())
    expect(nodes.length).toBeGreaterThan(60)
    for (const { path, commands, options } of nodes) {
      const words = path === '' ? [] : path.split(' ')
      const names = options.flatMap((option) => option.names)
      expect(shells['bash']?.(['skein', ...words, '-']), path).toEqual(expect.arrayContaining(names))
      const below = commands.map(({ name }) => name)
      expect(shells['bash']?.(['goosefs', ...words, '']), path).toEqual(expect.arrayContaining(below))
    }
  })

  it('takes = and : for parts of a word, as bash does not', () => {
    const ask = (...words: string[]) => shells['bash']?.(['skein', ...words])
    expect(ask('fs', 'setTtl', '--action', '=', 'f')).toEqual(['free'])
    expect(ask('ns', 'create', 'n', 's3', ':', '//b', '--secret-file', 'k', '=', 'li')).toEqual(['list.txt'])
    expect(ask('schedule', 'create', 'n', '--ready-by', '07', ':', '00', '--time')).toEqual(['--timezone'])
    expect(ask('schedule', 'create', 'n', '--cron', 'x', '--', '/a', '--repl')).toEqual(['--replication'])
    expect(ask('--home', 'lo')).toEqual(['lower'])
  })
})
