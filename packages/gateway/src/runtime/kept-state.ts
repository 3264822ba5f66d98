/** State of plugin instances that outlives a reload, by instance id (architecture §2, "process-lived"). */
export class KeptState {
  readonly #byInstance = new Map<string, Map<string, unknown>>()

  /** The value kept under `key` for this instance, made on first use. A key always holds one type: its plugin's. */
  keep<T>(instanceId: string, key: string, create: () => T): T {
    let values = this.#byInstance.get(instanceId)
    if (values === undefined) this.#byInstance.set(instanceId, (values = new Map()))
    if (!values.has(key)) values.set(key, create())
    return values.get(key) as T
  }

  /** Forgets what belongs to instances that are no longer configured. */
  retain(instanceIds: ReadonlySet<string>): void {
    for (const id of this.#byInstance.keys()) if (!instanceIds.has(id)) this.#byInstance.delete(id)
  }
}
