/** The rooms, and which one the address names: `#/train`. A hash, because any static host can serve it. */
import { onScopeDispose, shallowRef, type ShallowRef } from 'vue'

export interface Room {
  readonly name: RoomName
  readonly title: string
  /** Where there is little room. */
  readonly short: string
  readonly lead: string
}

export type RoomName = 'tokenizer' | 'train' | 'chat' | 'align' | 'documents'

export const rooms: readonly Room[] = [
  {
    name: 'tokenizer',
    title: 'Tokenizer',
    short: 'Tokens',
    lead: 'Models read pieces, not letters. Type, and see your text cut the way this vocabulary cuts it.',
  },
  {
    name: 'train',
    title: 'Train',
    short: 'Train',
    lead: 'A transformer with random weights learns a book in this tab. Nothing leaves your machine.',
  },
  {
    name: 'chat',
    title: 'Chat',
    short: 'Chat',
    lead: 'Talk with a model of two million parameters, and watch it weigh every next token.',
  },
  {
    name: 'align',
    title: 'Align',
    short: 'Align',
    lead: 'Say which of two answers you like better. The model learns to prefer what you prefer.',
  },
  {
    name: 'documents',
    title: 'Documents',
    short: 'Docs',
    lead: 'Ask your own files. Every sentence of the answer points at the words it comes from.',
  },
]

const roomOf = (hash: string): Room => rooms.find(({ name }) => hash === `#/${name}`) ?? rooms[0]!

/** The room that the address names, kept up to date. */
export function useRoom(): Readonly<ShallowRef<Room>> {
  const room = shallowRef(roomOf(location.hash))
  const update = (): void => void (room.value = roomOf(location.hash))
  addEventListener('hashchange', update)
  onScopeDispose(() => removeEventListener('hashchange', update))
  return room
}
