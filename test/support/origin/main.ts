// Why: the origin as a program, for the quickstart and for tests of whole processes.
//
//   node test/support/origin/main.ts --port 0 --access-key KEY --secret-key SECRET
//     [--session-token T] [--cos] [--domain localhost] [--seed 1]
//     --data demo=big/part-:8x64MiB --data demo=small/file-:2000x16KiB
//
// Prints one JSON line when it serves:
//
//   {"ready":"origin","url":"http://127.0.0.1:PORT","endpointSuffix":"localhost:PORT",
//    "buckets":{"demo":2008}}
import { parseArgs } from 'node:util'
import { parseBytes } from '../../../src/base/bytes.ts'
import { startOrigin } from './server.ts'

const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    'access-key': { type: 'string' },
    'secret-key': { type: 'string' },
    'session-token': { type: 'string' },
    domain: { type: 'string', default: 'localhost' },
    seed: { type: 'string', default: '1' },
    cos: { type: 'boolean', default: false },
    data: { type: 'string', multiple: true, default: [] },
  },
})
const accessKeyId = values['access-key']
const secretAccessKey = values['secret-key']
if (accessKeyId === undefined || secretAccessKey === undefined) {
  console.error('origin: --access-key and --secret-key are needed')
  process.exit(64)
}
const sessionToken = values['session-token']
const origin = await startOrigin({
  port: Number(values.port),
  domain: values.domain,
  seed: Number(values.seed),
  cos: values.cos,
  credentials: [{ accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) }],
})
const buckets: Record<string, number> = {}
for (const spec of values.data) {
  const match = /^([a-z0-9.-]+)=([^:]*):(\d+)x(\w+)$/.exec(spec)
  if (match === null) {
    console.error(`origin: '${spec}' is no data set: write bucket=prefix:COUNTxSIZE, such as demo=big/part-:8x64MiB`)
    process.exit(64)
  }
  const [, name = '', prefix = '', count = '', size = ''] = match
  origin.bucket(name).generateMany(prefix, Number(count), parseBytes(size))
  buckets[name] = (buckets[name] ?? 0) + Number(count)
}
console.log(JSON.stringify({ ready: 'origin', url: origin.url, endpointSuffix: origin.endpointSuffix, buckets }))
const stop = (): void => {
  void origin.close().then(() => process.exit(0))
}
process.once('SIGTERM', stop)
process.once('SIGINT', stop)
