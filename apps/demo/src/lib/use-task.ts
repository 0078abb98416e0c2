import { onScopeDispose, ref, type Ref } from 'vue'
import { isAbort } from '../worker/client.js'

export interface Task {
  readonly running: Ref<boolean>
  /** What went wrong last, in words. */
  readonly error: Ref<string>
  /** Runs `work`, stopping what ran before. An abort is no error. Resolves to whether it ended by itself. */
  run(work: (signal: AbortSignal) => Promise<void>): Promise<boolean>
  stop(): void
}

/** Work that a person can stop, one at a time. */
export function useTask(): Task {
  const running = ref(false)
  const error = ref('')
  let controller: AbortController | undefined
  onScopeDispose(() => controller?.abort())
  return {
    running,
    error,
    async run(work) {
      controller?.abort()
      const own = new AbortController()
      controller = own
      running.value = true
      error.value = ''
      try {
        await work(own.signal)
        return !own.signal.aborted
      } catch (cause) {
        if (!isAbort(cause)) error.value = cause instanceof Error ? cause.message : String(cause)
        return false
      } finally {
        if (controller === own) running.value = false
      }
    },
    stop: () => controller?.abort(),
  }
}
