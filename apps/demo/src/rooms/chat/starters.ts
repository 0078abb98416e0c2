/** What the room suggests to say. */
export const starters: readonly [string, ...string[]] = ['Hello!', 'Who is Captain Ahab?', 'What is a token?', 'Tell me about whales.']
