// Why: `skein fs leader | masterInfo`: scripts ask which master leads. How: there is one; it is
// asked, so that the answer is one of a master that runs. Shapes: Alluxio 2.9's LeaderCommand and
// MasterInfoCommand.
import type { Command } from 'commander'
import { type CommandContext, openCluster, writeResult } from '../frame/context.ts'

export function addCommands(parent: Command, context: CommandContext): void {
  parent
    .command('leader')
    .description('print the host of the master')
    .action(async () => {
      const address = await runningMaster(context)
      const host = address.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
      writeResult(context, { host, address }, host)
    })
  parent
    .command('masterInfo')
    .description('print the address of the master')
    .action(async () => {
      const address = await runningMaster(context)
      writeResult(context, { leader: address, masters: [address] }, masterInfoText(address))
    })
}

/** @throws SkeinError unavailable */
async function runningMaster(context: CommandContext): Promise<string> {
  const cluster = await openCluster(context)
  await cluster.master().getClusterSummary({}, { signal: context.signal })
  return cluster.address
}

function masterInfoText(address: string): string {
  return `Current leader master: ${address}\nAll masters: [${address}]`
}
