// Why: docs/goosefs.md says of each command of GooseFS and Alluxio whether it is here; that must be
// so. How: the table's data against the tree of commands, both ways.
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { comparedCommands, ownCommands } from '../../../src/cli/compared-commands.ts'
import { commandTree } from '../../../src/cli/program.ts'

const tree = await commandTree()

function found(words: string): Command | undefined {
  return words
    .split(' ')
    .reduce<Command | undefined>(
      (parent, word) => parent?.commands.find((one) => one.name() === word || one.aliases().includes(word)),
      tree,
    )
}

/** `fs help` and `ns help` come from the library of the command line. */
const isHelp = (command: string): boolean => command.endsWith(' help')
const isThere = comparedCommands.filter(({ state, command }) => state !== 'no' && !isHelp(command))

describe('the commands of GooseFS and Alluxio', () => {
  it.each(isThere)('$command is here, and each of its options, or the note names it', (one) => {
    const command = found(one.here ?? one.command)
    expect(command).toBeDefined()
    const flags = command?.options.flatMap(({ short, long }) => [short, long]) ?? []
    const named = new Set(one.note.split(/[\s`,]+/))
    const missing = one.options.filter((option) => !flags.includes(option))
    expect(missing.filter((option) => !named.has(option))).toEqual([])
    // What is here is not called missing.
    const missed = [...one.note.matchAll(/No (`[^.:;]*`)/g)].flatMap(([, list = '']) => list.match(/--?[\w-]+/g) ?? [])
    expect(missed.filter((option) => flags.includes(option))).toEqual([])
    if (one.state === 'same') expect(missing).toEqual([])
    else expect(one.note).not.toBe('')
  })

  const isAbsent = comparedCommands.filter(({ state }) => state === 'no')
  it.each(isAbsent)('$command is not here, and the note says why', (one) => {
    expect(found(one.command)).toBeUndefined()
    expect(one.note).not.toBe('')
  })

  it.each(['fs', 'ns'])('%s help is here', (group) => {
    expect(
      found(group)
        ?.createHelp()
        .visibleCommands(found(group)!)
        .map((one) => one.name()),
    ).toContain('help')
  })

  it('each command stands once', () => {
    const names = comparedCommands.map(({ command }) => command)
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([])
  })

  it('names each command of these groups that is here', () => {
    const listed = new Set([...comparedCommands.map(({ command, here }) => here ?? command), ...ownCommands])
    const groups = ['fs', 'ns', 'job', 'fsadmin']
    const ours = groups.flatMap((group) => found(group)?.commands.map((one) => `${group} ${one.name()}`) ?? [])
    expect(ours.length).toBeGreaterThan(50)
    expect(ours.filter((command) => !listed.has(command))).toEqual([])
    expect(ownCommands.filter((command) => found(command) === undefined)).toEqual([])
  })

  it('commands that are documented here name commands that are here', () => {
    const spans = comparedCommands.flatMap(({ note }) => [...note.matchAll(/`((?:fs|ns|job|fsadmin) \w+)[^`]*`/g)])
    expect(spans.length).toBeGreaterThan(10)
    for (const [, words = ''] of spans) expect(found(words), words).toBeDefined()
  })
})
