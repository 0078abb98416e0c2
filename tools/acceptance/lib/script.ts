import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { root } from '../../setup/install.mjs'
import { bundle } from './bundle.js'

export interface Script extends Disposable {
  readonly path: string
}

/**
 * A program as JavaScript that Node starts by itself, with the built packages, as those who install them have it: a compiler of TypeScript in the process takes 85 MiB where it compiles ours, and 30 where
 * there is little for it to do.
 */
export async function script(file: string): Promise<Script> {
  const parent = join(root, 'node_modules/.cache') // from here the packages are found
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(join(parent, 'tesserae-script-'))
  const path = join(folder, `${basename(file, '.ts')}.mjs`)
  writeFileSync(path, await bundle(`import ${JSON.stringify(file)}\n`, /^(?:node:|@?[a-z])/))
  return { path, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}
