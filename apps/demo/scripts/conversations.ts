import { readFileSync } from 'node:fs'
import { parseRows, type ConversationRow } from '@tesserae/rlhf'

/** The conversations that were written for this project; examples/quickstart/data/README.md says of what and by whom. */
export function conversations(): ConversationRow[] {
  const path = new URL('../../../examples/quickstart/data/conversations.jsonl', import.meta.url)
  return parseRows(readFileSync(path, 'utf8'), 'sft').filter((row) => 'messages' in row)
}
