"""Change the code in one place at a time, and list the changes that no test notices.

``make mutants`` tries a seeded sample of changes, one after the other, in a copy of the tree.
Results are appended to ``.mutants.jsonl``, so that an interrupted run resumes. Changes that cannot
matter are listed in ``equivalent_mutants.txt`` with the reason.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from mutations import Mutant, mutants_of

ROOT = Path(__file__).parents[1]
PACKAGE = Path("src/skdistill")
# The modules to change, and the tests to run after those in the file named after the module.
SUITES = {
    "metrics/_*.py": ["metrics"],
    "labelling/_*.py": ["labelling"],
    "runtime/_*.py": ["runtime", "test_serving.py", "onnx", "students/test_multilabel.py"],
    "students/training/_*.py": ["students/training", "students/test_student.py"],
    "selection/_*.py": ["selection"],
    "storage/_*.py": ["storage"],
    "students/_cascade.py": ["students/test_cascade.py"],
    "students/cascade/_*.py": ["students/test_cascade.py", "students/test_cascade_folder.py"],
    "augment/_*.py": ["augment"],
    "_core/label*.py": ["core", "metrics", "students/test_gold_labels.py"],
}
PRELOADED = ["pandas", "pytest", "scipy.stats", "sklearn.pipeline", "skorch", "torch"]
FATES = ["killed", "timeout", "survived", "equivalent"]
TARGET = 0.95


def sample(package: Path, wanted: list[str], seed: int, size: int) -> list[Mutant]:
    """Draw mutants of the wanted modules, so that a change elsewhere does not change the draw."""
    files = [file for pattern in SUITES for file in package.glob(pattern)]
    paths = [file.relative_to(package) for file in files if any(w in str(file) for w in wanted)]
    found = [mutant for path in paths for mutant in mutants_of(path, (package / path).read_text())]
    return sorted(found, key=lambda mutant: sha256(f"{seed} {mutant.label}".encode()).digest())[
        :size
    ]


def suite_of(module: Path, tests: Path) -> list[str]:
    """Return the files of tests for a module, its own first."""
    names = next(names for pattern, names in SUITES.items() if module.match(pattern))
    there = [tests / name for name in names]
    files = [file for at in there for file in ([at] if at.is_file() else at.rglob("test_*.py"))]
    own = f"test_{module.stem.lstrip('_')}.py"
    return [str(file) for file in sorted(files, key=lambda file: file.name != own)]


def run_pytest(tree: Path, suite: list[str]) -> None:
    """Run tests until the first failure, and exit with pytest's status."""
    os.setsid()
    os.chdir(tree)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    sys.path.insert(0, str(tree / "src"))
    status = importlib.import_module("pytest").main(["-x", "-q", "-p", "no:cacheprovider", *suite])
    # Without waiting for Loky's idle processes, which end after five minutes.
    os._exit(int(status))


def fate_of_tests(tree: Path, suite: list[str], timeout: float | None = None) -> str:
    """Return how tests end in a fork of this process, which has imported the slow packages."""
    process = multiprocessing.get_context("fork").Process(target=run_pytest, args=(tree, suite))
    process.start()
    try:
        process.join(timeout)
        return "timeout" if process.is_alive() else "killed" if process.exitcode else "survived"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def write(file: Path, source: str) -> None:
    """Write a module; Python would not notice if bytecode is older than the same second."""
    file.write_text(source, encoding="utf-8")
    Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)


def fate_of(mutant: Mutant, tree: Path, limits: dict[str, float]) -> str:
    """Run the tests of a mutant's module, which must pass without the change."""
    suite, file = suite_of(mutant.path, tree / "tests"), tree / PACKAGE / mutant.path
    if not limits:
        for name in PRELOADED:
            importlib.import_module(name)
    if str(sorted(suite)) not in limits:
        start = time.perf_counter()
        if fate_of_tests(tree, suite) != "survived":
            raise SystemExit(f"The tests of {mutant.path} fail without a change.")
        limits[str(sorted(suite))] = 30 + 3 * (time.perf_counter() - start)
    original = file.read_text(encoding="utf-8")
    try:
        write(file, mutant.source)
        return fate_of_tests(tree, suite, limits[str(sorted(suite))])
    finally:
        write(file, original)


def report(table: dict[str, Counter[str]]) -> int:
    """Print the mutants' fates by module; return 1 if too many survived."""
    total = sum(table.values(), Counter())
    print(f"\n{'module':36}" + "".join(f"{fate:>12}" for fate in FATES))
    for name, counts in [*sorted(table.items()), ("all", total)]:
        print(f"{name:36}" + "".join(f"{counts[fate]:12}" for fate in FATES))
    noticed = total["killed"] + total["timeout"]
    share = noticed / max(1, noticed + total["survived"])
    print(f"\nThe tests noticed {share:.1%}; they should notice {TARGET:.0%}.")
    return int(share < TARGET)


def main() -> int:
    """Try a sample of mutants, and print those that survive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wanted", nargs="*", default=[""], help="parts of the modules' paths")
    parser.add_argument("--size", type=int, default=150, help="number of mutants")
    parser.add_argument("--seed", type=int, default=0, help="chooses the sample")
    parser.add_argument("--again", action="store_true", help="try earlier survivors once more")
    options = parser.parse_args()
    if not [*(ROOT / PACKAGE / "runtime").glob("_native*.so")]:
        parser.error("the kernel is not compiled here, so its tests would be skipped; see Makefile")
    results = ROOT / ".mutants.jsonl"
    results.touch()
    known = dict(json.loads(line) for line in results.read_text().splitlines())
    equivalent = Path(__file__).with_name("equivalent_mutants.txt").read_text().splitlines()
    limits: dict[str, float] = {}
    table: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder, results.open("a") as log:
        tree = Path(folder).resolve()
        for name in ("src", "tests"):
            shutil.copytree(ROOT / name, tree / name)
        for name in ("pyproject.toml", "hatch_build.py"):
            shutil.copy(ROOT / name, tree)
        os.environ |= {"PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"}
        for mutant in sample(tree / PACKAGE, options.wanted, options.seed, options.size):
            key = sha256(f"{mutant.path}{mutant.source}".encode()).hexdigest()[:16]
            fate = "equivalent" if mutant.label in equivalent else known.get(key)
            if fate is None or (options.again and fate == "survived"):
                fate = fate_of(mutant, tree, limits)
                print(json.dumps([key, fate]), file=log, flush=True)
            if fate == "survived":
                print(f"line {mutant.line} of {mutant.label}", flush=True)
            table.setdefault(str(mutant.path), Counter())[fate] += 1
    return report(table)


if __name__ == "__main__":
    sys.exit(main())
