"""Build the wheel with the C extension and the one without, and test both in clean environments.

    python tests/wheels.py [--output dist] [--python python3.11 ...]

Each environment gets one wheel, NumPy and SciPy, which is all that prediction needs, and what the
tests need. By default, the Pythons are 3.11 and the newest later one that runs here.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
NEWEST_FIRST = [f"python3.{minor}" for minor in range(16, 11, -1)]
PREDICTS = """
import sys
from skdistill.serving import CompiledClassifier
served = CompiledClassifier.load(sys.argv[1])
assert repr(served).endswith(f", {sys.argv[2]})"), served
answers = served.predict(["warm soup", "a fast train", "Größe"])
print(sys.version.split()[0], served, answers.tolist())
"""


def run(*command, **variables):
    """Run a command outside the source tree, and return what it prints."""
    with tempfile.TemporaryDirectory() as elsewhere:
        done = subprocess.run(
            [*map(str, command)],
            cwd=elsewhere,
            env=os.environ | {"PYTHONPATH": ""} | variables,
            stdout=subprocess.PIPE,
            text=True,
        )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}")
    return done.stdout


def runs(python):
    """Return whether an interpreter is installed; pyenv's are stubs where they are not chosen."""
    command = [python, "-c", "import venv"]
    return (
        bool(shutil.which(python)) and not subprocess.run(command, capture_output=True).returncode
    )


def build(folder, native):
    """Build a wheel, and return its file."""
    with tempfile.TemporaryDirectory() as made:
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet")
        run(*pip, "--no-deps", "--wheel-dir", made, ROOT, SKDISTILL_BUILD_NATIVE=native)
        (wheel,) = Path(made).iterdir()
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(wheel, folder / wheel.name))


def check(python, wheel, engine):
    """Install a wheel into a clean environment, and let it predict."""
    with tempfile.TemporaryDirectory() as folder:
        run(python, "-m", "venv", folder)
        inside = Path(folder, "Scripts" if os.name == "nt" else "bin", "python")
        pip = (inside, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
        run(*pip, "numpy", "scipy", "joblib", "pytest", "hypothesis", "hatchling", "setuptools")
        run(*pip, "--no-deps", wheel)
        model = ROOT / "tests/runtime/data/before_folders_mlp.skd"
        print(run(inside, "-c", PREDICTS, model, engine), end="")
        if engine == "native":
            tests = [ROOT / "tests/runtime" / name for name in ("test_native.py", "test_kernel.py")]
            options = ("-q", "-p", "no:cacheprovider", "--noconftest", "-o", "addopts=")
            shown = run(inside, "-m", "pytest", *options, *tests, PYTHONPATH=str(ROOT / "tests"))
            print(shown.splitlines()[-1])


def main():
    """Build and check."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    parser.add_argument("--python", nargs="+")
    options = parser.parse_args()
    newest = next(filter(runs, NEWEST_FIRST), None)
    pythons = options.python or [name for name in ("python3.11", newest) if name and runs(name)]
    wheels = {"native": build(options.output, "1"), "NumPy": build(options.output, "0")}
    for wheel in wheels.values():
        print(f"{wheel.name}: {wheel.stat().st_size / 1000:.0f} kB")
    for python in pythons:
        for engine, wheel in wheels.items():
            check(python, wheel, engine)


if __name__ == "__main__":
    main()
