// Why: whatever goes wrong, the user gets one line that says what and what to do. Pure.
import type { SkeinError } from '../../base/errors.ts'
import { exitCodeOfError } from './exit-codes.ts'
import { jsonText } from './json-document.ts'
import { printable } from './printable.ts'

/** `skein: ...` and a newline; with --debug the stacks of the error and its causes below. */
export function errorText(error: SkeinError, debug: boolean): string {
  const line = `skein: ${errorLine(error)}`
  return debug ? `${line}${stacksOf(error)}` : line
}

/** What is wrong, and a newline. */
export function errorLine(error: SkeinError): string {
  return `${printable(error.message.replaceAll(/\s*\n\s*/g, ' '))}${hintFor(error)}\n`
}

/**
 * The same for programs, on stdout: `{"error":"/a does not
 * exist","errorCode":"not_found","retryable":false,"exitCode":2}`.
 */
export function errorDocument(error: SkeinError): string {
  const { code, reason, message, retryable } = error
  const known = reason === undefined ? {} : { reason }
  return jsonText({
    error: message + hintFor(error),
    errorCode: code,
    ...known,
    retryable,
    exitCode: exitCodeOfError(error),
  })
}

const lineMax = 4000

/**
 * The text with its first line kept to a length that can be read; to be called once nothing secret
 * is in it any more.
 */
export function shortened(text: string): string {
  const end = text.indexOf('\n')
  const line = end < 0 ? text : text.slice(0, end)
  if (line.length <= lineMax) return text
  const cut = `${line.slice(0, lineMax - 500)} ... (${line.length - lineMax} characters more) ... ${line.slice(-500)}`
  return end < 0 ? cut : cut + text.slice(end)
}

function hintFor(error: SkeinError): string {
  if (error.code === 'unavailable' && error.reason === 'unreachable') {
    // Only the master's address is the user's to give; the others are found through it.
    return error.message.includes('the master')
      ? '; is it running? Its address comes from SKEIN_MASTER=host:port or SKEIN_HOME'
      : '; is it running?'
  }
  if (error.code === 'internal') return ' (internal error; --debug shows the stack)'
  return ''
}

function stacksOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  return `${error.stack ?? error.message}\n${error.cause === undefined ? '' : `caused by ${stacksOf(error.cause)}`}`
}
