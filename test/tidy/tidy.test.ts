// Why: the layer table, the form and the names hold because this fails when they do not; and each
// rule is shown a planted violation, since a rule that cannot fail guards nothing.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'
import { formRules } from './form-rules.ts'
import { rules as houseRules, type SourceFile } from './rules.ts'
import { subRoomRules } from './sub-rooms.ts'

const root = join(import.meta.dirname, '../..')

function sourceFiles(folder: string, names = /\.ts$/): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && names.test(entry.name) && !entry.parentPath.includes('generated'))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path: relative(root, path), text: readFileSync(path, 'utf8') }))
}

const rules = { ...houseRules, ...subRoomRules, ...formRules }
const header = '// Why: planted.\n'
const planted: Readonly<Record<keyof typeof rules, readonly SourceFile[]>> = {
  layerViolations: [{ path: 'src/meta/state.ts', text: `${header}import { open } from '../wire/channel.ts'\n` }],
  compositionViolations: [{ path: 'src/cli/fs/x.ts', text: `${header}import { a } from '../../process/stores.ts'\n` }],
  rawServiceViolations: [
    { path: 'src/cli/fs/x.ts', text: `${header}const { cluster } = await openTarget(context, text)\n` },
  ],
  subRoomViolations: [{ path: 'src/block/disk/x.ts', text: `${header}import { a } from '../tier/a.ts'\n` }],
  folderViolations: Array.from({ length: 17 }, (_, index) => ({ path: `src/meta/${index}.ts`, text: header })),
  baseNameViolations: [
    { path: 'src/meta/same.ts', text: header },
    { path: 'src/load/same.ts', text: header },
  ],
  circleViolations: [
    { path: 'src/meta/a.ts', text: `${header}import type { B } from './b.ts'\n` },
    { path: 'src/meta/b.ts', text: `${header}import { a } from './a.ts'\n` },
  ],
  heavyDependencyViolations: [{ path: 'src/load/load.ts', text: `${header}const m = await import('bullmq')\n` }],
  lineLengthViolations: [{ path: 'src/meta/wide.ts', text: `${header}const wide = ${'1'.repeat(120)}\n` }],
  sizeViolations: [{ path: 'src/meta/long.ts', text: header + 'x\n'.repeat(350) }],
  medianViolations: [{ path: 'src/meta/middle.ts', text: header + 'x\n'.repeat(120) }],
  nameViolations: [{ path: 'src/base/utils.ts', text: header }],
  headerViolations: [{ path: 'src/base/x.ts', text: 'export const x = 1\n' }],
  clockViolations: [{ path: 'src/load/x.ts', text: `${header}const now = Date.now()\n` }],
  leakViolations: [{ path: 'src/load/x.ts', text: `${header}const home = '/home/me'\n` }],
}

describe('tidy', () => {
  const files = sourceFiles('src')
  const tests = sourceFiles('test').filter((file) => !file.path.startsWith('test/tidy/'))

  it('reads a tree that is there', () => {
    expect(files.length).toBeGreaterThan(30)
  })

  for (const [name, rule] of Object.entries(rules)) {
    it(`src has no ${name}`, () => {
      expect(rule(files)).toEqual([])
    })
    it(`a planted violation is caught by ${name}`, () => {
      expect(rule(planted[name as keyof typeof rules])).toHaveLength(1)
    })
  }

  it('a newcomer finds in the tree every file that wayfinding.md names', () => {
    const named = [...readFileSync(join(import.meta.dirname, 'wayfinding.md'), 'utf8').matchAll(/`(src\/[^`]+)`/g)]
    const paths = named.map(([, path = '']) => path)
    expect(paths.length).toBeGreaterThanOrEqual(20)
    expect(paths.filter((path) => !files.some((file) => file.path === path))).toEqual([])
  })

  it('test has no leaks and no import circles', () => {
    expect([...rules.leakViolations(tests), ...rules.circleViolations(tests)]).toEqual([])
  })

  const form = (['test', 'scripts'] as const).flatMap((folder) => sourceFiles(folder, /\.(?:ts|mjs|sh)$/))

  it('test and scripts have no line and no file that is too long', () => {
    expect(form.length).toBeGreaterThan(200)
    expect([...rules.lineLengthViolations(form), ...rules.sizeViolations(form)]).toEqual([])
  })

  it.each([
    ['test/unit/long.test.ts', 'x\n'.repeat(450), 0],
    ['test/unit/long.test.ts', 'x\n'.repeat(451), 1],
    ['scripts/long.ts', 'x\n'.repeat(451), 1],
  ])('%s: its own size counts (%#)', (path, text, count) => {
    expect(rules.sizeViolations([{ path, text }])).toHaveLength(count)
  })

  it.each([
    ['a comment', `// ${'x'.repeat(98)}`, 1],
    ['a comment in a block', ` * ${'x'.repeat(98)}`, 1],
    ['a comment in a shell script', `# ${'x'.repeat(99)}`, 1],
    ['a private method', `  #method(${'x'.repeat(100)}): void {`, 0],
    ['a private generator', `  *#method(${'x'.repeat(100)}): void {`, 0],
    ['code', `const x = ${'1'.repeat(110)}`, 0],
    ['code', `const x = ${'1'.repeat(111)}`, 1],
  ])('%s has its own width (%#)', (_what, text, count) => {
    expect(rules.lineLengthViolations([{ path: 'src/meta/x.ts', text }])).toHaveLength(count)
  })
})
