import { openOurs } from './ours.js'
import { openTransformersJs } from './transformers-js.js'
import type { Contestant, Task } from './protocol.js'

const scope = globalThis as unknown as { onmessage: (event: MessageEvent<Task | number>) => void; postMessage(reply: unknown): void }

let contestant: Contestant | undefined

async function answer(question: Task | number): Promise<unknown> {
  if (typeof question === 'number') return contestant!.turn(question)
  const { loaded, ...opened } = await (question.runtime === 'ours' ? openOurs(question) : openTransformersJs(question))
  contestant = opened
  return loaded
}

scope.onmessage = ({ data }) => {
  answer(data).then(
    (value) => scope.postMessage({ answer: value }),
    (error: unknown) => scope.postMessage({ error: error instanceof Error ? `${error.message}\n${error.stack}` : String(error) }),
  )
}
