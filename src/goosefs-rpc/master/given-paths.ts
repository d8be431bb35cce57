// Why: a path of a client is checked before anything is done with it, and alike in all calls.
import { SkeinError } from '../../base/errors.ts'
import { pathOfText } from '../../base/paths.ts'

/** Of a file that is to be made: as it is given. @throws SkeinError invalid_argument */
export function newPathGiven(text: string | undefined): string {
  if (text === undefined || text === '') throw new SkeinError('invalid_argument', 'the path is empty: begin it with /')
  return pathOfText(text)
}

/**
 * Of what is there, without a `/` at its end: some clients end directories with one.
 * @throws SkeinError invalid_argument
 */
export function pathGiven(text: string | undefined): string {
  const path = newPathGiven(text)
  return path === '/' ? path : path.replace(/\/+$/, '') || '/'
}
