// Why: `skein completion bash`. How: a table of what can stand where, and one function that walks
// the words before the cursor. Pure.
import { type CompletedOption, type CompletionNode, quoted, takesWord, wordsOfOthers } from './completion-nodes.ts'

export function bashScript(
  nodes: readonly CompletionNode[],
  everywhere: readonly CompletedOption[],
  names: readonly string[],
): string {
  const cases = nodes.map(({ path, commands, options, positions, isVariadic }) => {
    const fields = [
      ` commands=${quoted(commands.map(({ name }) => name).join(' '))}`,
      ` options=${quoted(options.flatMap(entriesOf).join(' '))}`,
      ` positions=${quoted(positions.map(takesWord).join(' '))}`,
      ` variadic=${isVariadic ? '1' : ''}`,
    ]
    return `    ${quoted(path)})${fields.join('')} ;;`
  })
  const others = Object.entries(wordsOfOthers).map(([from, to]) => `        ${quoted(from)}) command=${quoted(to)} ;;`)
  return `# Completion of ${names.join(' and ')} for bash. Load it with: source <(skein completion bash)
_skein_command() {
  case "$1" in
${cases.join('\n')}
  esac
  options+=${quoted(` ${everywhere.flatMap(entriesOf).join(' ')}`)}
}

${walk.replace('@others@', others.join('\n'))}
complete -F _skein ${names.join(' ')}
`
}

/** `--flag`, `--option=<takes>`, or `--option=?<takes>` where the value may be left out. */
function entriesOf({ names, takes, isValueOptional }: CompletedOption): string[] {
  return names.map((name) => (takes === undefined ? name : `${name}=${isValueOptional ? '?' : ''}${takesWord(takes)}`))
}

const walk = String.raw`# Sets takes to what the value of option $1 is; empty: it has none.
_skein_takes() {
  local entry
  takes=
  for entry in $options; do
    if [[ $entry == "$1="* ]]; then takes=${'$'}{entry#*=}; fi
  done
}

_skein() {
  local IFS=$' \t\n' commands options positions variadic takes word command= position=0 expected= ended= glue= index
  local -a words=() found=()
  # For bash '=' and ':' are words of their own; for skein they are not.
  for ((index = 1; index <= COMP_CWORD; index++)); do
    word=${'$'}{COMP_WORDS[index]}
    if [[ ${'$'}{#words[@]} -gt 0 && ( -n $glue || $word =~ ^[=:]+$ ) ]]; then
      words[${'$'}{#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    if [[ $word =~ ^[=:]+$ ]]; then glue=1; else glue=; fi
  done
  _skein_command ''
  for ((index = 0; index < ${'$'}{#words[@]} - 1; index++)); do
    word=${'$'}{words[index]}
    if [[ -n $expected && ! ( $expected == '?'* && $word == -* ) ]]; then expected=; continue; fi
    expected=
    if [[ $word == -- && -z $ended ]]; then
      ended=1
      case "$command" in
@others@
        *) continue ;;
      esac
      ended= position=0
      _skein_command "$command"
    elif [[ $word == -* && -z $ended ]]; then
      if [[ $word != *=* ]]; then _skein_takes "$word"; expected=$takes; fi
    elif [[ " $commands " == *" $word "* ]]; then
      command="${'$'}{command:+$command }$word" position=0
      _skein_command "$command"
    else
      position=$((position + 1))
    fi
  done

  local current=${'$'}{words[${'$'}{#words[@]} - 1]} prefix=
  if [[ -n $expected && ! ( $expected == '?'* && $current == -* ) ]]; then
    takes=${'$'}{expected#'?'}
  elif [[ $current == --*=* && -z $ended ]]; then
    _skein_takes "${'$'}{current%%=*}"
    takes=${'$'}{takes#'?'} prefix="${'$'}{current%%=*}="
  elif [[ $current == -* && -z $ended ]]; then
    local entry
    takes=
    for entry in $options; do takes+="${'$'}{takes:+|}${'$'}{entry%%=*}"; done
  elif [[ -n $commands ]]; then
    takes=${'$'}{commands// /|}
  else
    local -a list=($positions)
    if [[ -n $variadic && $position -ge ${'$'}{#list[@]} ]]; then position=$((${'$'}{#list[@]} - 1)); fi
    takes=${'$'}{list[position]}
  fi

  if [[ $takes == @key-file ]]; then
    if [[ ${'$'}{current#"$prefix"} != *=* ]]; then
      takes=@any
    else
      prefix+="${'$'}{current#"$prefix"}" prefix="${'$'}{prefix%=*}="
    fi
  fi
  local value=${'$'}{current#"$prefix"}
  case "$takes" in
    @file | @key-file) compopt -o filenames 2>/dev/null; mapfile -t found < <(compgen -f -- "$value") ;;
    @directory) compopt -o filenames 2>/dev/null; mapfile -t found < <(compgen -d -- "$value") ;;
    @any | '') ;;
    *) mapfile -t found < <(compgen -W "${'$'}{takes//|/ }" -- "$value") ;;
  esac
  # Bash puts a reply in the place of what follows the last of its own word breaks.
  local breaks="[${'$'}{COMP_WORDBREAKS//[^=:]/}]" kept=
  if [[ $breaks != '[]' && $current == *$breaks* ]]; then kept=${'$'}{current%"${'$'}{current##*$breaks}"}; fi
  COMPREPLY=()
  for word in "${'$'}{found[@]}"; do
    word=$prefix$word
    COMPREPLY+=("${'$'}{word#"$kept"}")
  done
}
`
