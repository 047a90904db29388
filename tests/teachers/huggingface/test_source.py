"""Names and folders of checkpoints that lead elsewhere: refused, and nothing else is read."""

import builtins
import io
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from conftest import make_checkpoint
from skdistill import TextAugmenter, TransformerTeacherClassifier
from skdistill.labelling._description import describe
from skdistill.teachers._transformer import is_finetuned
from skdistill.teachers.huggingface._source import check_source

X, Y = ["wind", "rail"] * 4, ["sea", "land"] * 4

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="Windows asks for rights to link")


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return make_checkpoint(folder, X, head=["land", "sea"])


@pytest.fixture
def folder(finetuned, tmp_path):
    """A whole checkpoint in a folder of its own, beside which things can lie."""
    return shutil.copytree(finetuned, tmp_path / "checkpoint")


@pytest.fixture
def opened(monkeypatch):
    """Note which files Python opens."""
    paths = []
    for module in (builtins, io):
        real = module.open

        def noting(file, *args, real=real, **kwargs):
            paths.append(str(file))
            return real(file, *args, **kwargs)

        monkeypatch.setattr(module, "open", noting)
    return paths


NAMES = {
    "": "not a name on the Hub",
    " ": "not a name on the Hub",
    ".hidden": "not a name on the Hub",
    "-rf": "not a name on the Hub",
    "../secret/config": "not a name on the Hub",
    "../../../../etc": "not a name on the Hub",
    "a/../../secret/config": "not a name on the Hub",
    "owner/../secret/config": "not a name on the Hub",
    "owner/..": "not a name on the Hub",
    "owner/name/../../secret/config": "not a name on the Hub",
    "a..b": "not a name on the Hub",
    "owner/name/more": "not a name on the Hub",
    "owner//name": "not a name on the Hub",
    "/no/such/folder": "not a name on the Hub",
    "//host/share": "not a name on the Hub",
    "C:\\models\\mine": "not a name on the Hub",
    "~": "'~' is not expanded: use os.path.expanduser",
    "~root/model": "'~' is not expanded: use os.path.expanduser",
    "https://huggingface.co/owner/name": "part of the address after huggingface.co/",
    "http://127.0.0.1:1/owner/name": "part of the address after huggingface.co/",
    "file:///etc": "part of the address after huggingface.co/",
    "hf://owner/name": "part of the address after huggingface.co/",
    "owner/na\0me": "not a name on the Hub",
    "owner/name\n": "not a name on the Hub",
    "owner/na\r\nme": "not a name on the Hub",
    "owner/name;id": "not a name on the Hub",
    "owner/$(id)": "not a name on the Hub",
    "ownеr/name": "not a name on the Hub",  # a Cyrillic letter
    "a" * 97: "not a name on the Hub",
    "a/" * 50_000: "not a name on the Hub",
    "secret.json": "it is a file, not a folder",
}


@pytest.mark.parametrize("name", NAMES, ids=[repr(name)[:30] for name in NAMES])
def test_names_that_are_none(name, tmp_path, monkeypatch, opened):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    for secret in (tmp_path / "secret" / "config.json", work / "secret.json"):
        secret.parent.mkdir(exist_ok=True)
        secret.write_text('{"model_type": "bert"}')
    opened.clear()
    for load in (
        lambda: TransformerTeacherClassifier(name).fit(X, Y),
        lambda: TransformerTeacherClassifier.from_finetuned(name),
        lambda: is_finetuned(name),
        lambda: TransformerTeacherClassifier(name).word_vectors(["wind"]),
        lambda: TextAugmenter(word_vectors=name).fit(X).augment(X),
    ):
        with pytest.raises(OSError, match=NAMES[name]) as refusal:
            load()
        assert len(str(refusal.value)) < 700
    assert not [path for path in opened if "secret" in path]
    assert [path.name for path in work.iterdir()] == ["secret.json"]


@pytest.mark.parametrize(
    "revision", ["", "..", "../../secret", "/etc", "a\0b", "a\n", "a..b", "-x"]
)
def test_revisions_that_are_none(revision):
    with pytest.raises(ValueError, match="not the name of a branch, tag or commit"):
        TransformerTeacherClassifier("owner/name", revision=revision).fit(X, Y)


@pytest.mark.parametrize("revision", ["main", "v1.0", "refs/pr/1", "0123abc"])
@pytest.mark.parametrize("name", ["distilroberta-base", "sentence-transformers/all-MiniLM-L6-v2"])
def test_names_and_revisions_of_the_hub(name, revision):
    check_source(name, revision)


