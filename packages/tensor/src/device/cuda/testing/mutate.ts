/** Kernels with one thing made wrong, for tests that have to notice it. */

/** Replaces the `which`-th place, counted from 0, and fails where there is none. */
export const change =
  (pattern: string | RegExp, to: string | ((found: string) => string), which = 0) =>
  (text: string): string => {
    let seen = 0
    const changed = text.replace(
      typeof pattern === 'string' ? new RegExp(pattern.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'g') : pattern,
      (found: string) => (seen++ !== which ? found : typeof to === 'string' ? to : to(found)),
    )
    if (changed === text) throw new Error(`nothing to change: ${String(pattern)}`)
    return changed
  }
export const remove = (pattern: string | RegExp, which = 0): ((text: string) => string) => change(pattern, '', which)
