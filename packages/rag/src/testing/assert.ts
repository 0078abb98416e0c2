// Assertions that need no test runner, so that the same tests run in Node and in a page.

/** Throws unless both are structurally equal; undefined properties count as absent. */
export function assertEqual(actual: unknown, expected: unknown): void {
  const [a, b] = [canonical(actual), canonical(expected)]
  if (a !== b) throw new Error(`Expected ${b}\n but got ${a}`)
}

/** Throws unless the numbers differ by at most `tolerance`. */
export function assertNear(actual: readonly number[], expected: readonly number[], tolerance: number): void {
  const near = actual.length === expected.length && actual.every((x, i) => Math.abs(x - expected[i]!) <= tolerance)
  if (!near) throw new Error(`Expected ${JSON.stringify(expected)} ± ${tolerance}\n but got ${JSON.stringify(actual)}`)
}

/** Throws unless the condition holds. */
export function assertTrue(condition: boolean, what: string): void {
  if (!condition) throw new Error(`Expected ${what}`)
}

/** Throws unless the promise fails with an error of the given code, and returns that error. */
export async function assertRejects(promise: Promise<unknown>, code: string): Promise<unknown> {
  try {
    await promise
  } catch (error) {
    if ((error as { code?: unknown } | null)?.code === code) return error
    throw new Error(`Expected an error with code ${code}, but got ${String(error)}`, { cause: error })
  }
  throw new Error(`Expected an error with code ${code}, but it succeeded`)
}

/** JSON with sorted keys, that tells undefined in arrays from null. */
function canonical(value: unknown): string {
  if (value === undefined) return 'undefined'
  if (Array.isArray(value)) return `[${value.map(canonical).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined)
    return `{${entries
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => `${JSON.stringify(key)}: ${canonical(item)}`)
      .join(', ')}}`
  }
  return JSON.stringify(value)
}
