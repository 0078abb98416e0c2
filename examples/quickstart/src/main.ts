import { defaultDevice } from '@tesserae/tensor'
import { readOptions } from './options.js'
import { road } from './road.js'
import { runRoad } from './runner.js'
import { clock, terminal } from './terminal.js'

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if ('help' in options) {
    ;(options.failed ? console.error : console.log)(options.help)
    return options.failed ? 2 : 0
  }
  const ui = terminal()
  const abort = new AbortController()
  process.once('SIGINT', () => {
    ui.line('\n   stopping (again to quit at once)')
    abort.abort()
  })
  const start = performance.now()
  ui.line('Tesserae quickstart: from a book to a model that was aligned to rankings, and an answer from documents.')
  ui.line(`Runs on ${(await defaultDevice()).description}.`)
  try {
    await runRoad(road, options, ui, abort.signal)
    ui.line(
      `\nDone in ${clock((performance.now() - start) / 1000)}. Results are in ${options.out}, the code in examples/quickstart/src/stages.`,
    )
    return 0
  } catch (error) {
    ui.endStatus()
    if (abort.signal.aborted) {
      ui.line('   stopped. What has been finished is kept; go on with: npm run quickstart -- --resume')
      return 130
    }
    console.error(`\nquickstart: ${(error as Error).message}`)
    return 1
  }
}

process.exitCode = await main()
