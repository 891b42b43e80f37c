import type { IncomingMessage } from 'node:http'
import { BlockList, isIP, isIPv6 } from 'node:net'

/** What frameworks in the style of Express add to a request: the client's address, as the application's settings on proxies say. */
interface MountedRequest extends IncomingMessage {
  readonly ip?: unknown
}

/** More hops than that are no honest chain of proxies. */
const MAX_HOPS = 32

/** Finds the network address of whoever sent a request. */
export class ClientAddresses {
  private readonly trusted: BlockList | undefined

  /** @param trustedProxies addresses and networks (`10.0.0.0/8`) whose X-Forwarded-For is believed; empty: nobody's. */
  constructor(trustedProxies: readonly string[]) {
    if (trustedProxies.length === 0) return
    const trusted = new BlockList()
    for (const network of trustedProxies) addNetwork(trusted, network)
    this.trusted = trusted
  }

  /**
   * Without trusted proxies of ours, that which the application found out counts, and otherwise the other end of the connection. With
   * them, the header is read from its end as long as the addresses are those of trusted proxies: what stands before is the client's word.
   */
  of(req: MountedRequest): string {
    const peer = plain(req.socket.remoteAddress ?? 'unknown')
    if (this.trusted === undefined) return typeof req.ip === 'string' ? plain(req.ip) : peer
    if (!this.trusts(peer)) return peer
    const hops = String(req.headers['x-forwarded-for'] ?? '')
      .split(',')
      .slice(-MAX_HOPS)
    let client = peer
    for (const hop of hops.reverse()) {
      const address = plain(hop.trim())
      if (isIP(address) === 0) break
      client = address
      if (!this.trusts(address)) break
    }
    return client
  }

  private trusts(address: string): boolean {
    const family = isIP(address)
    return family !== 0 && this.trusted?.check(address, family === 6 ? 'ipv6' : 'ipv4') === true
  }
}

/** Whether a text is an address, or a network in the form `address/bits`. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  if (family === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32))
}

function addNetwork(list: BlockList, network: string): void {
  const [address = '', bits] = network.split('/')
  const family = isIPv6(address) ? 'ipv6' : 'ipv4'
  if (bits === undefined) list.addAddress(address, family)
  else list.addSubnet(address, Number(bits), family)
}

/** Without a zone, and IPv4 as such where a socket of IPv6 has it. */
function plain(address: string): string {
  const bare = address.replace(/%.*$/, '')
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(bare)
  return mapped?.[1] ?? bare
}
