// A separate process that walks the copy of a state (state-check.ts), because a damaged page may
// crash it. Arguments: the copy and, if not empty, a module whose `agreementOf` checks the
// consistency of the rows. Prints its findings as one line of JSON.
import { open, type Database } from 'lmdb'
import { pathToFileURL } from 'node:url'
import { numberOf, tableSeed, valueOf, type OrderedKey } from './checked-values.ts'
import { walkRoot } from './lmdb-walk.ts'
import type { AgreementOf, StateRows } from './state-check.ts'
import { checkedSuffix, type WalkResult } from './state-walk.ts'

const [path = '', agreement = ''] = process.argv.slice(2)
const mapBytes = 2 ** 40
const root = open({ path, noSubdir: true, maxDbs: 64, mapSize: mapBytes, readOnly: true })

type Opened = Database<Buffer, OrderedKey | Buffer> | undefined

function rowsOf<Key extends OrderedKey | Buffer, Value>(
  name: string,
  keyEncoding: 'ordered-binary' | 'binary',
  decode: (seed: number, key: Key, bytes: Buffer) => Value | undefined,
): StateRows<Key, Value> {
  const table = root.openDB<Buffer, OrderedKey | Buffer>({
    name: `${name}${checkedSuffix}`,
    encoding: 'binary',
    keyEncoding,
  }) as Opened
  const seed = tableSeed(name)
  return {
    get: (key) => {
      const bytes = table?.getBinaryFast(key)
      return bytes === undefined ? undefined : decode(seed, key, bytes)
    },
    *rows() {
      for (const { key, value } of table?.getRange({}) ?? []) {
        const decoded = decode(seed, key as Key, value)
        if (decoded !== undefined) yield { key: key as Key, value: decoded }
      }
    },
  }
}

async function check(): Promise<WalkResult> {
  const walked = walkRoot(root)
  if (agreement === '' || walked.findings.length > 0) return walked
  const { agreementOf } = (await import(pathToFileURL(agreement).href)) as { agreementOf: AgreementOf }
  const findings = agreementOf({
    bytes: <K extends OrderedKey>(name: string) => rowsOf<K, Buffer>(name, 'ordered-binary', valueOf),
    numbers: (name) => rowsOf<Buffer, number>(name, 'binary', numberOf),
    number: (name) => rowsOf<string, number>('state', 'ordered-binary', numberOf).get(name),
  })
  return { ...walked, findings }
}

const result = await check().catch((thrown: unknown): WalkResult => ({
  findings: [`the walk ended early: ${String(thrown)}`],
  rows: 0,
}))
process.stdout.write(JSON.stringify(result), () => process.exit(0))
