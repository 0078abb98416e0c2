/** Texts that experiments begin with. */
export const shells = `She sells sea shells by the sea shore. The shells she sells are sea shells, I am sure.
So if she sells shells on the sea shore, then I am sure she sells sea shore shells.
A sailor went to sea to see what he could see, and all that he could see was sea, sea, sea.`

export const documents = [
  {
    name: 'lighthouse.md',
    text: `# The lighthouse at Skerry Point

The lighthouse at Skerry Point was first lit on 4 November 1871. Its lamp burned whale oil until 1889, when it was changed to paraffin. The tower is 41 metres high and has 203 steps.

## Keepers

Three keepers lived at the station at any time. The first principal keeper was Ann Tolliver, who served for twenty-six years. The station was automated in 1984, and no keeper has lived there since.`,
  },
  {
    name: 'ferry.md',
    text: `# The ferry

The ferry to the island runs from April to October, four times a day. A single ticket costs 7.50; bicycles travel free. When the wind is above force 7 the ferry does not sail, and tickets are refunded at the harbour office.

## Luggage

Each passenger may bring two pieces of luggage. Dogs travel on the lower deck and must be on a lead.`,
  },
] as const
