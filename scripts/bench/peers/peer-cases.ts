// Why: people choose between Skein and other ways to get objects near their programs, some of which
// take too long, or too much room, for every run. How: the sets of the loads by all of them, each
// with its best flags: the AWS CLI, JuiceFS (a copy, and the warm-up of a mount), Alluxio. A peer
// that cannot be had is a line with the reason. scripts/bench/peers.sh installs them.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchCase, BenchWay, CaseDefinition } from '../harness/bench-case.ts'
import { measureProgram } from '../harness/bench-tools.ts'
import { amountOf, loadWay, setOf } from '../harness/load-cases.ts'
import { awsEnvironment, type Copy, copyOf, copyWay, downloadWays } from '../harness/peers.ts'
import { alluxioWay } from './alluxio-peer.ts'
import { juicefsSync, juicefsWarmup } from './juicefs-peer.ts'

function awsCopy({ tools, origin, url, isLarge }: Copy): BenchWay {
  return copyWay(tools, 'aws s3 cp', 'peer', ['aws'], async (program, folder) => {
    const config = join(tools.scratch, 'aws.ini')
    const workers = isLarge ? 16 : 32
    const queue = '  max_queue_size = 10000\n  addressing_style = path\n'
    const transfer = `  max_concurrent_requests = ${workers}\n${queue}`
    writeFileSync(config, `[default]\nregion = us-east-1\ns3 =\n${transfer}`)
    const environment = { ...awsEnvironment(origin), AWS_CONFIG_FILE: config, AWS_EC2_METADATA_DISABLED: 'true' }
    const words = ['--endpoint-url', url, 's3', 'cp', '--recursive', '--only-show-errors']
    return await measureProgram(program, [...words, `s3://${origin.bucket}/`, folder], environment)
  })
}

export const peerCases: readonly CaseDefinition[] = ['large', 'small', 'tiny'].map((name) => ({
  name: `peers-${name}`,
  what: `the set ${name}, by everything that can be had`,
  runsMax: 1,
  prepare: async (tools): Promise<BenchCase> => {
    const { count, size } = setOf(name)
    const origin = await tools.origin(count, size)
    const copy = copyOf(tools, origin)
    const goal = name === 'large' ? [] : [{ way: 'skein', beside: 'Alluxio distributedLoad', ratio: 10 }]
    return {
      ...amountOf(origin),
      ways: [
        ...[loadWay(tools, origin), ...downloadWays(tools, origin)],
        ...[awsCopy(copy), juicefsSync(copy), juicefsWarmup(copy), alluxioWay(copy)],
      ],
      note:
        'JuiceFS warms up from its own chunks in a folder, so without HTTP. Alluxio: master, worker, job master and ' +
        'job worker are started before, as Skein is.',
      goals: goal,
    }
  },
}))
