import { connect as connectPlainly, type Socket } from 'node:net'
import { isSocketPath } from '../address/host.js'
import { readTlsFiles } from '../address/tls-files.js'
import type { MemcachedAddress } from './memcached-address.js'

/** Begins a connection, with TLS where the address says so. @throws NodeUnreachableError when its files can't be read */
export async function connectToMemcached({ host, port, tls, label }: MemcachedAddress): Promise<Socket> {
  if (isSocketPath(host)) return connectPlainly(host)
  if (tls === undefined) return connectPlainly(port, host)
  const material = await readTlsFiles(tls, `storage node ${label}`)
  // Loaded here, as who has no TLS needn't wait for it.
  const { connect } = await import('node:tls')
  // Said in so many words, because the environment could switch it off for the whole process.
  return connect({ ...material, host, port, rejectUnauthorized: true })
}
