"""Runs onnx.checker over the models that write-models.ts wrote and records the result.

    npx tsx --conditions=@tesserae/source tools/onnx/write-models.ts /tmp/models
    pip install onnx && python tools/onnx/check-models.py /tmp/models tools/onnx/check-result.json

Every model is checked; those that use only standard operators also by strict shape and type inference. Operators of
com.microsoft are ONNX Runtime's own, of which onnx knows no schema.
"""

import collections
import json
import pathlib
import sys

import onnx
import onnx.checker

folder, target = map(pathlib.Path, sys.argv[1:3])
failures = []
per_op = collections.Counter()
operators = collections.Counter()
strict = 0
for path in sorted(folder.glob("*.onnx")):
    model = onnx.load(path, load_external_data=False)
    for node in model.graph.node:
        operators[f"{node.domain}.{node.op_type}" if node.domain else node.op_type] += 1
    standard = all(not node.domain for node in model.graph.node)
    strict += standard
    per_op[path.stem.split(" ")[1]] += 1
    try:
        onnx.checker.check_model(str(path), full_check=standard)
    except Exception as error:  # the checker raises several unrelated types
        failures.append({"model": path.stem, "error": str(error).splitlines()[0]})

result = {
    "onnx": onnx.__version__,
    "models": sum(per_op.values()),
    "checkedWithShapeInference": strict,
    "failures": failures,
    "modelsPerOperation": dict(sorted(per_op.items())),
    "operatorsUsed": dict(sorted(operators.items())),
}
target.write_text(json.dumps(result, indent=2) + "\n")
print(f"{result['models']} models, {len(failures)} failures")
for failure in failures[:40]:
    print(failure["model"], "|", failure["error"])
sys.exit(1 if failures else 0)
