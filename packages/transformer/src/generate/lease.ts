/** Memory that several look at, given back when the last has turned away. */
export interface Lease extends Disposable {
  /** For one more. */
  share(): Lease
  /** Ends once for each. */
  end(): void
}

/** Of the one who has the memory now. */
export function leaseOf(memory: { dispose(): void }): Lease {
  let holders = 1
  const lease: Lease = {
    share() {
      holders++
      return lease
    },
    end() {
      if (--holders === 0) memory.dispose()
    },
    [Symbol.dispose]: () => lease.end(),
  }
  return lease
}
