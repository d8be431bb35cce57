// Why: the README's tables of keys and metrics are those of their definitions, word for word. `npm run document` writes it; test/tidy checks that nobody forgot.
// Usage: node update-readme.ts [--check]
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { documentKeys } from '../src/config/document.ts'
import { documentMetrics } from '../src/telemetry/document.ts'

const path = join(import.meta.dirname, '../README.md')
const before = readFileSync(path, 'utf8')
const after = withSection(withSection(before, 'keys', documentKeys()), 'metrics', documentMetrics())

function withSection(text: string, name: string, content: string): string {
  const pattern = new RegExp(`(<!-- ${name}:begin -->\\n)[^]*?(<!-- ${name}:end -->)`)
  return text.replace(pattern, (_all, begin: string, end: string) => `${begin}${content}\n${end}`)
}

if (process.argv.includes('--check')) {
  if (after !== before) {
    console.error('README.md: a table of keys or metrics is out of date: run npm run document')
    process.exit(1)
  }
} else {
  writeFileSync(path, after)
}
