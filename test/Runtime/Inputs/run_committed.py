"""Runs bundles that were committed when their format was released.

    run_committed.py FOLDER EXAMPLES

FOLDER/format-N-NAME.attnb was made from EXAMPLES/NAME.mlir; its rows must still be
those that the models say (test/Integration/models.py).
"""

import pathlib
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "Integration"))

import paged_programs  # noqa: E402
from draw import Draw  # noqa: E402
from rows import TOLERANCE, worst_row  # noqa: E402
from runner import Runner  # noqa: E402


def check(bundle, examples):
    name = bundle.stem.split("-", 2)[2]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(bundle, pathlib.Path(folder) / f"{name}.attnb")
        runner = Runner(examples / f"{name}.mlir", folder, False)
        problem = getattr(paged_programs, name)(Draw(5, "needle", False))
        runner.take(problem.args)
        results = runner.run(name, len(problem.expected), "bundle", 2, 3)
        worst, i, row = worst_row(results, problem.expected, problem.logs)
        print(f"{bundle.name}: worst row {worst:.2e} (result {i} row {row})")
        return worst <= TOLERANCE


def main():
    folder, examples = map(pathlib.Path, sys.argv[1:])
    bundles = sorted(folder.glob("format-*.attnb"))
    if not bundles:
        sys.exit(f"no bundle lies in {folder}")
    sys.exit(0 if all([check(bundle, examples) for bundle in bundles]) else 1)


main()
