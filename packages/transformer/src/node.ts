/** `@tesserae/transformer/node`: models, adapters and training checkpoints on disk. */
export { replaceText } from './checkpoints/node/files.js'
export { loadGguf, loadLlama2c, loadModel, saveModel, type LoadModelOptions } from './checkpoints/node/model.js'
export { loadTraining, saveTraining } from './train/node/checkpoint.js'
export { loadLora, saveLora } from './adapters/node/lora.js'
export { loadEncoder, saveEncoder } from './embed/node/files.js'
