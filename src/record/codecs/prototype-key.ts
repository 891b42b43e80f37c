/**
 * The key that turns harmless data into another prototype as soon as somebody merges it into an object.
 * No codec hands it out.
 */
export const PROTOTYPE_KEY = '__proto__'

/** Takes the key out of one object, if it is there. */
export function removePrototypeKey(value: object): void {
  if (Object.hasOwn(value, PROTOTYPE_KEY)) Reflect.deleteProperty(value, PROTOTYPE_KEY)
}
