import { defaultDevice } from '@tesserae/tensor'
import { book } from './book.js'
import { readOptions } from './options.js'
import { makeTokenizer, pretrain, write } from './stages.js'
import { terminal } from './terminal.js'

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if ('help' in options) {
    ;(options.failed ? console.error : console.log)(options.help)
    return options.failed ? 2 : 0
  }
  const ui = terminal()
  const abort = new AbortController()
  process.once('SIGINT', () => {
    ui.line('\n   stopping after this step (again to quit at once)')
    abort.abort()
  })
  const start = performance.now()
  const text = book()
  ui.line('Tesserae quickstart: a tokenizer and a transformer learn Moby-Dick, then write.')
  ui.line(`Runs on ${(await defaultDevice()).description}.`)
  try {
    const tokenizer = await makeTokenizer(text, options, ui, abort.signal)
    const trained = await pretrain(text, tokenizer, options, ui, abort.signal)
    if (trained === undefined) return 130
    await write(tokenizer, trained, options, ui, abort.signal)
    ui.line(`\nDone in ${((performance.now() - start) / 1000).toFixed(0)} s. The code: examples/quickstart/src/stages.ts`)
    return 0
  } catch (error) {
    ui.endStatus()
    if (abort.signal.aborted) {
      ui.line('   stopped')
      return 130
    }
    console.error(`\nquickstart: ${(error as Error).message}`)
    return 1
  }
}

process.exitCode = await main()
