import { checkDocument, type Document } from '../document.js'

/**
 * Documents that are at hand, checked at once.
 *
 * Errors: DOCUMENT and NOT_TEXT, as {@link checkDocument}.
 *
 * @example
 * await rag.sync(documents([{ id: 'notes/1', text: 'Whales are mammals.', metadata: { year: 1851 } }]))
 */
export function documents(items: Iterable<Document>): readonly Document[] {
  return Array.from(items, checkDocument)
}
