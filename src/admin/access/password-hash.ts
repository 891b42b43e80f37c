import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto'

/** A password in the form that can be checked and not be read back (scrypt, RFC 7914). */
export interface PasswordHash {
  /** log2 of the cost N. */
  readonly cost: number
  readonly blockSize: number
  readonly parallel: number
  readonly salt: Buffer
  readonly hash: Buffer
}

const form = /^scrypt\$(\d{2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9_-]{20,86})\$([A-Za-z0-9_-]{43,86})$/

/* The strength that OWASP's cheat sheet on password storage recommends with 32 MiB: N = 2^15, r = 8, p = 3. */
const strength = { cost: 15, blockSize: 8, parallel: 3 }
const MAX_MEMORY = 256 * 1024 * 1024

export function isPasswordHash(text: string): boolean {
  return text.startsWith('scrypt$')
}

/** Reads `scrypt$<log2 N>$<r>$<p>$<salt>$<hash>` (base64url); `undefined`: not that, or weaker or costlier than is sensible. */
export function parsePasswordHash(text: string): PasswordHash | undefined {
  const match = form.exec(text)
  if (match === null) return undefined
  const [cost, blockSize, parallel] = [Number(match[1]), Number(match[2]), Number(match[3])]
  const sensible = cost >= 14 && cost <= 20 && blockSize >= 8 && blockSize <= 32 && parallel >= 1 && parallel <= 16
  if (!sensible || memory(cost, blockSize) > MAX_MEMORY) return undefined
  return {
    cost,
    blockSize,
    parallel,
    salt: Buffer.from(match[4] ?? '', 'base64url'),
    hash: Buffer.from(match[5] ?? '', 'base64url'),
  }
}

export function printPasswordHash({ cost, blockSize, parallel, salt, hash }: PasswordHash): string {
  return ['scrypt', cost, blockSize, parallel, salt.toString('base64url'), hash.toString('base64url')].join('$')
}

export async function hashPassword(password: string): Promise<PasswordHash> {
  const salt = randomBytes(16)
  return { ...strength, salt, hash: await derive(password, { ...strength, salt }, 32) }
}

export async function passwordMatches(password: string, expected: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, expected, expected.hash.length), expected.hash)
}

function derive(password: string, hash: Omit<PasswordHash, 'hash'>, length: number): Promise<Buffer> {
  const options = { N: 2 ** hash.cost, r: hash.blockSize, p: hash.parallel, maxmem: 2 * MAX_MEMORY }
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), hash.salt, length, options, (error, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}

function memory(cost: number, blockSize: number): number {
  return 128 * blockSize * 2 ** cost
}
