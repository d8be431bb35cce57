// Why: results of a run that was cut are not lost, and a case that runs again replaces its part.
// How: a folder with latest.json, from which latest.md and the pictures are made after each case.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { benchMarkdown, caseSvg } from '../harness/bench-markdown.ts'
import type { BenchReport, CaseReport } from '../harness/bench-results.ts'

export class ResultFolder {
  readonly path: string

  constructor(path: string) {
    this.path = path
  }

  read(): BenchReport {
    const file = join(this.path, 'latest.json')
    if (!existsSync(file)) return { machine: {}, cases: {} }
    return JSON.parse(readFileSync(file, 'utf8')) as BenchReport
  }

  keep(machine: BenchReport['machine'], reports: readonly CaseReport[]): void {
    mkdirSync(this.path, { recursive: true })
    const cases = { ...this.read().cases, ...Object.fromEntries(reports.map((report) => [report.name, report])) }
    const all: BenchReport = { machine, cases }
    this.#write('latest.json', `${JSON.stringify(all, undefined, 2)}\n`)
    this.#write('latest.md', benchMarkdown(all))
    for (const report of reports) if (report.ways.length > 0) this.#write(`${report.name}.svg`, caseSvg(report))
  }

  /** Whole or not at all. */
  #write(name: string, text: string): void {
    const path = join(this.path, name)
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
  }
}
