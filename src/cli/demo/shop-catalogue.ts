export interface Product {
  sku: string
  name: string
  /** In cents. */
  price: number
}

export const catalogue: readonly Product[] = [
  { sku: 'rope', name: 'Rope, 60 m', price: 14900 },
  { sku: 'anchor', name: 'Sand anchor', price: 4250 },
  { sku: 'pulley', name: 'Pulley', price: 2990 },
  { sku: 'cleat', name: 'Deck cleat', price: 1875 },
  { sku: 'shackle', name: 'Bow shackle', price: 990 },
  { sku: 'whistle', name: 'Whistle', price: 450 },
]

export function findProduct(sku: unknown): Product | undefined {
  return catalogue.find((product) => product.sku === sku)
}
