// Why: object keys may hold any character; in a line of text a newline would end the line and an
// escape sequence would command the terminal. How: control characters are written as `\x0a`; JSON
// output has keys as they are. Pure.

/** The text on one line, safe for a terminal. */
export function printable(text: string): string {
  return text.replaceAll(
    // oxlint-disable-next-line no-control-regex -- these are what is looked for
    /[\u0000-\u001F\u007F-\u009F]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
