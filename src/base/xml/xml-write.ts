// Why: keys and names of users stand in XML documents, and must come back to the byte. How: text is
// escaped by XML 1.0. Line ends, tabs and control characters are written as references: parsers
// normalise the former, and clients of S3 accept the latter, although XML 1.0 does not.

const special: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
// oxlint-disable-next-line no-control-regex
const escaped = /[&<>"\u0000-\u001f\u007f-\u009f\ufffe\uffff]/g
// oxlint-disable-next-line no-control-regex
const needsEscape = /[&<>"\u0000-\u001f\u007f-\u009f\ufffe\uffff]/

/** @param text well-formed Unicode */
export function escapedXml(text: string): string {
  if (!needsEscape.test(text)) return text
  return text.replace(escaped, (character) => {
    return special[character] ?? `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`
  })
}

/** An element with text; nothing for undefined. */
export function element(name: string, value: string | number | boolean | undefined): string {
  return value === undefined ? '' : `<${name}>${escapedXml(String(value))}</${name}>`
}

/** An element with elements. */
export function group(name: string, ...content: readonly string[]): string {
  return `<${name}>${content.join('')}</${name}>`
}
