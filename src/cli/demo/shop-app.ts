import type { Express, Request, RequestHandler, Response } from 'express'
import { demoPage } from './page.js'
import { findProduct, type Product } from './shop-catalogue.js'

export interface CartItem extends Product {
  addedAt: number
}

/** What the shop keeps in a session. */
interface ShopSession {
  cart?: CartItem[]
  destroy(callback: (error?: unknown) => void): unknown
}

const MAX_ITEMS = 100

/**
 * The shop: an ordinary Express app that knows nothing of servers and nodes, save for `/whoami`, which shows the visitor
 * what their session id says.
 */
export async function createShopApp(route: string, sessions: RequestHandler): Promise<Express> {
  const { default: express } = await import('express')
  const app = express()
  app.disable('x-powered-by')
  app.get('/healthz', (_req, res) => void res.type('text').send('ok'))
  app.get('/', (_req, res) => void res.set(demoPage.headers).send(demoPage.html))
  app.use(sessions)
  app.use(noStore)
  app.get('/whoami', (req, res) => void res.json({ route, pid: process.pid, session: suffixOf(req) }))
  app.get('/cart', (req, res) => void res.json({ route, items: cartOf(req) }))
  app.post('/cart/items', express.json({ limit: '4kb' }), addItem)
  app.post('/leave', leave)
  return app
}

const noStore: RequestHandler = (_req, res, next) => {
  res.set('Cache-Control', 'no-store')
  next()
}

function sessionOf(req: Request): ShopSession {
  return (req as unknown as { session: ShopSession }).session
}

function cartOf(req: Request): CartItem[] {
  return sessionOf(req).cart ?? []
}

function addItem(req: Request, res: Response): void {
  const product = findProduct((req.body as { sku?: unknown } | undefined)?.sku)
  if (product === undefined) return void res.status(404).json({ error: 'no such product' })
  const session = sessionOf(req)
  session.cart ??= []
  if (session.cart.length >= MAX_ITEMS) return void res.status(409).json({ error: 'the cart is full' })
  // A change deep inside an attribute: it is found without any call to save().
  session.cart.push({ ...product, addedAt: Date.now() })
  res.status(201).json({ items: session.cart })
}

function leave(req: Request, res: Response): void {
  sessionOf(req).destroy((error) => {
    if (error) return void res.status(500).json({ error: 'the session could not be ended' })
    res.clearCookie('sid', { path: '/' }).json({ items: [] })
  })
}

/** The part of the id that everybody may see: node and route. `undefined` for a visitor without a session. */
function suffixOf(req: Request): { node: string | undefined; route: string | undefined } | undefined {
  const id = (req as unknown as { sessionID: unknown }).sessionID
  if (typeof id !== 'string' || !('cart' in sessionOf(req))) return undefined
  const match = /(?:-(\w+))?(?:\.(\w+))?$/.exec(id)
  return { node: match?.[1], route: match?.[2] }
}
