// Why: who comes from GooseFS or Alluxio asks of each command that they know whether it is here.
// How: their documented commands as data, with what is said of each; docs/goosefs.md has them as
// tables, and a test holds them against the tree of commands. Sources: GooseFS's pages on caching,
// on namespaces (ns) and on tuning distributedLoad; Alluxio 2.9's pages User CLI and Admin CLI.

export interface ComparedCommand {
  /** Group and name, as they are typed there. */
  readonly command: string
  /** What is documented there, but for options that every command has. */
  readonly options: readonly string[]
  /** `same`, `differs` (see note), or `no` (see note). */
  readonly state: 'same' | 'differs' | 'no'
  /** The command here, where it has another name. */
  readonly here?: string
  /** Names each option that is not there. */
  readonly note: string
}

type Row = readonly [command: string, options: string, state: ComparedCommand['state'], note?: string, here?: string]

const oneMaster = 'There is one master'
const noTables = 'Skein has files, not tables. Load the directory of a table'
const neverWaits = 'The store is asked at each `ls -f`, `loadMetadata` and load'

const rows: readonly Row[] = [
  ['fs cat', '', 'same'],
  ['fs checkConsistency', '-r -t', 'differs', 'Also names files that nobody has all of. No `-t`'],
  ['fs checksum', '', 'same'],
  ['fs chgrp', '-R', 'differs', 'Stored and shown, not enforced'],
  ['fs chmod', '-R', 'differs', 'Stored and shown, not enforced. Symbolic modes too'],
  ['fs chown', '-R', 'differs', 'Stored and shown, not enforced'],
  ['fs copyFromLocal', '--thread --buffersize', 'differs', 'No `--thread`, `--buffersize`: chosen by itself'],
  ['fs copyToLocal', '--buffersize', 'differs', 'No `--buffersize`'],
  ['fs count', '-h', 'same'],
  [
    'fs cp',
    '-R --thread --buffersize --preserve',
    'differs',
    'In the cluster only, not to or from `file://`. No `--thread`, `--buffersize`, `--preserve`',
  ],
  ['fs distributedCp', '--active-jobs --overwrite --batch-size --wait', 'no', 'Use `fs cp -R`'],
  [
    'fs distributedLoad',
    '-A --expire-time --replication --active-jobs --batch-size --index --hosts --host-file --excluded-hosts ' +
      '--excluded-host-file --locality --locality-file --excluded-locality --excluded-locality-file --passive-cache ' +
      '--wait --async',
    'differs',
    'Exits 0 only if every replica is there. `--locality` prefers a host. No `--host-file`, `--excluded-host-file`, ' +
      '`--locality-file`, `--excluded-locality`, `--excluded-locality-file`: write the hosts as a list. ' +
      'No `--passive-cache`. For `--wait false` use `--async`',
  ],
  ['fs distributedMv', '--active-jobs', 'no', 'Use `fs mv`: it copies nothing that is cached'],
  ['fs du', '-s -h -g --memory', 'differs', 'No `-g`, `--memory`'],
  ['fs free', '-f', 'differs', 'Refuses files that are not persisted. Has taken effect when it returns'],
  ['fs getCapacityBytes', '', 'same'],
  ['fs getCmdStatus', '', 'no', 'Use `job stat`'],
  ['fs getSyncPathList', '', 'no', `There is no active sync. ${neverWaits}`],
  ['fs getUsedBytes', '', 'same'],
  ['fs getfacl', '', 'differs', 'The entries of the permission bits: there are no other ACLs'],
  ['fs head', '-c', 'same'],
  ['fs help', '', 'same'],
  ['fs leader', '', 'same', oneMaster],
  ['fs load', '--local', 'differs', 'One replica on any worker. No `--local`: use `fs distributedLoad --hosts`'],
  ['fs loadMetadata', '-R -F', 'differs', 'Prints what was found. The store is always asked, as with `-F`'],
  ['fs location', '', 'same'],
  ['fs ls', '-d -f -p -R -h -r --sort --timestamp', 'differs', 'In the order of names: no `-r`, `--sort`'],
  ['fs masterInfo', '', 'same', oneMaster],
  ['fs mkdir', '', 'differs', 'One path. A directory that exists is no error'],
  ['fs mount', '--option --readonly --shared', 'differs', 'At `/` or `/name` only. `--option` takes secrets, too'],
  ['fs mv', '', 'differs', 'Within a namespace'],
  ['fs persist', '-p --parallelism -t --timeout -w --wait', 'differs', 'No `-t`, `--timeout`, `-w`, `--wait`'],
  ['fs pin', '', 'differs', 'No list of media'],
  ['fs rm', '-R -U --alluxioOnly --goosefsOnly', 'differs', 'Removes the object only if it is the known version'],
  ['fs setfacl', '-d -R --set -m -x -b -k', 'no', 'There are no ACLs. Use `fs chmod`'],
  ['fs setReplication', '-R --max --min', 'same'],
  ['fs setTtl', '--action', 'differs', 'The default action is `goosefs.user.file.create.ttl.action`'],
  ['fs startSync', '', 'no', `There is no active sync. ${neverWaits}`],
  ['fs stat', '-f', 'differs', 'Same fields, plus `etag`'],
  ['fs stopSync', '', 'no', `There is no active sync. ${neverWaits}`],
  ['fs tail', '-c', 'same'],
  ['fs test', '-d -e -f -s -z', 'same'],
  ['fs touch', '', 'same'],
  ['fs unmount', '', 'differs', 'Refused while files are not persisted, but with `--force`'],
  ['fs unpin', '', 'same'],
  ['fs unsetTtl', '', 'same'],
  ['fs updateMount', '--readonly --shared --option', 'no', 'Use `ns update`'],
  [
    'ns create',
    '--wPolicy --rPolicy --readonly --shared --secret --attribute',
    'differs',
    'Policies by name: `--attribute writePolicy=...`, `readPolicy=...`. No `--wPolicy`, `--rPolicy`',
  ],
  ['ns delete', '', 'differs', 'Refused while files are not persisted, but with `--force`'],
  ['ns help', '', 'same'],
  ['ns ls', '-r --sort --timestamp', 'differs', 'No `-r`, `--sort`, `--timestamp`'],
  [
    'ns setPolicy',
    '--wPolicy --rPolicy',
    'no',
    'Use `ns update --attribute writePolicy=... --attribute readPolicy=...`',
  ],
  ['ns setTtl', '--action', 'same'],
  ['ns stat', '', 'differs', 'Secrets are hidden'],
  ['ns unsetPolicy', '', 'no', 'Use `ns update --remove-attribute writePolicy --remove-attribute readPolicy`'],
  ['ns unsetTtl', '', 'same'],
  ['job cancel', '', 'differs', 'The id is that of a load'],
  ['job getCmdStatus', '', 'no', 'Use `job stat`'],
  ['job leader', '', 'same'],
  ['job ls', '', 'differs', 'A line a load, with counts'],
  ['job stat', '-v', 'differs', 'Of a load. `-v` lists its files'],
  ['fsadmin backup', '--local --allow-leader', 'differs', 'On the host of the master: no `--local`, `--allow-leader`'],
  [
    'fsadmin decommissionWorker',
    '--addresses --wait --disable',
    'differs',
    'One worker. No `--addresses`, `--disable`; `--wait` has no limit',
    'fsadmin decommission',
  ],
  ['fsadmin doctor', '', 'differs', 'No categories'],
  ['fsadmin enableWorker', '--addresses', 'no', 'Use `fsadmin decommission --cancel`'],
  ['fsadmin getBlockInfo', '', 'no', 'Use `fs stat` and `fs location` of the file'],
  ['fsadmin journal', '', 'no', `${oneMaster}; checkpoints are made by themselves`],
  ['fsadmin metrics', '', 'no', 'Counters begin with the process'],
  ['fsadmin pathConf', '', 'no', 'Settings are those of namespaces: `ns update`'],
  [
    'fsadmin report',
    '',
    'differs',
    '`summary`, `capacity`, `metrics`, `ufs`, `jobservice`. `Zookeeper Enabled` is false',
  ],
  ['fsadmin statelock', '', 'no', 'There is no state lock'],
  ['fsadmin ufs', '--mode', 'no', 'Use `ns update --attribute readOnly=true`'],
  ['fsadmin updateConf', '', 'no', 'Keys are read at the start of a role'],
  ['table attachdb', '', 'no', noTables],
  ['table detachdb', '', 'no', noTables],
  ['table ls', '', 'no', noTables],
  ['table sync', '', 'no', noTables],
  ['table transform', '', 'no', noTables],
  ['table transformStatus', '', 'no', noTables],
]

