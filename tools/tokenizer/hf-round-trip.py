"""Loads tokenizers that this package wrote and compares their ids (offsets, decoding) with those in the files beside them.

    python tools/tokenizer/hf-round-trip.py FOLDER       (NAME.json with {cases: [{text, ids, offsets?, decoded?}]}, NAME.ours from toJSON)

Prints {"version": …, "different": {name: number of texts}}.
"""
import json
import pathlib
import sys

import tokenizers
from tokenizers import Tokenizer

different = {}
for ours in sorted(pathlib.Path(sys.argv[1]).glob('*.ours')):
    fixture = json.loads(ours.with_suffix('.json').read_text())
    tokenizer = Tokenizer.from_str(ours.read_text())
    tokenizer.no_truncation()
    tokenizer.no_padding()
    count = 0
    for case in fixture['cases']:
        encoding = tokenizer.encode(case['text'])
        offsets = [position for pair in encoding.offsets for position in pair]
        # Some decoders of the library panic on nothing.
        decoded = tokenizer.decode(encoding.ids, skip_special_tokens=False) if encoding.ids else ''
        count += encoding.ids != case['ids'] or offsets != case.get('offsets', offsets) or decoded != case.get('decoded', decoded)
    different[ours.stem] = count
print(json.dumps({'version': tokenizers.__version__, 'different': different}))
