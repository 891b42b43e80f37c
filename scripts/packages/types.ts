import express from 'express'
import { createSessionManager } from 'holdfast'
import type {} from 'holdfast/express'
import { sessionOf } from 'holdfast/express'
import { createManualClock } from 'holdfast/testing'

declare module 'holdfast' {
  interface SessionData {
    cart: string[]
  }
}

const app = express()
app.use(createSessionManager({ secret: 'x'.repeat(40) }).middleware())
app.get('/', (req, res) => {
  const cart: string[] | undefined = req.session.cart
  res.json([cart, sessionOf<{ n: number }>(req).n, createManualClock().now()])
})
