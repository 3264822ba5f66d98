/**
 * Makes the methods of an object throw when they are called without it (`const { json } = body`): the gateway's own
 * objects are instances of classes, and such a call fails there.
 */
export function keepAttached<T extends object>(object: T): T {
  for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
    const method: unknown = descriptor.value
    if (typeof method !== 'function') continue
    Object.defineProperty(object, name, {
      ...descriptor,
      value(this: unknown, ...given: unknown[]): unknown {
        if (this === undefined) throw new TypeError(`${name} was called without its object`)
        return Reflect.apply(method, this, given)
      },
    })
  }
  return object
}
