import { readFile } from 'node:fs/promises'
import { NodeUnreachableError } from '../../errors.js'

/** Files and names for TLS; the server's certificate is always checked. */
export interface TlsFiles {
  /** Path of a PEM file with the authorities that are trusted; `undefined`: those that Node trusts. */
  ca: string | undefined
  /** Paths of the client's own certificate and key, both or neither. */
  cert: string | undefined
  key: string | undefined
  /** The name that the certificate must be for, where that is not the host. */
  servername: string | undefined
}

/** What Node needs for a connection. */
export interface TlsMaterial {
  ca?: Buffer
  cert?: Buffer
  key?: Buffer
  servername?: string
}

/**
 * Reads the files anew, so that a renewed certificate counts from the next connection on.
 *
 * @param server what is connected to, for the message
 * @throws NodeUnreachableError when a file can't be read
 */
export async function readTlsFiles({ ca, cert, key, servername }: TlsFiles, server: string): Promise<TlsMaterial> {
  const material: TlsMaterial = {}
  if (servername !== undefined) material.servername = servername
  if (ca !== undefined) material.ca = await readTlsFile(ca, server)
  if (cert !== undefined) material.cert = await readTlsFile(cert, server)
  if (key !== undefined) material.key = await readTlsFile(key, server)
  return material
}

async function readTlsFile(path: string, server: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (cause) {
    throw new NodeUnreachableError(`the file ${path} for the TLS connection to ${server} can't be read`, { cause })
  }
}
