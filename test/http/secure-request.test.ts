import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { isSecure } from '../../src/http/secure-request.js'

interface Facts {
  encrypted?: boolean
  secure?: boolean
  forwarded?: string | string[]
}

function request({ encrypted, secure, forwarded }: Facts): IncomingMessage & { secure?: boolean } {
  const headers = forwarded === undefined ? {} : { 'x-forwarded-proto': forwarded }
  return { socket: { encrypted }, secure, headers } as never
}

describe('whether the visitor’s connection is secure', () => {
  it('is so with TLS of our own, whatever else is said', () => {
    for (const proxy of [undefined, true, false]) {
      expect(isSecure(request({ encrypted: true, forwarded: 'http', secure: false }), proxy)).toBe(true)
    }
  })

  it('is what the first proxy says when proxies are trusted', () => {
    const says = (forwarded?: string | string[]): boolean =>
      isSecure(request({ secure: true, ...(forwarded === undefined ? {} : { forwarded }) }), true)
    expect(says('https')).toBe(true)
    expect(says('HTTPS')).toBe(true)
    expect(says(' https , http')).toBe(true)
    expect(says(['https', 'http'])).toBe(true)
    for (const other of ['http', 'http, https', 'https2', 'xhttps', '', ',https'])
      expect(says(other), other).toBe(false)
    expect(says()).toBe(false)
  })

  it('is what Express makes of it when nothing is set', () => {
    expect(isSecure(request({ secure: true }), undefined)).toBe(true)
    expect(isSecure(request({ secure: false, forwarded: 'https' }), undefined)).toBe(false)
    expect(isSecure(request({ forwarded: 'https' }), undefined)).toBe(false)
  })

  it('is not what a header says when proxies are not trusted', () => {
    expect(isSecure(request({ forwarded: 'https', secure: true }), false)).toBe(false)
  })

  it('is not so on a request without a socket, as tests make them', () => {
    expect(isSecure({ headers: {} } as never, undefined)).toBe(false)
    expect(isSecure({ headers: {} } as never, true)).toBe(false)
  })
})
