"""Whose code a module is."""

import email.mime
import importlib
import sys

import pytest
import sklearn

from skdistill.labelling._owners import installed_version, module_file


@pytest.mark.parametrize(
    ("folder", "version"),
    [("site-packages", "1.2.3"), ("dist-packages", "1.2.3"), ("src", None)],
)
def test_packages_are_installed_in_any_folder_that_pip_installs_into(
    tmp_path, monkeypatch, folder, version
):
    name = f"package_in_{folder.partition('-')[0]}"
    path = tmp_path / folder
    path.mkdir()
    (path / f"{name}.py").write_text("__version__ = '1.2.3'")
    monkeypatch.syspath_prepend(path)
    importlib.import_module(name)
    assert installed_version(name) == version


def test_python_itself_has_no_version_and_packages_have_theirs():
    assert installed_version("email.mime") == ""
    assert installed_version("sklearn.svm") == sklearn.__version__
    assert installed_version("__main__") is None


def test_files_of_modules_are_found_without_an_import(monkeypatch):
    name = "email.mime.nonmultipart"
    monkeypatch.delitem(sys.modules, name, raising=False)
    assert module_file(name).samefile(f"{email.mime.__path__[0]}/nonmultipart.py")
    assert name not in sys.modules
    assert module_file("email.mime").name == "__init__.py"
