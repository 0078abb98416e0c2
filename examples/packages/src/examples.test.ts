import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { expect, it } from 'vitest'

/** Lines that each program must print, in this order. */
const expected: Record<string, readonly RegExp[]> = {
  core: [
    /^order of batch 0: (?=.*0)(?=.*5)[0-5]( [0-5]){5}$/m,
    /^resumed stream repeats itself: true$/m,
    /^ABORTED: Training was aborted by its signal \(the tab was closed\)$/m,
    /^parrot says: hello hello \(stop, 2 tokens\)$/m,
  ],
  tokenizer: [
    /^\d+ tokens, the last of them special: <\|end\|>$/m,
    /^zebra: "z" /m,
    /^refused: .*<\|end\|>/m,
    /^streamed: .*"🐋"/m,
    /^the same after saving and loading: true$/m,
  ],
  sampling: [
    /^temperature 0\.5: .*whale/m,
    /^top-p 0\.7: .*biscuit 0 %$/m,
    /^greedy: .*whale 100 %/m,
    /^never twice in a row: /m,
    /saved state: true$/m,
  ],
  tensor: [/^step 1: loss 0\.\d+$/m, /^step 1000: loss 0\.0/m, /= 0 1 1 0$/m],
  transformer: [
    /^step 150: loss [0-2]\.\d+$/m,
    /^The whale went down, the ship went round, the captain never made a sound\./m,
    /^attention of the last token: "/m,
    /^streamed: The ship./m,
    /billion parameters/m,
  ],
}

it.each(Object.keys(expected))('%s runs and prints what it says', async (name) => {
  const { output, code } = await run(name)
  expect(code, output).toBe(0)
  let rest = output
  for (const pattern of expected[name]!) {
    const found = pattern.exec(rest)
    expect(found, `${pattern} in:\n${rest}`).not.toBeNull()
    rest = rest.slice(found!.index + found![0].length)
  }
  if (name === 'sampling') {
    const tale = /^never twice in a row: (.*)$/m
      .exec(output)![1]!
      .split(' ')
      .filter((_, i) => i % 2 === 0)
    tale.forEach((word, i) => expect(word).not.toBe(tale[i - 1]))
  }
})

/** Runs one program from source, as `npm run` would from the built packages. */
function run(name: string): Promise<{ readonly output: string; readonly code: number | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', '--conditions=@tesserae/source', join(import.meta.dirname, `${name}.ts`)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve({ output, code }))
  })
}
