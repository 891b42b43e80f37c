/*
 * Sessions of a shop as JSON values, so that every codec can take them, and the Avro schema of each attribute. They hold ids, numbers and
 * flags rather than texts: a text has the same bytes in every codec.
 */

const START = 1_760_000_000_000

const record = (name, fields) => ({
  type: 'record',
  name,
  fields: Object.entries(fields).map(([field, type]) => ({ name: field, type })),
})
const list = (items) => ({ type: 'array', items })
const choice = (name, ...symbols) => ({ type: 'enum', name, symbols })

export const schemas = {
  csrfToken: 'string',
  user: record('User', {
    id: 'long',
    name: 'string',
    email: 'string',
    roles: list(choice('Role', 'customer', 'reviewer', 'staff')),
    verified: 'boolean',
    signedInAt: 'long',
  }),
  cart: record('Cart', {
    currency: choice('Currency', 'EUR', 'GBP', 'USD'),
    items: list(
      record('Item', {
        productId: 'long',
        variantId: 'int',
        quantity: 'int',
        unitPriceCents: 'int',
        addedAt: 'long',
        isGift: 'boolean',
        warehouse: choice('Warehouse', 'north', 'south', 'abroad'),
      }),
    ),
  }),
  preferences: record('Preferences', {
    theme: choice('Theme', 'light', 'dark'),
    density: choice('Density', 'compact', 'comfortable'),
    pageSize: 'int',
    newsletter: 'boolean',
    timeZone: 'string',
  }),
  recentlyViewed: list(record('View', { productId: 'long', at: 'long' })),
}

/** By the size that they are known by. */
export const sessions = {
  'small, 300 bytes': session(1, 0),
  'usual, 2 KB': session(10, 10),
  'large, 50 KB': session(320, 150),
}

function session(items, views) {
  const whole = {
    csrfToken: 'b1946ac92492d2347c6235b4d2611184',
    user: {
      id: 4_711_042,
      name: 'Ada Lovelace',
      email: 'ada@example.com',
      roles: ['customer', 'reviewer'],
      verified: true,
      signedInAt: START,
    },
    cart: { currency: 'GBP', items: Array.from({ length: items }, (_, index) => item(index)) },
    preferences: { theme: 'dark', density: 'compact', pageSize: 24, newsletter: false, timeZone: 'Europe/London' },
    recentlyViewed: Array.from({ length: views }, (_, index) => ({
      productId: 900_000 + index * 37,
      at: START + index,
    })),
  }
  if (views > 0) return whole
  const { csrfToken, user, cart } = whole
  return { csrfToken, user: { ...user, roles: ['customer'] }, cart }
}

function item(index) {
  return {
    productId: 100_000 + index * 131,
    variantId: index % 7,
    quantity: 1 + (index % 3),
    unitPriceCents: 1995 + index * 50,
    addedAt: START + index * 61_000,
    isGift: index % 5 === 0,
    warehouse: index % 2 === 0 ? 'north' : 'south',
  }
}
