import { readFileSync } from 'node:fs'
import type { Message } from '../src/lib/conversation.js'

/** The conversations that were written for this project; examples/quickstart/data/README.md says of what and by whom. */
export function conversations(): (readonly Message[])[] {
  const path = new URL('../../../examples/quickstart/data/conversations.jsonl', import.meta.url)
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => (JSON.parse(line) as { messages: Message[] }).messages)
}
