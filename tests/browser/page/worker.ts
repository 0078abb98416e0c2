import { checks } from './checks.js'
import type { CheckReply, CheckRequest } from './protocol.js'

const scope = globalThis as unknown as { onmessage: (event: MessageEvent<CheckRequest>) => void; postMessage(reply: CheckReply): void }

scope.onmessage = ({ data: { id, name, input } }) => {
  const check = checks[name] as (input: unknown) => Promise<unknown>
  check(input).then(
    (output) => scope.postMessage({ id, output }),
    (error: unknown) => scope.postMessage({ id, error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) }),
  )
}
