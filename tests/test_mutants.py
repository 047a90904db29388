import os
import shutil
import subprocess
import sys
from pathlib import Path

import mutants
from mutations import mutants_of

HERE = Path(__file__).parent
PACKAGE = HERE.parent / mutants.PACKAGE


def changes(source):
    found = mutants_of(Path("m.py"), source)
    return {mutant.label.removeprefix("m.py: ").split(" -> ")[1] for mutant in found}


def test_each_part_of_an_expression_is_changed_alone():
    assert changes("x = a < b and c is not d") == {
        "x = a <= b and c is not d",
        "x = a < b or c is not d",
        "x = a < b and c is d",
    }
    assert changes("x = -(a + 1.5) * b") == {
        "x = (a + 1.5) * b",
        "x = -(a - 1.5) * b",
        "x = -(a + 3.0) * b",
        "x = -(a + 1.5) / b",
    }
    assert changes("x = np.argmin(a) if c else min(a)") == {
        "x = np.argmax(a) if c else min(a)",
        "x = np.argmin(a) if not (c) else min(a)",
        "x = np.argmin(a) if c else max(a)",
    }
    assert changes("n += 2") == {"n -= 2", "n += 3"}
    assert changes("x = [é for é in s if not é]") == {
        "x = [é for é in s if not (not é)]",
        "x = [é for é in s if é]",
    }
    assert changes("def f(a=True):\n    return a") == {"def f(a=False):", "return None"}


def test_what_has_no_effect_stays():
    assert not changes("@d(frozen=True)\nclass C:\n    x: int | None\n")
    assert not changes("def f(a: int | str) -> bool | None:\n    g(a, strict=True)\n")
    assert not changes("raise ValueError(f'{a + 1} is below {b:.3f}')")
    assert not changes("if TYPE_CHECKING:\n    import a\n")
    assert not changes("def f():\n    '''Return 1.'''\n    return\n")
    assert changes("def f():\n    return False") == {"return True"}  # None is as false


def test_a_mutant_has_the_whole_module():
    (mutant, _) = mutants_of(Path("m.py"), "a = 'ü'\n\nb = a > 0  # c\n")
    assert (mutant.line, mutant.source) == (3, "a = 'ü'\n\nb = a >= 0  # c\n")


def test_changes_that_cannot_matter_are_those_of_today():
    lines = (HERE / "equivalent_mutants.txt").read_text(encoding="utf-8").splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    modules = {label.partition(":")[0] for label in listed}
    assert not listed - {mutant.label for mutant in mutants.sample(PACKAGE, modules, 0, 10**9)}
    assert all(lines[row - 1] for row, line in enumerate(lines) if row and line[:1] not in "#")


def test_a_module_has_its_own_tests_first():
    suite = mutants.suite_of(Path("metrics/_losses.py"), HERE)
    assert suite[0] == str(HERE / "metrics/test_losses.py")
    assert sorted(suite) == sorted(map(str, (HERE / "metrics").glob("test_*.py")))


def test_survivors_are_listed_and_an_interrupted_run_resumes(tmp_path, monkeypatch, capsys):
    module = tmp_path / mutants.PACKAGE / "metrics/_sign.py"
    test = tmp_path / "tests/metrics/test_sign.py"
    for folder in (module.parent, test.parent):
        folder.mkdir(parents=True)
    for folder in (module.parent, module.parents[1]):
        (folder / "__init__.py").touch()
    module.write_text("def sign(x):\n    return (x > 0) - (x < 0)\n")
    test.write_text(
        "from skdistill.metrics._sign import sign\n"
        "def test_sign():\n    assert (sign(1), sign(0)) == (1, 0)\n"
    )
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "hatch_build.py").touch()
    kernel = tmp_path / mutants.PACKAGE / "runtime/_native.so"
    kernel.parent.mkdir()
    kernel.touch()
    for name in ("mutants.py", "mutations.py"):
        shutil.copy(HERE / name, test.parents[1])
    equivalent = "metrics/_sign.py: return (x > 0) - (x < 0) -> return (x > 0) - (x <= 0)"
    (test.parents[1] / "equivalent_mutants.txt").write_text(f"# Taken for one.\n{equivalent}\n")
    command = "import mutants; mutants.PRELOADED = []; raise SystemExit(mutants.main())"
    done = subprocess.run(
        [sys.executable, "-c", command],
        cwd=test.parents[1],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1, done.stderr
    survivor, _, _, counts, _, _, verdict = done.stdout.splitlines()
    changed = "return (x > 0) - (x < 0) -> return (x > 0) + (x < 0)"
    assert survivor == f"line 2 of metrics/_sign.py: {changed}"
    assert counts.split() == ["metrics/_sign.py", "4", "0", "1", "1"]
    assert verdict == "The tests noticed 80.0%; they should notice 95%."
    test.write_text("fails")  # nothing is run again
    monkeypatch.setattr(mutants, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["mutants.py"])
    for name in ("PYTHONPATH", "OMP_NUM_THREADS"):  # which main sets, for this process, too
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.setattr(mutants, "__file__", str(test.parents[1] / "mutants.py"))
    assert mutants.main() == 1
    assert capsys.readouterr().out == done.stdout
