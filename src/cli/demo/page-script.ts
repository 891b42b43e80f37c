/** Runs in the browser. All that comes from outside goes into the page as text, never as markup. */
export const pageScript = `
'use strict'
const $ = (selector, root) => (root || document).querySelector(selector)
const all = (selector, root) => Array.from((root || document).querySelectorAll(selector))
const bad = new Set(['killed', 'nodeDown', 'serverDown', 'backupFailed', 'says'])
const fine = new Set(['started', 'nodeUp', 'serverUp', 'restored', 'takenOver', 'relocated'])
let session
let answeredBy
let running = []
let lastAsked = 0

const element = (tag, className, text) => {
  const made = document.createElement(tag)
  made.className = className
  made.textContent = text
  return made
}

const ask = async (path, options) => {
  const answer = await fetch(path, Object.assign({ signal: AbortSignal.timeout(20000) }, options))
  const body = await answer.json().catch(() => ({}))
  if (!answer.ok) throw new Error(body.error || 'the answer was ' + answer.status)
  return body
}

const notice = (text) => {
  $('#notice').textContent = text
  $('#notice').hidden = text === ''
}

const money = (cents) => (cents / 100).toFixed(2)

const showCart = (items) => {
  $('#cart').replaceChildren(...items.map((item) => {
    const line = document.createElement('li')
    line.append(element('span', 'name', item.name), element('span', 'price', money(item.price)))
    return line
  }))
  $('#cart-count').textContent = items.length === 0 ? '' : '(' + items.length + ')'
  $('#cart-empty').hidden = items.length > 0
  $('#cart-total').hidden = items.length === 0
  $('#cart-total').textContent = 'Total ' + money(items.reduce((sum, item) => sum + item.price, 0))
}

/* Where the session is in the storage. Ids without a server: non-sticky mode, in which every running node has a copy. */
const copyNodes = () => {
  if (session === undefined) return []
  const others = session.route === undefined ? running.filter((name) => name.startsWith('n') && name !== session.node) : []
  return [session.node, ...others]
}

const showPlace = () => {
  const where = $('#where')
  const copies = copyNodes()
  if (session === undefined) where.textContent = 'You have no session yet.'
  else if (session.route === undefined) {
    const second = copies[1] === undefined ? [' No other node has a copy of it at the moment.'] : [' A copy of it belongs in node ', element('b', '', copies[1]), '.']
    where.replaceChildren('Server ', element('b', '', answeredBy), ' answered. Your session is in node ', element('b', '', session.node), '.', ...second)
  }
  else {
    const backup = session.node === undefined ? [' It has no backup at the moment.'] : [' and its backup in node ', element('b', '', session.node), '.']
    where.replaceChildren('Your session lives in server ', element('b', '', session.route), ...backup)
  }
  const mine = session === undefined ? [] : [session.route, ...copies]
  for (const box of all('[data-process]')) {
    const isMine = mine.includes(box.dataset.process)
    box.classList.toggle('mine', isMine)
    const badge = $('.badge', box)
    badge.hidden = !isMine
    if (session !== undefined && session.route === undefined) badge.textContent = box.dataset.process === copies[0] ? 'your session' : 'your second copy'
  }
  const server = session === undefined ? undefined : session.route || answeredBy
  const lines = session === undefined ? [] : [server, ...copies.map((node) => server + '-' + node)]
  for (const line of all('[data-line]')) line.classList.toggle('mine', lines.includes(line.dataset.line))
}

const refresh = async () => {
  lastAsked = Date.now()
  try {
    const cart = await ask('/cart')
    const me = await ask('/whoami')
    session = me.session
    answeredBy = me.route
    showCart(cart.items)
    showPlace()
    notice('')
  } catch (error) {
    notice('No luck: ' + error.message)
  }
}

const change = async (path, body) => {
  try {
    await ask(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body || {}) })
  } catch (error) {
    notice('No luck: ' + error.message)
    return
  }
  await refresh()
}

const factsOf = (view) => {
  if (view.state !== 'running') return view.state
  const sessions = view.sessions === undefined ? '' : ' · ' + view.sessions + (view.sessions === 1 ? ' session' : ' sessions')
  const open = view.pending ? ' · ' + view.pending + ' to be stored' : ''
  return view.software + ' · port ' + view.port + ' · pid ' + view.pid + sessions + open
}

const showProcess = (view) => {
  const box = $('[data-process="' + view.name + '"]')
  if (box === null) return
  const dead = view.state === 'dead'
  box.classList.toggle('dead', dead)
  $('.dot', box).className = 'dot ' + (dead ? 'down' : view.state === 'running' ? 'up' : '')
  $('.facts', box).textContent = factsOf(view)
  for (const button of all('[data-action]', box)) {
    button.disabled = button.dataset.action === 'revive' ? !dead : view.state !== 'running'
  }
}

const showState = async () => {
  try {
    const state = await ask('/demo/state')
    state.processes.forEach(showProcess)
    running = state.processes.filter((view) => view.state === 'running').map((view) => view.name)
    showPlace()
    const { requests, retries, failures } = state.balancer
    $('#balancer-facts').textContent = requests + ' requests · ' + retries + ' retried · ' + failures + ' failed'
  } catch {
    for (const facts of all('.facts')) facts.textContent = 'the demo has ended'
  }
}

const act = async (name, action) => {
  try {
    await ask('/demo/processes/' + name + '/' + action, { method: 'POST' })
    notice('')
  } catch (error) {
    notice(name + ': ' + error.message)
  }
  await showState()
}

const logLine = (event) => {
  const line = document.createElement('li')
  const kind = bad.has(event.name) ? ' bad' : fine.has(event.name) ? ' fine' : ''
  line.append(
    element('time', '', new Date(event.at).toTimeString().slice(0, 8)),
    element('span', 'who', event.source),
    element('span', 'what' + kind, event.name),
    element('span', 'detail', event.detail),
  )
  return line
}

let stateSoon
const onEvent = (event) => {
  const log = $('#log')
  log.prepend(logLine(event))
  while (log.children.length > 200) log.lastElementChild.remove()
  clearTimeout(stateSoon)
  stateSoon = setTimeout(showState, 150)
  // Leave a moment to see the gap before this visitor's next request closes it.
  const mine = session !== undefined && (event.source === session.route || event.source === session.node)
  if (mine && event.name === 'ended') setTimeout(() => { if (Date.now() - lastAsked > 1000) refresh() }, 1500)
}

document.addEventListener('click', (click) => {
  const button = click.target.closest('button')
  if (button === null) return
  const { add, action } = button.dataset
  if (add) change('/cart/items', { sku: add })
  else if (action) act(button.closest('[data-process]').dataset.process, action)
  else if (button.id === 'again') refresh()
  else if (button.id === 'leave') change('/leave')
})

const stream = new EventSource('/demo/events')
stream.onmessage = (message) => onEvent(JSON.parse(message.data))
setInterval(showState, 2000)
showState()
refresh()
`
