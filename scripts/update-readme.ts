// Why: the README's table of keys is the schema's, word for word. `npm run document` writes it; test/tidy checks that nobody forgot.
// Usage: node update-readme.ts [--check]
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { documentKeys } from '../src/config/document.ts'

const path = join(import.meta.dirname, '../README.md')
const before = readFileSync(path, 'utf8')
const after = before.replace(
  /(<!-- keys:begin -->\n)[^]*?(<!-- keys:end -->)/,
  (_all, begin: string, end: string) => `${begin}${documentKeys()}\n${end}`,
)
if (process.argv.includes('--check')) {
  if (after !== before) {
    console.error('README.md: the table of keys is out of date: run npm run document')
    process.exit(1)
  }
} else {
  writeFileSync(path, after)
}
