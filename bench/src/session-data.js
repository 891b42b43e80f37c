/** Items in a new session's cart; each carries a running number, the first one 1. */
export const FIRST_ITEMS = 5

const ITEM_PADDING = 'a plain grey woollen jumper, machine washable'

/** @param {number} number the item's running number */
export function cartItem(number) {
  return { number, sku: `sku-${100_000 + number}`, title: ITEM_PADDING, quantity: 1, price: 49.5 }
}

/** @param {number} visitor */
export function visitorName(visitor) {
  return `Visitor number ${visitor}`
}

/**
 * The attributes of a usual session: a dozen, about 2 KB as JSON.
 *
 * It is parsed from text, as data from a database would be: the strings belong to this session alone, which the
 * memory figures need.
 *
 * @param {number} visitor the visitor's number
 * @returns {Record<string, any>}
 */
export function newSessionData(visitor) {
  return JSON.parse(template.replaceAll('{visitor}', String(visitor)))
}

const pages = ['search?q=woollen+jumper', 'category/men/knitwear', 'product/100001', 'product/100003', 'cart', 'help']

const template = JSON.stringify({
  name: visitorName('{visitor}'),
  changes: 0,
  locale: 'en-GB',
  csrfToken: 'b1946ac92492d2347c6235b4d2611184-{visitor}',
  user: { id: 'user-{visitor}', email: 'visitor-{visitor}@example.com', roles: ['customer', 'reviewer', 'newsletter'] },
  cart: { currency: 'GBP', items: Array.from({ length: FIRST_ITEMS }, (_, index) => cartItem(index + 1)) },
  preferences: { theme: 'dark', density: 'compact', currency: 'GBP', timeZone: 'Europe/London', pageSize: 24 },
  recentPages: pages.map((page) => `https://shop.example.com/${page}?visitor={visitor}`),
  address: { street: '{visitor} Long Meadow Lane', city: 'Shrewsbury', postcode: 'SY1 1AA', country: 'GB' },
  experiments: { checkout: 'two-step', ranking: 'b', banner: 'off', recommendations: 'model-7' },
  referrer: 'https://search.example.org/?q=grey+woollen+jumper+machine+washable&from={visitor}',
  signedInAt: 1_760_000_000_000,
  notes: 'Leave the parcel with the neighbour at number {visitor} if nobody opens the door. '.repeat(5),
})
