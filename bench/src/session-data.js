/** Items in a new session's cart; each carries a running number, the first one 1. */
export const FIRST_ITEMS = 5

/** What a session takes as JSON, roughly. */
export const sizes = ['300B', '2KB', '50KB']

/** The size that is measured where none is asked for. */
export const USUAL_SIZE = '2KB'

const ITEM_PADDING = 'a plain grey woollen jumper, machine washable'

/** Lists of saved items in the largest session, and items in each. */
const SAVED_LISTS = 10
const SAVED_ITEMS = 43

/** @param {number} number the item's running number @param {string} size of the session */
export function cartItem(number, size) {
  if (size === '300B') return { number, sku: `sku-${100_000 + number}` }
  return { number, sku: `sku-${100_000 + number}`, title: ITEM_PADDING, quantity: 1, price: 49.5 }
}

/** @param {number} visitor */
export function visitorName(visitor) {
  return `Visitor number ${visitor}`
}

/**
 * The attributes of a session: a few, a dozen, or some twenty of which ten are large.
 *
 * It is parsed from text, as data from a database would be: the strings belong to this session alone, which the
 * memory figures need.
 *
 * @param {number} visitor the visitor's number
 * @param {string} size
 * @returns {Record<string, any>}
 */
export function newSessionData(visitor, size) {
  return JSON.parse(templates[size].replaceAll('{visitor}', String(visitor)))
}

const pages = ['search?q=woollen+jumper', 'category/men/knitwear', 'product/100001', 'product/100003', 'cart', 'help']

function cart(size) {
  return { currency: 'GBP', items: Array.from({ length: FIRST_ITEMS }, (_, index) => cartItem(index + 1, size)) }
}

const small = {
  name: visitorName('{visitor}'),
  changes: 0,
  csrfToken: 'b1946ac92492d2347c6235b4d2611184-{visitor}',
  cart: cart('300B'),
}

const usual = {
  ...small,
  cart: cart('2KB'),
  locale: 'en-GB',
  user: { id: 'user-{visitor}', email: 'visitor-{visitor}@example.com', roles: ['customer', 'reviewer', 'newsletter'] },
  preferences: { theme: 'dark', density: 'compact', currency: 'GBP', timeZone: 'Europe/London', pageSize: 24 },
  recentPages: pages.map((page) => `https://shop.example.com/${page}?visitor={visitor}`),
  address: { street: '{visitor} Long Meadow Lane', city: 'Shrewsbury', postcode: 'SY1 1AA', country: 'GB' },
  experiments: { checkout: 'two-step', ranking: 'b', banner: 'off', recommendations: 'model-7' },
  referrer: 'https://search.example.org/?q=grey+woollen+jumper+machine+washable&from={visitor}',
  signedInAt: 1_760_000_000_000,
  notes: 'Leave the parcel with the neighbour at number {visitor} if nobody opens the door. '.repeat(5),
}

const saved = Array.from({ length: SAVED_ITEMS }, (_, index) => cartItem(index + 1, '50KB'))
const lists = Array.from({ length: SAVED_LISTS }, (_, index) => [`saved${index}`, saved])

/** @type {Record<string, string>} */
const templates = {
  '300B': JSON.stringify(small),
  '2KB': JSON.stringify(usual),
  '50KB': JSON.stringify({ ...usual, ...Object.fromEntries(lists) }),
}
