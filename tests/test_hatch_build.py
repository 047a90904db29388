"""Wheels with the C extension, and what happens where there is no compiler."""

import os
import subprocess
import sys
import tarfile
import zipfile

import pytest

from native_build import ROOT, compile_or_skip, load_extension, load_hook

EXTENSION = "src/skdistill/runtime/_native"


def build(kind, source, folder, **variables):
    """Call the build backend as pip does."""
    code = f"import sys; from hatchling import build; print(build.build_{kind}(sys.argv[1]))"
    return subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        cwd=source,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=100,
    )


def compiled_files(folder):
    return [path for path in (folder / EXTENSION).parent.glob("_native.*") if path.suffix == ".so"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Unpack the source distribution."""
    folder = tmp_path_factory.mktemp("source")
    done = build("sdist", ROOT, folder)
    assert done.returncode == 0, done.stderr
    with tarfile.open(folder / done.stdout.split()[-1]) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    return unpacked


@pytest.fixture(scope="module")
def has_compiler(tmp_path_factory):
    compile_or_skip(tmp_path_factory.mktemp("compiled"))


@pytest.mark.usefixtures("has_compiler")
def test_a_wheel_with_the_extension(source, tmp_path):
    done = build("wheel", source, tmp_path, SKDISTILL_BUILD_NATIVE="1")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert "-cp311-abi3-" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if "_native" in name}
        (name,) = names
        archive.extract(name, tmp_path)
        assert archive.read(next(n for n in archive.namelist() if n.endswith("/WHEEL"))).count(
            b"Root-Is-Purelib: false"
        )
    path = tmp_path / name
    assert path.stat().st_size < 250_000
    assert load_extension(path).source_hash == load_hook().source_hash()
    # Nothing is left behind.
    assert not compiled_files(source)


def test_without_a_compiler_the_wheel_is_pure_and_one_line_says_so(source, tmp_path):
    variables = {"PATH": str(tmp_path), "CC": "", "SKDISTILL_BUILD_NATIVE": "auto"}
    done = build("wheel", source, tmp_path, **variables)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    (line,) = (line for line in (done.stdout + done.stderr).splitlines() if "C extension" in line)
    assert "predicts with NumPy: CompileError" in line


def test_without_a_compiler_the_build_fails_on_demand(source, tmp_path):
    variables = {"PATH": str(tmp_path), "CC": "", "SKDISTILL_BUILD_NATIVE": "1"}
    done = build("wheel", source, tmp_path, **variables)
    assert done.returncode != 0
    assert "CompileError" in done.stderr
    assert not [*tmp_path.glob("*.whl")]


def test_other_values_are_errors(source, tmp_path):
    done = build("wheel", source, tmp_path, SKDISTILL_BUILD_NATIVE="yes")
    assert done.returncode != 0
    assert "SKDISTILL_BUILD_NATIVE='yes' must be auto, 0 or 1" in done.stderr


@pytest.mark.usefixtures("has_compiler")
def test_editable_installs_compile_what_has_changed(source, tmp_path, monkeypatch):
    def install(native):
        monkeypatch.setenv("SKDISTILL_BUILD_NATIVE", native)
        hook = load_hook(source).NativeHook(str(source), {}, None, None, str(tmp_path), "wheel")
        built = {"force_include": {}}
        hook.initialize("editable", built)
        hook.finalize("editable", built, "")
        assert not built["force_include"]

    install("1")
    (path,) = compiled_files(source)
    first = load_extension(path).source_hash
    assert first == load_hook().source_hash()
    with open(source / f"{EXTENSION}.h", "a") as header:
        header.write("/* changed */\n")
    install("1")
    (path,) = compiled_files(source)
    copy = tmp_path / path.name
    copy.write_bytes(path.read_bytes())
    assert load_extension(copy).source_hash == load_hook(source).source_hash() != first
    # What an earlier install has compiled does not stay.
    install("0")
    assert not compiled_files(source)
