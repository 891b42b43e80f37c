import { EventEmitter } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { onSocketClose } from '../../src/http/socket-close.js'

describe('the end of a connection', () => {
  it('is told to all who wait for it and have not left, with one listener of the connection', () => {
    const socket = new EventEmitter() as Socket
    const told: number[] = []
    const leave = Array.from({ length: 20 }, (_, i) => onSocketClose(socket, () => told.push(i)))
    leave[3]?.()
    expect(socket.listenerCount('close')).toBe(1)
    socket.emit('close', false)
    expect(told).toEqual(Array.from({ length: 20 }, (_, i) => i).filter((i) => i !== 3))
    expect(socket.listenerCount('close')).toBe(0)
  })
})
