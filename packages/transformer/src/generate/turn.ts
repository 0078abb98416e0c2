/** Longest time, in milliseconds, for which a loop of awaited steps keeps the event loop from turning. */
const longest = 10

/**
 * A loop whose steps all end at once only ever yields to microtasks: timers, input and aborts would wait for its end. The
 * returned function lets the event loop turn when it has not for 10 ms.
 */
export function turns(): () => Promise<void> {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < longest) return
    await new Promise<void>((resolve) => {
      if (typeof setImmediate === 'function') setImmediate(resolve)
      else setTimeout(resolve, 0)
    })
    last = performance.now()
  }
}
