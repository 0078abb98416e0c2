import { throwIfAborted } from '@tesserae/core'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Document, LazyDocument, Metadata } from '../../document.js'
import { RagError } from '../../errors.js'
import { compareCodePoints } from '../../order.js'
import { globMatcher } from '../glob.js'
import { decodeText } from '../text.js'

export interface DirectoryOptions {
  /** Globs of the files to take, by their path inside the folder; default Markdown and text: `**` + `/*.{md,mdx,markdown,txt,text}`. */
  readonly include?: readonly string[]
  /** Globs of what to leave out, folders too. `node_modules` and names that begin with a dot are left out anyway. */
  readonly exclude?: readonly string[]
  /** Put before each path to make the id, for several folders in one index; default none. */
  readonly prefix?: string
  /** Metadata of a file beside its own: `path`, `extension` and `folder`. */
  readonly metadata?: (path: string) => Metadata
  /** Read `.md`, `.mdx` and `.markdown` with their headings, which needs the packages of `@tesserae/rag/markdown`. Default true. */
  readonly markdown?: boolean
  /** Larger files are refused; default 16 MiB. */
  readonly maxBytes?: number
}

/**
 * The text files below a folder, in the order of their paths; the id of each is its path inside the folder, with `/`. Links to files are followed,
 * links to folders are not.
 *
 * Errors: DOCUMENT when the folder is not there or a file is too large; NOT_TEXT for a file that is not text, by name, when its turn comes.
 *
 * @example
 * await rag.sync(directory('./docs', { exclude: ['drafts/**'] }), { mode: 'full' })
 */
export function directory(path: string, options: DirectoryOptions = {}): AsyncIterable<LazyDocument> {
  const { include = ['**/*.{md,mdx,markdown,txt,text}'], exclude = [] } = options
  const included = include.map(globMatcher)
  const excluded = exclude.map(globMatcher)
  const isExcluded = (name: string) => excluded.some((matches) => matches(name) || matches(`${name}/`))
  return {
    async *[Symbol.asyncIterator]() {
      for await (const name of walk(path, '', isExcluded))
        if (included.some((matches) => matches(name)))
          yield { id: `${options.prefix ?? ''}${name}`, load: ({ signal } = {}) => load(path, name, options, signal) }
    },
  }
}

async function* walk(root: string, folder: string, isExcluded: (name: string) => boolean): AsyncGenerator<string> {
  let entries
  try {
    entries = await readdir(join(root, folder), { withFileTypes: true })
  } catch (cause) {
    throw new RagError('DOCUMENT', `The folder ${join(root, folder)} cannot be read: ${(cause as Error).message}`, { cause })
  }
  for (const entry of entries.sort((a, b) => compareCodePoints(a.name, b.name))) {
    const name = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.name.startsWith('.') || entry.name === 'node_modules' || isExcluded(name)) continue
    if (entry.isDirectory()) yield* walk(root, name, isExcluded)
    else if (entry.isFile() || (entry.isSymbolicLink() && (await isFile(join(root, name))))) yield name
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch {
    return false // a link that leads nowhere
  }
}

async function load(root: string, name: string, options: DirectoryOptions, signal: AbortSignal | undefined): Promise<Document> {
  throwIfAborted(signal, 'Reading files')
  const path = join(root, name)
  const { maxBytes = 16 * 2 ** 20, prefix = '' } = options
  let bytes
  try {
    const { size } = await stat(path)
    if (size > maxBytes)
      throw new RagError(
        'DOCUMENT',
        `${path} has ${size} bytes, more than maxBytes (${maxBytes}). Split it, leave it out, or raise maxBytes`,
      )
    bytes = await readFile(path, { signal })
  } catch (cause) {
    throwIfAborted(signal, 'Reading files')
    if (RagError.isInstance(cause)) throw cause
    throw new RagError('DOCUMENT', `${path} cannot be read: ${(cause as Error).message}`, { cause })
  }
  const slash = name.lastIndexOf('/')
  const extension = /\.([^./]+)$/.exec(name)?.[1]?.toLowerCase() ?? ''
  const metadata = { path: name, folder: slash < 0 ? '' : name.slice(0, slash), extension, ...options.metadata?.(name) }
  const document: Document = { id: `${prefix}${name}`, text: decodeText(bytes, path), metadata }
  if (options.markdown === false || !['md', 'mdx', 'markdown'].includes(extension)) return document
  return (await markdownReader())(document)
}

async function markdownReader(): Promise<(document: Document) => Document> {
  try {
    return (await import('../markdown.js')).markdown
  } catch (cause) {
    throw new RagError(
      'OPTION',
      'Reading Markdown with its headings needs three packages: npm install mdast-util-from-markdown mdast-util-gfm micromark-extension-gfm. ' +
        'With { markdown: false } it is read as plain text',
      { cause },
    )
  }
}
