import type { IncomingMessage, ServerResponse } from 'node:http'
import { demoPage } from './page.js'

/** With both servers dead the page itself still has to come: it carries the buttons that revive them. */
export function pageOrUnavailable(req: IncomingMessage, res: ServerResponse): void {
  if (req.method === 'GET' && req.url === '/') {
    res.writeHead(200, demoPage.headers).end(demoPage.html)
    return
  }
  const headers = { 'Content-Type': 'application/json', 'Retry-After': '1', Connection: 'close' }
  res.writeHead(503, headers).end(JSON.stringify({ error: 'no server answered' }))
}
