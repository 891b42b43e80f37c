import { cartItem, newSessionData } from '../session-data.js'

/**
 * What each path answers; the same for every subject. Only what a handler touches of `request.session` counts, so none is
 * given the session itself.
 *
 * @param {string} size of a session
 * @returns {Record<string, (request: { session: any, params: any }) => string | Promise<string>>}
 */
export function handlers(size) {
  return {
    '/ignored': () => 'ok',
    '/read': (request) => request.session.name,
    '/change': ({ session }) => {
      session.changes += 1
      return String(session.changes)
    },
    '/deep': ({ session }) => String(replaceOldestItem(session.cart.items, size)),
    '/create/:visitor': ({ session, params }) => {
      const data = newSessionData(Number(params.visitor), size)
      for (const name of Object.keys(data)) session[name] = data[name]
      return session.name
    },
    '/destroy': ({ session }) =>
      new Promise((resolve, reject) => {
        session.destroy((error) => (error ? reject(error) : resolve('gone')))
      }),
    '/show': ({ session }) => {
      const { name, changes, cart } = session
      return cart === undefined ? 'no session' : `${name}, ${changes} changes, item ${cart.items.at(-1).number}`
    },
  }
}

/** @param {import('express').Express} app @param {string} size */
export function addRoutes(app, size) {
  for (const [path, answer] of Object.entries(handlers(size))) {
    app.get(path, (req, res, next) => {
      const text = answer(req)
      if (typeof text === 'string') res.send(text)
      else text.then((late) => res.send(late), next)
    })
  }
}

/** The list stays as long as it was. @param {{ number: number }[]} items @returns the new item's number */
function replaceOldestItem(items, size) {
  const item = cartItem(items.at(-1).number + 1, size)
  items.push(item)
  items.shift()
  return item.number
}
