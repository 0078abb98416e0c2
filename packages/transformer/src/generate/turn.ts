/** Longest time, in milliseconds, for which a loop of awaited steps keeps the event loop from turning. */
const longest = 10

/** Resolves when everybody else who is ready has had a turn of the event loop. */
export function turned(): Promise<void> {
  return new Promise((resolve) => {
    if (typeof setImmediate === 'function') return void setImmediate(resolve)
    // Timers of browsers wait for 4 ms once they are nested; messages do not.
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(undefined)
  })
}

/**
 * A loop whose steps all end at once only ever yields to microtasks: timers, input and aborts would wait for its end. The
 * returned function lets the event loop turn when it has not for 10 ms.
 */
export function turns(): () => Promise<void> {
  let last = performance.now()
  return async () => {
    if (performance.now() - last < longest) return
    await turned()
    last = performance.now()
  }
}

/** A timer that keeps no process alive. */
export function later(what: () => void, milliseconds: number): ReturnType<typeof setTimeout> {
  const timer = setTimeout(what, milliseconds)
  ;(timer as { unref?: () => void }).unref?.()
  return timer
}
