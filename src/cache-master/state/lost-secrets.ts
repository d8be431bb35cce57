// Why: secrets are gone for good with the key that sealed them, and all else of a state must not
// be. How: a master that is told that its key is lost marks what the present key does not open: a
// sealed value of no bytes. Whoever needs such a secret is told to set it anew, and by that it has
// a value again.
import type { Clock } from '../../base/clock.ts'
import { SkeinError } from '../../base/errors.ts'
import type { NamespaceRecord, Tables } from '../../meta/meta-tables.ts'
import type { Logger } from '../../telemetry/logger.ts'
import type { Log } from './recent-changes.ts'
import type { SecretSealing } from './secret-sealing.ts'

/** Marks every secret that cannot be opened. */
export async function markLostSecrets(
  log: Pick<Log, 'submit'>,
  tables: Tables,
  sealing: SecretSealing,
  clock: Clock,
  logger: Logger,
): Promise<void> {
  let namespaces = 0
  for (const record of [...tables.namespaces()]) {
    const closed = Object.entries(record.sealedSecrets).filter(
      ([field, value]) => !sealing.opens(record.id, field, value),
    )
    if (closed.length === 0) continue
    const { id: namespaceId, version, attributes } = record
    const marks = Object.fromEntries(closed.map(([field]) => [field, new Uint8Array()]))
    const sealedSecrets = { ...record.sealedSecrets, ...marks }
    await log.submit({ type: 'update_namespace', atMs: clock.nowMs(), namespaceId, version, attributes, sealedSecrets })
    logger.warn('secrets of a namespace are lost: set them anew with ns update', {
      namespace: record.name,
      secrets: Object.keys(marks),
    })
    namespaces += 1
  }
  logger.warn('skein.master.secret.key.lost is set: take it away again', { namespacesWithLostSecrets: namespaces })
}

/** Names of the secrets that are lost. */
export function lostSecretsOf({ sealedSecrets }: Pick<NamespaceRecord, 'sealedSecrets'>): string[] {
  const lost = Object.entries(sealedSecrets).filter(([, value]) => value.length === 0)
  return lost.map(([field]) => field).sort()
}

/** What is said to who needs one. */
export function secretsLost(name: string, lost: readonly string[]): SkeinError {
  const flags = lost.map((field) => ` --secret-file ${field}=PATH`).join('')
  const message =
    `the secrets of /${name} were lost with the master's secret.key: ` +
    `set them anew with 'skein ns update ${name}${flags}'`
  return new SkeinError('failed_precondition', message, { reason: 'secrets_lost' })
}
