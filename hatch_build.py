"""Compile the C extension where there is a C compiler; without one the wheel is pure Python.

``SKDISTILL_BUILD_NATIVE`` chooses: ``0`` never compiles, ``1`` fails without a compiler, and
``auto``, the default, goes on without the extension and says so.

``python hatch_build.py [FOLDER] [FLAG ...]`` compiles into a folder, with further flags for the
compiler and the linker. Without a folder, the extension goes next to its source.
"""

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any
from zlib import crc32

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
FOLDER = ROOT / "src/skdistill/runtime"
NAME = "skdistill.runtime._native"
# Builds for free-threaded Python cannot use the limited API.
_LIMITED = not sysconfig.get_config_var("Py_GIL_DISABLED")
_MACROS = [("Py_LIMITED_API", "0x030B0000")] if _LIMITED else []
_FLAGS = (
    ["/O2", "/std:c11", "/fp:precise"]
    if sys.platform == "win32"
    else ["-std=c11", "-O3", "-g0", "-ffp-contract=off", "-fno-trapping-math", "-fno-math-errno"]
)


def source_hash() -> int:
    """Return a checksum of the source, by which a test recognises an old extension."""
    # 31 bits, which every C compiler's long holds.
    return crc32(b"".join((FOLDER / f"_native{end}").read_bytes() for end in (".c", ".h"))) >> 1


def compile_extension(folder: Path, flags: tuple[str, ...] = ()) -> Path:
    """Compile the extension into a folder, and return its file."""
    from setuptools import Distribution, Extension

    extension = Extension(
        NAME,
        [str(FOLDER / "_native.c")],
        depends=[str(FOLDER / "_native.h")],
        define_macros=[*_MACROS, ("SOURCE_HASH", str(source_hash()))],
        extra_compile_args=[*_FLAGS, *flags],
        extra_link_args=[*flags],
        py_limited_api=_LIMITED,
    )
    command = Distribution({"name": "skdistill", "ext_modules": [extension]}).get_command_obj(
        "build_ext"
    )
    with tempfile.TemporaryDirectory() as temporary:
        command.build_temp = command.build_lib = temporary
        command.ensure_finalized()
        command.run()
        built = Path(command.get_ext_fullpath(NAME))
        folder.mkdir(parents=True, exist_ok=True)
        # Not over the old file, which a running program may have loaded.
        return Path(shutil.move(built, _removed(folder / built.name)))


def _removed(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path


class NativeHook(BuildHookInterface[Any]):
    """Add the extension to a wheel, or put it next to its source for an editable install."""

    _temporary: tempfile.TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile, unless the environment forbids it."""
        wish = os.environ.get("SKDISTILL_BUILD_NATIVE", "auto")
        if wish not in ("auto", "0", "1"):
            raise ValueError(f"SKDISTILL_BUILD_NATIVE={wish!r} must be auto, 0 or 1.")
        is_editable = version == "editable"
        if is_editable:
            for stale in FOLDER.glob("_native.*"):
                if stale.suffix in (".so", ".pyd"):
                    stale.unlink()
        if wish == "0":
            return
        self._temporary = tempfile.TemporaryDirectory()
        try:
            built = compile_extension(FOLDER if is_editable else Path(self._temporary.name))
        except (Exception, SystemExit) as error:  # setuptools ends the process for some failures
            if wish == "1":
                raise
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            self.app.display_warning(
                f"skdistill is installed without its C extension, and predicts with NumPy: {reason}"
            )
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = not _LIMITED
        if _LIMITED:
            platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
            build_data["tag"] = f"cp311-abi3-{platform}"
        if not is_editable:
            build_data["force_include"][str(built)] = f"skdistill/runtime/{built.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled for a wheel."""
        if self._temporary:
            self._temporary.cleanup()


if __name__ == "__main__":
    given = sys.argv[1:]
    target = Path(given.pop(0)) if given and not given[0].startswith("-") else FOLDER
    print(compile_extension(target, tuple(given)))
