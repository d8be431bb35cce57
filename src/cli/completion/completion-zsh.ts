// Why: `skein completion zsh`. How: as for bash, with descriptions. Pure.
import { type CompletedOption, type CompletionNode, quoted, takesWord, wordsOfOthers } from './completion-nodes.ts'

export function zshScript(
  nodes: readonly CompletionNode[],
  everywhere: readonly CompletedOption[],
  names: readonly string[],
): string {
  const cases = nodes.map(({ path, commands, options, positions, isVariadic }) => {
    const described = commands.map(({ name, description }) => quoted(`${name}:${description}`)).join(' ')
    return `    (${quoted(path)})
      commands=(${described})
      options=(${options.flatMap(describedOption).join(' ')})
      takes=(${options.flatMap(takesPair).join(' ')})
      positions=(${positions.map((takes) => quoted(takesWord(takes))).join(' ')}) variadic=${isVariadic ? '1' : ''} ;;`
  })
  const others = Object.entries(wordsOfOthers).map(([from, to]) => `        (${quoted(from)}) command=${quoted(to)} ;;`)
  return `#compdef ${names.join(' ')}
# Completion of ${names.join(' and ')} for zsh. Load it with: source <(skein completion zsh)
_skein_command() {
  case "$1" in
${cases.join('\n')}
  esac
  options+=(${everywhere.flatMap(describedOption).join(' ')})
  takes+=(${everywhere.flatMap(takesPair).join(' ')})
}

${walk.replace('@others@', others.join('\n'))}
if [[ $funcstack[1] == _skein ]]; then _skein "$@"; else compdef _skein ${names.join(' ')}; fi
`
}

function describedOption({ names, description }: CompletedOption): string[] {
  return names.map((name) => quoted(`${name}:${description}`))
}

function takesPair({ names, takes, isValueOptional }: CompletedOption): string[] {
  return takes === undefined
    ? []
    : names.flatMap((name) => [quoted(name), quoted(`${isValueOptional ? '?' : ''}${takesWord(takes)}`)])
}

const walk = String.raw`_skein() {
  emulate -L zsh
  local -a commands options positions
  local -A takes
  local variadic command= expected= ended= word wanted index
  integer position=1
  _skein_command ''
  for ((index = 2; index < CURRENT; index++)); do
    word=$words[index]
    if [[ -n $expected && ! ( $expected == '?'* && $word == -* ) ]]; then expected=; continue; fi
    expected=
    if [[ $word == -- && -z $ended ]]; then
      ended=1
      case "$command" in
@others@
        (*) continue ;;
      esac
      ended= position=1
      _skein_command "$command"
    elif [[ $word == -* && -z $ended ]]; then
      if [[ $word != *=* ]]; then expected=$takes[$word]; fi
    elif (( ${'$'}{#commands} && ${'$'}{commands[(I)$word:*]} )); then
      command="${'$'}{command:+$command }$word" position=1
      _skein_command "$command"
    else
      position+=1
    fi
  done

  word=$words[CURRENT]
  if [[ -n $expected && ! ( $expected == '?'* && $word == -* ) ]]; then
    wanted=${'$'}{expected#\?}
  elif [[ $word == --*=* && -z $ended ]]; then
    wanted=${'$'}{takes[${'$'}{word%%=*}]#\?}
    compset -P '*='
  elif [[ $word == -* && -z $ended ]]; then
    _describe -o option options
    return
  elif (( ${'$'}{#commands} )); then
    _describe command commands
    return
  else
    if [[ -n $variadic && $position -gt ${'$'}{#positions} ]]; then position=${'$'}{#positions}; fi
    wanted=$positions[position]
  fi
  case "$wanted" in
    (@file) _files ;;
    (@directory) _files -/ ;;
    (@key-file) if compset -P '*='; then _files; fi ;;
    (@any | '') ;;
    (*) compadd -- ${'$'}{(s:|:)wanted} ;;
  esac
}
`
