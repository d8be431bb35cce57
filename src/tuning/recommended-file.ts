// Why: what is recommended is printed as a properties file, so that it can be read, redirected into
// a file, and used as a profile without another tool. How: each property below its reason. Pure.
import type { Recommendation } from './recommendation.ts'

/** @param about lines for the head of the file: the files, the machines */
export function recommendedFile({ properties, leftAlone }: Recommendation, about: readonly string[]): string {
  const head = about.map((line) => `# ${line}\n`).join('')
  const entries = properties.map(({ key, value, reason }) => `\n# ${reason}\n${key}=${value}\n`)
  const left = leftAlone.map(({ key, reason }) => `\n# ${key} is not set: ${reason}\n`)
  return [head, ...entries, ...left].join('')
}
