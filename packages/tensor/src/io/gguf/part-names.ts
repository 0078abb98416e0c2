/** What llama.cpp calls the files of a model that it splits. */
const partName = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/

/** The files that are a model together, in their order, by the name of any of them: `name-00001-of-00003.gguf` and so on. The name itself for others. */
export function ggufPartNames(fileName: string): readonly string[] {
  const [, name, , last] = partName.exec(fileName) ?? []
  const count = Number(last)
  if (name === undefined || count < 2) return [fileName]
  return Array.from({ length: count }, (_, i) => `${name}-${String(i + 1).padStart(5, '0')}-of-${last}.gguf`)
}
