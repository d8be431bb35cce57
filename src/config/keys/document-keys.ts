// Why: docs/configuration.md is generated from the schema, so they always agree. Pure; the lint
// compares them.
import type { KeyDefinition, KeyTable } from './key-definition.ts'
import { schemaGroups } from './schema.ts'

/** The keys as markdown: a heading and a table per group. Ends in a newline. */
export function documentKeys(): string {
  return Object.entries<KeyTable>(schemaGroups)
    .map(([title, table]) => `### ${title}\n\n${isUnused(table) ? unusedTable(table) : keyTable(table)}`)
    .join('\n')
}

function isUnused(table: KeyTable): boolean {
  return Object.values(table).every((definition) => definition.unused === true)
}

function keyTable(table: KeyTable): string {
  const rows = Object.entries(table).map(
    ([name, definition]) =>
      `| \`${name}\` | ${defaultText(definition)} | ${kindText(definition)} | ${escape(definition.doc)} |\n`,
  )
  return `| key | default | value | meaning |\n|---|---|---|---|\n${rows.join('')}`
}

function unusedTable(table: KeyTable): string {
  const rows = Object.entries(table).map(([name, definition]) => `| \`${name}\` | ${escape(definition.doc)} |\n`)
  return `| key | why |\n|---|---|\n${rows.join('')}`
}

function defaultText(definition: KeyDefinition): string {
  const usual = definition.default === undefined ? escape(definition.defaultDoc ?? '-') : `\`${definition.default}\``
  return definition.localDefault === undefined
    ? usual
    : `${usual}; \`${definition.localDefault}\` under \`skein local\``
}

/** What a value looks like, in words. */
export function kindText(definition: KeyDefinition): string {
  const texts: Readonly<Record<KeyDefinition['kind'], string>> = {
    text: 'text',
    path: 'path',
    boolean: 'true or false',
    integer: 'whole number',
    number: 'number',
    port: 'port, 0 = any free',
    bytes: 'size',
    duration: 'duration',
    seconds: 'seconds',
    choice: (definition.values ?? []).map((value) => `\`${value}\``).join(', '),
    list: 'list',
    bytesList: 'list of sizes',
    secret: 'secret',
  }
  return texts[definition.kind]
}

function escape(text: string): string {
  return text.replaceAll('|', '\\|')
}
