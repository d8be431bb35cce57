// Why: secrets must not lie readable in the journal or the state. How: AES-256-GCM with a key of
// this master's own in a file only its user may read; namespace and field are authenticated along,
// so that a sealed value moved to another place does not open there.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { link, mkdir, open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SkeinError } from '../../base/errors.ts'
import { Secret } from '../../base/secret.ts'
import type { NamespaceRecord } from '../../meta/meta-tables.ts'

const keyBytes = 32
const nonceBytes = 12
const tagBytes = 16
const format = 1

export class SecretSealing {
  readonly #key: Buffer

  private constructor(key: Buffer) {
    this.#key = key
  }

  /**
   * Reads the key file, or makes it (mode 0600, synced) when there is none.
   * @throws SkeinError failed_precondition when the file is not a key or others may read it
   */
  static async open(path: string): Promise<SecretSealing> {
    return await SecretSealing.openFor(path, [])
  }

  /**
   * As open, for a state that holds what was sealed before: of each namespace one secret is opened.
   * Nothing is made then, unless the key is lost: then what was sealed with it is no reason to
   * refuse.
   * @throws SkeinError failed_precondition that names the file, when it is missing or another key
   */
  static async openFor(path: string, namespaces: Iterable<Sealed>, isKeyLost = false): Promise<SecretSealing> {
    const sealed = isKeyLost ? [] : [...namespaces].filter((one) => firstSealed(one) !== undefined)
    const [first] = sealed
    const known = await readKey(path)
    if (known === undefined && first !== undefined) throw unopened(path, 'is missing', first)
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const key = known ?? (await createKey(path)) ?? (await readKey(path))
    if (key === undefined)
      throw new SkeinError('failed_precondition', `the key file ${path} was removed while it was created: start again`)
    const sealing = new SecretSealing(key)
    for (const one of sealed) {
      const [field, value] = firstSealed(one) ?? ['', new Uint8Array()]
      if (!sealing.opens(one.id, field, value)) throw unopened(path, 'is another key', one)
    }
    return sealing
  }

  /** Whether a value was sealed with this key, for this place. */
  opens(namespaceId: string, field: string, sealed: Uint8Array): boolean {
    try {
      this.unseal(namespaceId, field, sealed)
      return true
    } catch {
      return false
    }
  }

  /** Format byte, nonce, tag, then the encrypted value. */
  seal(namespaceId: string, field: string, secret: Secret): Uint8Array {
    const nonce = randomBytes(nonceBytes)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce)
    cipher.setAAD(placeOf(namespaceId, field))
    const sealed = Buffer.concat([cipher.update(secret.reveal(), 'utf8'), cipher.final()])
    return Buffer.concat([Buffer.from([format]), nonce, cipher.getAuthTag(), sealed])
  }

  /** @throws SkeinError data_loss when it was not sealed here, for this place */
  unseal(namespaceId: string, field: string, sealed: Uint8Array): Secret {
    try {
      const bodyFrom = 1 + nonceBytes + tagBytes
      const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(1, 1 + nonceBytes), {
        authTagLength: tagBytes,
      })
      decipher.setAAD(placeOf(namespaceId, field))
      decipher.setAuthTag(sealed.subarray(1 + nonceBytes, bodyFrom))
      return new Secret(Buffer.concat([decipher.update(sealed.subarray(bodyFrom)), decipher.final()]).toString('utf8'))
    } catch {
      throw new SkeinError(
        'data_loss',
        `the secret '${field}' cannot be decrypted with the secret.key of this master: restore the right key file`,
      )
    }
  }
}

/** A namespace's sealed secrets. */
type Sealed = Pick<NamespaceRecord, 'id' | 'name' | 'sealedSecrets'>

/** One that was not marked as lost (lost-secrets.ts). */
function firstSealed({ sealedSecrets }: Sealed): [string, Uint8Array] | undefined {
  return Object.entries(sealedSecrets).find(([, value]) => value.length > 0)
}

function unopened(path: string, what: string, { name }: Sealed): SkeinError {
  const message =
    `the key file ${path} ${what}, and the secrets of /${name} are sealed with the key of this state: ` +
    'put the right file back there. Where it is lost, start once with -Dskein.master.secret.key.lost=true ' +
    "and set the secrets anew with 'skein ns update'"
  return new SkeinError('failed_precondition', message, { reason: 'secret_key' })
}

function placeOf(namespaceId: string, field: string): Buffer {
  return Buffer.from(`${namespaceId}\0${field}`)
}

/**
 * Written whole under another name first, so that a crash leaves no half key. @returns undefined
 * when there is a key already
 */
async function createKey(path: string): Promise<Buffer | undefined> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}`
  try {
    const key = randomBytes(keyBytes)
    const file = await open(
      temporary,
      constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
      0o600,
    )
    try {
      await file.writeFile(key)
      await file.sync()
    } finally {
      await file.close()
    }
    await link(temporary, path)
    return key
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return undefined
    throw new SkeinError('failed_precondition', `the key file ${path} cannot be made: ${(error as Error).message}`, {
      cause: error,
    })
  } finally {
    await rm(temporary, { force: true })
  }
}

/** @returns undefined when there is none */
async function readKey(path: string): Promise<Buffer | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined
      throw new SkeinError('failed_precondition', `the key file ${path} cannot be read: ${error.message}`, {
        cause: error,
      })
    },
  )
  if (file === undefined) return undefined
  try {
    const { mode, size } = await file.stat()
    if ((mode & 0o077) !== 0)
      throw new SkeinError(
        'failed_precondition',
        `the key file ${path} is readable by other users: run chmod 600 on it`,
      )
    const key = size === keyBytes ? await file.readFile() : undefined
    if (key?.length !== keyBytes)
      throw new SkeinError('failed_precondition', `the key file ${path} does not hold ${keyBytes} bytes`)
    return key
  } finally {
    await file.close()
  }
}
