// Why: `skein completion fish`. How: a line an option or command, each under the condition that the
// words before the cursor have led there; one function walks those words. Pure.
import { type CompletedOption, type CompletionNode, type Takes, wordsOfOthers } from './completion-nodes.ts'

export function fishScript(
  nodes: readonly CompletionNode[],
  everywhere: readonly CompletedOption[],
  names: readonly string[],
): string {
  const valued = [...nodes, { path: '*', options: everywhere }].flatMap(({ path, options }) =>
    options.flatMap(({ names: spellings, takes, isValueOptional }) =>
      takes === undefined || isValueOptional ? [] : spellings.map((name) => quoted(`${path}:${name}`)),
    ),
  )
  const paths = nodes.filter(({ path }) => path !== '').map(({ path }) => quoted(path))
  const others = Object.entries(wordsOfOthers).map(
    ([from, to]) => `            case ${quoted(from)}\n                set command ${quoted(to)}`,
  )
  const functions = walk
    .replaceAll('@valued@', valued.join(' '))
    .replace('@paths@', paths.join(' '))
    .replace('@others@', others.join('\n'))
  const lines = names.flatMap((name) => [
    `complete -c ${name} -f`,
    ...everywhere.map((option) => `complete -c ${name} ${optionWords(option)}`),
    ...nodes.flatMap((node) => linesOf(name, node)),
  ])
  const heading = `# Completion of ${names.join(' and ')} for fish. Load it with: skein completion fish | source`
  return `${heading}\n${functions}\n${lines.join('\n')}\n`
}

function linesOf(name: string, { path, commands, options, positions, isVariadic }: CompletionNode): string[] {
  const at = `complete -c ${name} -n ${quoted(`__skein_at "${path}"`)}`
  // Behind `--` fish takes options for arguments, so that there they are offered as such.
  const later = Object.values(wordsOfOthers).includes(path)
    ? options.flatMap((option) =>
        option.names.filter((one) => one.startsWith('--')).map((one) => ({ name: one, ...option })),
      )
    : []
  return [
    ...later.map(
      (one) =>
        `complete -c ${name} -n ${quoted(`__skein_behind "${path}"`)} ` +
        `-a ${quoted(one.name)} -d ${quoted(one.description)}`,
    ),
    ...commands.map((one) => `${at} -a ${quoted(one.name)} -d ${quoted(one.description)}`),
    ...options.map((option) => `${at} ${optionWords(option)}`),
    ...positions.flatMap((takes, index) => {
      const words = valueWords(takes)
      const more = isVariadic && index === positions.length - 1 ? ' more' : ''
      return words === '' ? [] : [`complete -c ${name} -n ${quoted(`__skein_at "${path}" ${index}${more}`)} ${words}`]
    }),
  ]
}

function optionWords({ names, description, takes, isValueOptional }: CompletedOption): string {
  const spellings = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`))
  const value =
    takes === undefined
      ? []
      : [isValueOptional ? '' : takes === 'file' || takes === 'key=file' ? '-r' : '-x', valueWords(takes)]
  return [...spellings, ...value, '-d', quoted(description)].filter((word) => word !== '').join(' ')
}

function valueWords(takes: Takes): string {
  if (takes === 'any') return ''
  if (takes === 'directory') return "-a '(__fish_complete_directories)'"
  return typeof takes === 'string' ? '-F' : `-a ${quoted(takes.join(' '))}`
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", String.raw`\'`)}'`
}

const walk = String.raw`function __skein_walk
    set -l command ''
    set -l position 0
    set -l expected 0
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if test $expected -eq 1
            set expected 0
            continue
        end
        if test "$word" = --
            switch "$command"
@others@
            end
            set position 0
            continue
        end
        if string match -q -- '-*' $word
            if contains -- "$command:$word" @valued@; or contains -- "*:$word" @valued@
                set expected 1
            end
            continue
        end
        if contains -- (string trim "$command $word") @paths@
            set command (string trim "$command $word")
            set position 0
        else
            set position (math $position + 1)
        end
    end
    echo "$command"
    echo $position
end

# Whether the words behind -- are those of command $argv[1].
function __skein_behind
    contains -- -- (commandline -opc); and __skein_at "$argv[1]"
end

# Whether the words lead to command $argv[1], and to its argument $argv[2] (with 'more': that one or
# a later one).
function __skein_at
    set -l place (__skein_walk)
    test "$place[1]" = "$argv[1]"; or return 1
    test (count $argv) -lt 2; and return 0
    test (count $argv) -gt 2; and test $place[2] -ge $argv[2]; and return 0
    test $place[2] -eq $argv[2]
end`
