// Why: a load lists millions of objects, and a general XML parser with a schema costs more than the
// rest of a page. How: one pass over the text (base/xml/xml-scan.ts) that knows only the elements
// of a ListBucketResult (Amazon S3 API Reference, ListObjects and ListObjectsV2) and returns every
// field as received; listing-page.ts interprets them.
import { refused, scanned, type XmlProblem, type XmlScan } from '../../base/xml/xml-scan.ts'

/** The fields of the document, as received; undefined where missing. */
export interface RawListing {
  Prefix?: string | undefined
  Delimiter?: string | undefined
  EncodingType?: string | undefined
  KeyCount?: string | undefined
  IsTruncated?: string | undefined
  NextContinuationToken?: string | undefined
  /** Only responses to version 1 of the request have it. */
  Marker?: string | undefined
  readonly contents: RawObject[]
  readonly commonPrefixes: (string | undefined)[]
}
export interface RawObject {
  Key: string | undefined
  ETag: string | undefined
  Size: string | undefined
  LastModified: string | undefined
  StorageClass: string | undefined
}

export function scanListing(text: string): RawListing | XmlProblem {
  return scanned(text, 'ListBucketResult', listingOf)
}

function listingOf(scan: XmlScan): RawListing {
  const listing: RawListing = { contents: [], commonPrefixes: [] }
  scan.children('ListBucketResult', (name) => {
    if (name === 'Contents') listing.contents.push(objectOf(scan))
    else if (name === 'CommonPrefixes') addPrefixes(scan, listing.commonPrefixes)
    else if (isListingField(name)) listing[name] = once(scan, listing[name], name)
    else scan.skip(name)
  })
  return listing
}

function objectOf(scan: XmlScan): RawObject {
  const object: RawObject = {
    Key: undefined,
    ETag: undefined,
    Size: undefined,
    LastModified: undefined,
    StorageClass: undefined,
  }
  scan.children('Contents', (name) => {
    if (name === 'Key' || name === 'ETag' || name === 'StorageClass' || name === 'Size' || name === 'LastModified')
      object[name] = once(scan, object[name], name)
    else scan.skip(name)
  })
  return object
}

/** AWS and COS write one prefix per element. Others put several into one. */
function addPrefixes(scan: XmlScan, prefixes: (string | undefined)[]): void {
  const before = prefixes.length
  scan.children('CommonPrefixes', (name) => {
    if (name === 'Prefix') prefixes.push(scan.text(name))
    else scan.skip(name)
  })
  if (prefixes.length === before) prefixes.push(undefined)
}

/** The text of an element that may occur once. */
function once(scan: XmlScan, before: unknown, name: string): string {
  if (before !== undefined) throw refused(name, 'there twice', 'it once')
  return scan.text(name)
}

type ListingField = Exclude<keyof RawListing, 'contents' | 'commonPrefixes'>
const listingFields: ReadonlySet<string> = new Set<ListingField>([
  'Prefix',
  'Delimiter',
  'EncodingType',
  'KeyCount',
  'IsTruncated',
  'NextContinuationToken',
  'Marker',
])

function isListingField(name: string): name is ListingField {
  return listingFields.has(name)
}
