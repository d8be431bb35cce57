// Why: what the WebHDFS port gives, beside the S3 port on the same files. How: see door-case.ts.
// Clients of Hadoop follow a redirect for each file, and so does the client here.
import type { DoorCase, DoorSetup } from './door-case.ts'
import { downloadAll } from './http-load.ts'

export function webHdfsCases({ addresses, pid, large, largeBytes }: DoorSetup): Promise<DoorCase[]> {
  const { webhdfs = '', s3 = '' } = addresses
  const opens = large.map((name) => `http://${webhdfs}/webhdfs/v1/data/${name}?op=OPEN`)
  const gets = large.map((name) => `http://${s3}/data/${name}`)
  return Promise.resolve([
    {
      ...{ name: `WebHDFS OPEN of ${largeBytes / 1024 ** 2} MiB files`, unit: 'GiB' },
      amount: (large.length * largeBytes) / 1024 ** 3,
      ways: [
        { name: 'webhdfs', pids: [pid], run: () => downloadAll(opens) },
        { name: 's3', pids: [pid], run: () => downloadAll(gets) },
      ],
      goal: { way: 's3', ratio: 0.6 },
    },
  ])
}
