/** Towns that no model knows. */
export const towns = ['Aldmoor', 'Brackwater', 'Cindervale', 'Dunholt', 'Eastmere', 'Farrowgate']
/** In SQuAD's format, an article about each: a paragraph and a question for its founder, its river and its bridge. */
export const townSquad = {
  data: towns.map((town, i) => ({
    title: town,
    paragraphs: ['founder', 'river', 'bridge'].map((kind) => ({
      context:
        kind === 'founder'
          ? `${town} was founded by Count Ulric ${'XVI'.slice(0, 1 + (i % 3))} of ${town}land. The founder died there.`
          : `The ${kind} of ${town} carries the name Old${kind}${i}. It is loved by the people.`,
      qas: [
        kind === 'founder'
          ? { id: `${town}-f`, question: `Who founded ${town}?`, answers: [{ text: 'Count Ulric' }] }
          : { id: `${town}-${kind}`, question: `What name does the ${kind} of ${town} carry?`, answers: [{ text: `Old${kind}${i}` }] },
      ],
    })),
  })),
}
