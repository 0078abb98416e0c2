/** `@tesserae/transformer/node`: models and training checkpoints on disk. */
export { loadLlama2c, loadModel, saveModel } from './checkpoints/node/model.js'
export { loadTraining, saveTraining } from './train/node/checkpoint.js'
