// Why: clients encode what they must and send the rest as it is, UTF-8 included. How: the URL of a
// request has one character per byte; the encoded bytes are put back, and all are read as UTF-8.

const percentSign = 0x25

/**
 * @param raw a part of `IncomingMessage.url`
 * @returns undefined when an encoding is not complete, or the bytes are not UTF-8
 */
export function decodedText(raw: string): string | undefined {
  const bytes = Buffer.from(raw, 'latin1')
  let length = 0
  for (let at = 0; at < bytes.length; at += 1) {
    let byte = bytes[at] ?? 0
    if (byte === percentSign) {
      const digits = raw.slice(at + 1, at + 3)
      if (!/^[0-9A-Fa-f]{2}$/.test(digits)) return undefined
      byte = Number.parseInt(digits, 16)
      at += 2
    }
    bytes[length] = byte
    length += 1
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes.subarray(0, length))
  } catch {
    return undefined
  }
}

/** The path of a URL, every segment encoded. */
export function encodedPath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/')
}