def refused(folder, message):
    for load in (
        lambda: TransformerTeacherClassifier(folder).fit(X, Y),
        lambda: describe(TransformerTeacherClassifier(folder)),
        lambda: TransformerTeacherClassifier.from_finetuned(folder),
    ):
        with pytest.raises(ValueError, match=message) as refusal:
            load()
        assert "could not be loaded" in str(refusal.value)


def edit(path, **entries):
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(content | entries))


@pytest.mark.parametrize("way_out", ["../outside.safetensors", "/etc/hostname", "a/../../outside"])
def test_shards_outside_the_folder(folder, way_out):
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder.parent / "outside.safetensors")
    index = folder / "model.safetensors.index.json"
    edit(index, metadata={}, weight_map=dict.fromkeys(weights, way_out))
    refused(folder, "refers to a file outside the folder under 'weight_map'")


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize("key", ["tokenizer_file", "vocab_file", "transformers_weights"])
def test_other_files_outside_the_folder(folder, file, key):
    outside = folder.parent / "outside.json"
    (folder / "tokenizer.json").rename(outside)
    for named in ("../outside.json", str(outside)):
        edit(folder / file, **{key: named})
        refused(folder, f"refers to a file outside the folder under '{key}'")


def test_a_path_of_the_machine_it_was_made_on_is_no_harm(folder):
    edit(folder / "tokenizer_config.json", special_tokens_map_file="/home/someone/map.json")
    assert TransformerTeacherClassifier.from_finetuned(folder).predict(X).shape == (8,)


def test_an_adapter_of_another_checkpoint(folder):
    edit(folder / "adapter_config.json", base_model_name_or_path="../other", peft_type="LORA")
    refused(folder, "adapter of another checkpoint")


LINKS = {
    "outside": "link to a file outside the folder",
    "nowhere": "broken link",
    "in a circle": "broken link",
    "to a device": "link to a file outside the folder",
    "no link but a pipe": "not a regular file",
}


@needs_links
@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("kind", LINKS)
def test_links_out_of_the_folder(folder, file, kind):
    path, outside = folder / file, folder.parent / file
    path.rename(outside)
    if kind == "no link but a pipe":
        os.mkfifo(path)
    else:
        targets = {"nowhere": "gone", "in a circle": path, "to a device": "/dev/zero"}
        path.symlink_to(targets.get(kind, outside))
    refused(folder, LINKS[kind])


@needs_links
def test_links_within_the_folder_and_to_it(folder):
    (folder / "model.safetensors").rename(folder / "weights")
    (folder / "model.safetensors").symlink_to("weights")
    link = folder.parent / "link"
    link.symlink_to(folder, target_is_directory=True)
    for name in (folder, link, Path(os.path.relpath(link))):
        assert TransformerTeacherClassifier.from_finetuned(name).predict(X).shape == (8,)


@needs_links
def test_the_cache_of_the_hub_keeps_files_behind_links(finetuned, tmp_path):
    repository = tmp_path / "models--owner--name"
    snapshot = repository / "snapshots" / "0123abc"
    blobs = shutil.copytree(finetuned, repository / "blobs")
    snapshot.mkdir(parents=True)
    for blob in blobs.iterdir():
        (snapshot / blob.name).symlink_to(f"../../blobs/{blob.name}")
    assert TransformerTeacherClassifier.from_finetuned(snapshot).predict(X).shape == (8,)
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to("../../../config.json")
    shutil.copy(Path(finetuned, "config.json"), tmp_path)
    refused(snapshot, "link to a file outside the folder")


def test_code_beside_weights_is_never_run(folder):
    for name in ("modeling.py", "configuration.py", "tokenization.py", "sitecustomize.py"):
        (folder / name).write_text("raise SystemExit('this must never run')")
    auto_map = {
        "AutoConfig": "configuration.Config",
        "AutoModelForSequenceClassification": "modeling.Model",
        "AutoTokenizer": "tokenization.Tokenizer",
    }
    edit(folder / "config.json", auto_map=auto_map, trust_remote_code=True)
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": "tokenization.Tokenizer"})
    teacher = TransformerTeacherClassifier.from_finetuned(folder)
    assert type(teacher.model_).__module__.startswith("transformers.")
    assert type(teacher.tokenizer_).__module__.startswith("transformers.")


def test_weights_in_a_pickle_are_not_even_opened(folder, opened):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    opened.clear()
    with pytest.raises(OSError, match=r"Pickled weights .* refused"):
        TransformerTeacherClassifier.from_finetuned(folder)
    assert not [path for path in opened if path.endswith(".bin")]
