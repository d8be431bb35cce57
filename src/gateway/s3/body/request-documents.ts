// Why: three operations take a document, from whoever may call them. How: one reader for each
// (Amazon S3 API Reference), on the scanner of base/xml, with the limits of S3. Unknown elements
// are refused, because they ask for something.
import { refused, scanned, type XmlProblem, type XmlScan } from '../../../base/xml/xml-scan.ts'
import { notImplemented, s3Error } from '../answer/error-table.ts'
import type { Tag } from '../request/tag-sets.ts'
import { type ChecksumAlgorithm, checksumAlgorithms, checksumTable } from './checksum-algorithms.ts'

const keysMax = 1000
const partsMax = 10_000
const tagsMax = 50

export interface DeletedKey {
  readonly key: string
  readonly versionId: string | undefined
}

/** DeleteObjects. @throws S3 MalformedXML, NotImplemented */
export function readDelete(text: string): { readonly keys: readonly DeletedKey[]; readonly isQuiet: boolean } {
  const keys: DeletedKey[] = []
  let isQuiet = false
  parsed(text, 'Delete', (scan) => {
    scan.children('Delete', (name) => {
      if (name === 'Quiet') isQuiet = scan.text(name) === 'true'
      else if (name === 'Object') keys.push(limited(keys, keysMax, readObject(scan)))
      else throw unknown('Delete', name)
    })
  })
  if (keys.length === 0) throw s3Error('MalformedXML')
  return { keys, isQuiet }
}

function readObject(scan: XmlScan): DeletedKey {
  let [key, versionId] = [undefined, undefined] as [string | undefined, string | undefined]
  scan.children('Object', (name) => {
    if (name === 'Key') key = scan.text(name)
    else if (name === 'VersionId') versionId = scan.text(name)
    else throw unknown('Object', name)
  })
  if (key === undefined || key === '') throw refused('Key', key, 'a key')
  return { key, versionId }
}

export interface CompletedPart {
  readonly number: number
  /** Without quotes. */
  readonly etag: string
  readonly checksum: { readonly algorithm: ChecksumAlgorithm; readonly text: string } | undefined
}

/**
 * CompleteMultipartUpload, in the order of the document. @throws S3 MalformedXML, NotImplemented
 */
export function readComplete(text: string): CompletedPart[] {
  const parts: CompletedPart[] = []
  parsed(text, 'CompleteMultipartUpload', (scan) => {
    scan.children('CompleteMultipartUpload', (name) => {
      if (name !== 'Part') throw unknown('CompleteMultipartUpload', name)
      parts.push(limited(parts, partsMax, readPart(scan)))
    })
  })
  if (parts.length === 0) throw s3Error('MalformedXML', 'The document has no parts.')
  return parts
}

function readPart(scan: XmlScan): CompletedPart {
  let [number, etag] = [undefined, undefined] as [number | undefined, string | undefined]
  let checksum: CompletedPart['checksum']
  scan.children('Part', (name) => {
    const algorithm = checksumAlgorithms.find((one) => checksumTable[one].element === name)
    if (name === 'PartNumber') number = partNumber(scan.text(name))
    else if (name === 'ETag')
      etag = scan
        .text(name)
        .trim()
        .replace(/^"(.*)"$/, '$1')
    else if (algorithm !== undefined) checksum = { algorithm, text: scan.text(name) }
    else throw unknown('Part', name)
  })
  if (number === undefined || etag === undefined) throw refused('Part', undefined, 'a PartNumber and an ETag')
  return { number, etag, checksum }
}

function partNumber(text: string): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (number < 1 || number > partsMax) throw refused('PartNumber', text, `a number from 1 to ${partsMax}`)
  return number
}

/** PutObjectTagging. @throws S3 MalformedXML, NotImplemented */
export function readTagging(text: string): Tag[] {
  const tags: Tag[] = []
  parsed(text, 'Tagging', (scan) => {
    scan.children('Tagging', (name) => {
      if (name !== 'TagSet') throw unknown('Tagging', name)
      scan.children(name, (inner) => {
        if (inner !== 'Tag') throw unknown('TagSet', inner)
        tags.push(limited(tags, tagsMax, readTag(scan)))
      })
    })
  })
  return tags
}

function readTag(scan: XmlScan): Tag {
  let [key, value] = [undefined, undefined] as [string | undefined, string | undefined]
  scan.children('Tag', (name) => {
    if (name === 'Key') key = scan.text(name)
    else if (name === 'Value') value = scan.text(name)
    else throw unknown('Tag', name)
  })
  if (key === undefined || value === undefined) throw refused('Tag', undefined, 'a Key and a Value')
  return { key, value }
}

function parsed(text: string, root: string, read: (scan: XmlScan) => void): void {
  const problem = scanned<XmlProblem | undefined>(text, root, (scan) => {
    read(scan)
    return undefined
  })
  if (problem === undefined) return
  if (problem.kind === 'cut') throw s3Error('MalformedXML', 'The document ends in the middle.')
  const { field, expected } = problem.problem
  throw s3Error('MalformedXML', `The document is not well formed: ${field} must be ${expected}.`)
}

function limited<T>(list: readonly unknown[], max: number, item: T): T {
  if (list.length >= max) throw refused('the document', undefined, `a list of at most ${max}`)
  return item
}

function unknown(parent: string, name: string): Error {
  return notImplemented(`The element ${name.slice(0, 100)} in ${parent}`)
}