/** In the order of the table. */
export const comparedCommands: readonly ComparedCommand[] = rows.map(([command, options, state, note = '', here]) => ({
  command,
  options: options.split(' ').filter((option) => option !== ''),
  state,
  note,
  ...(here === undefined ? {} : { here }),
}))

/** Commands of the same groups that are here only. */
export const ownCommands: readonly string[] = [
  'ns update',
  'job history',
  'job progress',
  'job resume',
  'fsadmin adopt',
  'fsadmin forget',
]

/** A markdown table for each group, and the list of what is here only; ends in a newline. */
export function documentCompared(): string {
  const groups = [...new Set(comparedCommands.map(({ command }) => groupOf(command)))]
  const tables = groups.map((group) => {
    const lines = comparedCommands.filter(({ command }) => groupOf(command) === group).map(tableRow)
    return `### Group ${group}\n\n| command | options | Skein | note |\n|---|---|---|---|\n${lines.join('')}`
  })
  const own = ownCommands.map((command) => `\`${command}\``).join(', ')
  return `${tables.join('\n')}\nHere only, in these groups: ${own}.\n`
}

function groupOf(command: string): string {
  return command.split(' ', 1)[0] ?? ''
}

function tableRow({ command, options, state, note, here }: ComparedCommand): string {
  const notes = [...(here === undefined ? [] : [`Here \`${here}\``]), ...(note === '' ? [] : [note])]
  const name = command.slice(groupOf(command).length + 1)
  return `| \`${name}\` | ${options.map((option) => `\`${option}\``).join(' ')} | ${state} | ${notes.join('. ')} |\n`
}
