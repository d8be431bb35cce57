// Why: the text of a key is parsed to a typed value in one place. How: by the definition's kind.
// Values are not clamped or guessed.
import { parseBytes } from '../../base/bytes.ts'
import { parseDuration } from '../../base/durations.ts'
import { assertNever } from '../../base/assert.ts'
import { SkeinError } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'
import type { KeyDefinition } from './key-definition.ts'

export type Value = string | number | boolean | readonly string[] | readonly number[] | Secret

/** @throws SkeinError invalid_argument with the problem; the caller adds the key and the source */
export function parseValue(definition: KeyDefinition, text: string): Value {
  switch (definition.kind) {
    case 'text':
    case 'path':
      if (text === '' && definition.mayBeEmpty !== true) throw invalid('the value is empty')
      return text
    case 'secret':
      return new Secret(text)
    case 'boolean':
      if (text !== 'true' && text !== 'false') throw invalid(`'${text}' is not true or false`)
      return text === 'true'
    case 'integer':
      return bounded(definition, integer(text), text)
    case 'port':
      return bounded({ ...definition, min: 0, max: 65_535 }, integer(text), text)
    case 'number':
      return bounded(definition, /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN, text)
    case 'bytes':
      return bounded(definition, parseBytes(text), text)
    case 'duration':
      return bounded(definition, parseDuration(text), text)
    case 'seconds':
      return bounded(definition, /^\d+$/.test(text) ? Number(text) * 1000 : parseDuration(text), text)
    case 'choice':
      return choice(definition.values ?? [], text)
    case 'list':
      return words(text)
    case 'bytesList':
      return words(text).map((word) => parseBytes(word))
    default:
      return assertNever(definition.kind)
  }
}

function integer(text: string): number {
  return /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN
}

function bounded(definition: KeyDefinition, value: number, text: string): number {
  if (Number.isNaN(value))
    throw invalid(`'${text}' is not ${definition.kind === 'number' ? 'a number' : 'a whole number'}`)
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = definition
  if (value < min) throw invalid(`'${text}' is below the minimum of ${min}${unitOf(definition)}`)
  if (value > max) throw invalid(`'${text}' is above the maximum of ${max}${unitOf(definition)}`)
  return value
}

function unitOf(definition: KeyDefinition): string {
  if (definition.kind === 'bytes') return ' bytes'
  return definition.kind === 'duration' || definition.kind === 'seconds' ? ' ms' : ''
}

function choice(values: readonly string[], text: string): string {
  const found = values.find((value) => value.toLowerCase() === text.toLowerCase())
  if (found === undefined) throw invalid(`'${text}' is none of ${values.join(', ')}`)
  return found
}

function words(text: string): string[] {
  const list = text.split(',').map((word) => word.trim())
  if (list.includes('')) throw invalid(`'${text}' has an empty entry`)
  return list
}

function invalid(message: string): SkeinError {
  return new SkeinError('invalid_argument', message)
}
