import { readdirSync, readFileSync } from 'node:fs'
import { parseTopics, type Topic } from '../src/chat-data/topics.js'

/** The topics that were written for the chat model; data/README.md says of what and by whom. */
export function topics(): Topic[] {
  const folder = new URL('../data/topics/', import.meta.url)
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl'))
    .toSorted()
    .flatMap((name) => parseTopics(readFileSync(new URL(name, folder), 'utf8'), name))
}
