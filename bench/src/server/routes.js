import { cartItem, newSessionData } from '../session-data.js'

/** The same handlers for every subject. @param {import('express').Express} app */
export function addRoutes(app) {
  app.get('/ignored', (_req, res) => {
    res.send('ok')
  })
  app.get('/read', (req, res) => {
    res.send(req.session.name)
  })
  app.get('/change', (req, res) => {
    req.session.changes += 1
    res.send(String(req.session.changes))
  })
  app.get('/deep', (req, res) => {
    res.send(String(replaceOldestItem(req.session.cart.items)))
  })
  app.get('/create/:visitor', (req, res) => {
    Object.assign(req.session, newSessionData(Number(req.params.visitor)))
    res.send(req.session.name)
  })
  app.get('/show', (req, res) => {
    const { name, changes, cart } = req.session
    res.send(`${name}, ${changes} changes, item ${cart.items.at(-1).number}`)
  })
}

/** The list stays as long as it was. @param {{ number: number }[]} items @returns the new item's number */
function replaceOldestItem(items) {
  const item = cartItem(items.at(-1).number + 1)
  items.push(item)
  items.shift()
  return item.number
}
