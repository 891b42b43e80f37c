import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { ClientAddresses, isNetwork } from '../../../src/admin/http/client-address.js'
import { networkOf } from '../../../src/connections.js'

function asked(peer: string, forwarded?: string, ip?: string): IncomingMessage {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
  return { socket: { remoteAddress: peer }, headers, ...(ip !== undefined && { ip }) } as unknown as IncomingMessage
}

describe('the address of a client', () => {
  it.each([
    ['10.0.0.1', '1.2.3.4', '1.2.3.4'],
    ['10.0.0.1', '6.6.6.6, 1.2.3.4', '1.2.3.4'],
    ['10.0.0.1', '6.6.6.6, 1.2.3.4, 10.9.9.9', '1.2.3.4'],
    ['::ffff:10.0.0.1', ' 2001:db8::1 ', '2001:db8::1'],
    ['fd00::5', '1.2.3.4', '1.2.3.4'],
    ['10.0.0.1', '10.0.0.2', '10.0.0.2'],
    ['10.0.0.1', '1.2.3.4, unknown', '10.0.0.1'],
    ['10.0.0.1', '1.2.3.4, unknown, 10.0.0.3', '10.0.0.3'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '', '10.0.0.1'],
    ['11.0.0.1', '1.2.3.4', '11.0.0.1'],
    ['fe80::1%eth0', undefined, 'fe80::1'],
  ])('behind trusted proxies, from %s with %j, is %s', (peer, forwarded, expected) => {
    const addresses = new ClientAddresses(['10.0.0.0/8', 'fd00::5'])
    expect(addresses.of(asked(peer, forwarded, '9.9.9.9'))).toBe(expected)
  })

  it('is what the application says where no proxy is trusted, and else the other end', () => {
    const addresses = new ClientAddresses([])
    expect(addresses.of(asked('10.0.0.1', '1.2.3.4'))).toBe('10.0.0.1')
    expect(addresses.of(asked('10.0.0.1', '1.2.3.4', '::ffff:5.6.7.8'))).toBe('5.6.7.8')
  })

  it('is not searched for in a header without end', () => {
    const addresses = new ClientAddresses(['10.0.0.0/8'])
    expect(addresses.of(asked('10.0.0.1', `1.2.3.4,${'10.0.0.2,'.repeat(5000)}10.0.0.7`))).toBe('10.0.0.2')
  })
})

describe('the network of an address', () => {
  it.each([
    ['1.2.3.4', '1.2.3.4'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['64:ff9b::1.2.3.4', '64:ff9b:0:0::/64'],
    ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4::/64'],
    ['1::2:3:4:5:6:7', '1:0:2:3::/64'],
    ['unknown', 'unknown'],
  ])('%s is in %s', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })

  it.each(['1.2.3.4', '10.0.0.0/8', '::1', 'fd00::/8', '0.0.0.0/0'])('%s can be listed', (text) => {
    expect(isNetwork(text)).toBe(true)
  })

  it.each(['', 'proxy', '1.2.3', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129', '1.2.3.4/-1'])(
    '%j can not',
    (text) => {
      expect(isNetwork(text)).toBe(false)
    },
  )
})
