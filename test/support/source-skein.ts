// Why: torture and load tests want a whole Skein in one process that they can kill, with a client
// beside it, and no build. How: `skein local` from the sources as a child, its ports picked by the
// system, in a folder of its own.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../src/config/read-config.ts'
import { connectCluster } from '../../src/client/connect.ts'
import type { Cluster } from '../../src/client/cluster.ts'
import { type Child, startChild } from './child.ts'
import { freePortProperties } from './local-skein.ts'
import type { Origin } from './origin/server.ts'
import { testCredential } from './origin/stores.ts'

const never = new AbortController().signal

export class SourceSkein {
  readonly folder: string
  readonly home: string
  readonly definitions: Readonly<Record<string, string>>
  #child: Child | undefined
  #cluster: Cluster | undefined

  constructor(name: string, properties: Readonly<Record<string, string>>) {
    this.folder = mkdtempSync(join(tmpdir(), `skein-${name}-`))
    this.home = join(this.folder, 'home')
    mkdirSync(this.home)
    this.definitions = {
      ...freePortProperties,
      'skein.home': this.home,
      'skein.ufs.allowPrivateEndpoints': 'true',
      ...properties,
    }
  }

  get logFile(): string {
    return join(this.folder, 'local.log')
  }

  get cluster(): Cluster {
    if (this.#cluster === undefined) throw new Error('skein is not running')
    return this.#cluster
  }

  /** Starts it, or starts it again, and waits for its ready line. */
  async start(): Promise<void> {
    const script = join(import.meta.dirname, '../torture/support/worker-skein-child.ts')
    this.#child = startChild(process.execPath, [script, JSON.stringify(this.definitions)], { logFile: this.logFile })
    await this.#child.line((line) => (line.startsWith('{"ready"') ? line : undefined), 60_000)
    this.#cluster = connectCluster(
      loadConfig({ mode: 'client', definitions: { 'skein.home': this.home }, environment: {} }),
    )
  }

  /** @returns the exit code */
  async stop(signal: NodeJS.Signals): Promise<number | null> {
    this.#cluster?.close()
    this.#cluster = undefined
    const child = this.#child
    this.#child = undefined
    await child?.end(signal)
    return (await child?.ended) ?? null
  }

  async createNamespace(name: string, origin: Origin, bucket: string): Promise<void> {
    const { accessKeyId, secretAccessKey } = testCredential
    await this.cluster.master().createNamespace(
      {
        name,
        uri: `s3://${bucket}/`,
        attributes: { 's3.endpoint': origin.url, 's3.region': 'us-east-1', 's3.forcePathStyle': 'true' },
        secrets: { 's3.accessKeyId': accessKeyId, 's3.secretAccessKey': secretAccessKey },
      },
      { signal: never },
    )
  }

  async dispose(): Promise<void> {
    await this.stop('SIGKILL')
    if (process.env['SKEIN_KEEP'] === undefined) rmSync(this.folder, { recursive: true, force: true })
  }
}
