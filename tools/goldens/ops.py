"""Golden values of every operation, computed by PyTorch.

    pip install torch numpy
    python tools/goldens/ops.py

Writes packages/tensor/src/__fixtures__/goldens/*.json; `golden.py` says what is in them, and
packages/tensor/src/testing/goldens.test.ts runs them through our operations, forward and backward.
"""

import composites
import primitives

total = 0
for build in (*primitives.files, *composites.files):
    goldens = build()
    size = goldens.write()
    total += size
    print(f"{goldens.name}: {len(goldens.items)} goldens, {size} bytes")
print(f"{total} bytes in all")
