/** Questions of the kind that the chat model was trained on, so that it has something to say. */
export const prompts: readonly string[] = [
  'What is a whale?',
  'Who is Captain Ahab?',
  'Tell me about the sea.',
  'What is a ship made of?',
  'Who is Ishmael?',
  'What do whales eat?',
  'What is a token?',
  'How are you?',
  'What can you do?',
  'Why do whales sing?',
  'What is a harpoon?',
  'Tell me about Queequeg.',
  'What is a language model?',
  'How big is a blue whale?',
  'What is the Pequod?',
  'Do whales sleep?',
]

/** Asked of both models after training. */
export const probes: readonly string[] = ['What is a whale?', 'Who is Captain Ahab?', 'What is a language model?', 'Tell me about the sea.']
