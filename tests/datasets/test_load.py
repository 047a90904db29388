import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from skdistill import load_emotion, load_text_dataset
from skdistill.datasets._columns import LabelColumns, read_labelled
from skdistill.datasets._files import file_source
from skdistill.datasets._load import read_texts
from skdistill.datasets._source import Options

FIELDS = {
    "X_train", "y_train", "X_unlabeled", "X_val", "y_val", "X_test", "y_test", "classes", "DESCR",
}  # fmt: skip


@pytest.fixture
def write_part(tmp_path):
    """Write rows of (text, label) as ``home/name/part.jsonl``."""

    def write(part, rows, name="moods"):
        file = tmp_path / name / f"{part}.jsonl"
        file.parent.mkdir(exist_ok=True)
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file.parent

    return write


@pytest.fixture
def _no_folder(monkeypatch):
    monkeypatch.delenv("SKDISTILL_DATA", raising=False)


# ---- files


def write_table(table, path):
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_white_space_around_a_label_is_no_part_of_it(tmp_path, suffix):
    labels = [" Weather ", "Weather", "Alarm\t", "\u00a0Alarm", "Set alarm"]
    table = pd.DataFrame({"text": [*"abcde"], "label": labels})
    found = read_texts(write_table(table, tmp_path / f"data{suffix}"))[1]
    assert found.tolist() == ["Weather", "Weather", "Alarm", "Alarm", "Set alarm"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_a_blank_label_is_missing(tmp_path, suffix):
    table = pd.DataFrame({"text": [*"abc"], "label": ["x", "y", "  "]})
    path = write_table(table, tmp_path / f"data{suffix}")
    with pytest.raises(ValueError, match=r"(line 4|line 3|row 3) has no label; add it"):
        read_texts(path)
    source = file_source(path, options=Options(skip_bad_rows=True))
    assert read_labelled(source, "text").y.tolist() == ["x", "y"]
    assert source.left_out.n_bad == 1


def test_white_space_around_each_of_several_labels_is_no_part_of_it(tmp_path):
    rows = [{"text": "a", "label": [" Food", "Travel "]}, {"text": "b", "label": ["Food", "  "]}]
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = read_labelled(file_source(path), "text", LabelColumns(is_list=True, separator="|"))
    assert found.names.tolist() == ["Food", "Travel"]
    assert found.y.tolist() == [[1, 1], [1, 0]]


def test_white_space_in_a_known_label_is_kept(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("text,label\na, x \nb, y \n", encoding="utf-8")
    labels = LabelColumns(known=np.array([" x ", "y"]))
    assert read_labelled(file_source(path), "text", labels).y.tolist() == [" x ", "y"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_read_texts_keeps_texts_and_labels_as_they_are(tmp_path, suffix):
    texts = ["NA", "null", "007", 'say "a, b"\nand c', "Füße 😀", "2021-01-01"]
    table = pd.DataFrame({"n": range(6), "review": texts, "stars": ["1", "2", "1", "2", "NA", "1"]})
    path = write_table(table, tmp_path / f"reviews{suffix}")
    found, labels = read_texts(path, text_column="review", label_column="stars")
    assert found == texts
    assert labels.tolist() == ["1", "2", "1", "2", "NA", "1"]
    assert read_texts(path, text_column="review", label_column=None) == (texts, None)


def test_read_texts_turns_number_labels_into_text(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "label": 1}\n{"text": "b", "label": 0}\n')
    assert read_texts(path)[1].tolist() == ["1", "0"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "txt"])
def test_a_byte_order_mark_is_no_part_of_a_text(tmp_path, kind):
    content = {"csv": "text\none\n", "jsonl": '{"text": "one"}\n', "txt": "one\n"}[kind]
    (tmp_path / f"a.{kind}").write_text(content, encoding="utf-8-sig")
    assert read_texts(tmp_path / f"a.{kind}", label_column=None)[0] == ["one"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_numbers_of_labels_become_ones_and_zeros(tmp_path, kind):
    table = pd.DataFrame({"text": ["a", "b", "c"], "tags": ["0 2", None, "1"]})
    path = write_table(table, tmp_path / f"a.{kind}")
    expected = [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    columns = LabelColumns(("tags",), is_list=True, known=np.arange(3))
    found = read_labelled(file_source(path), "text", columns)
    assert (found.texts, found.y.tolist()) == (["a", "b", "c"], expected)


def test_read_texts_takes_lines_without_labels(tmp_path):
    path = tmp_path / "pool.txt"
    path.write_text("one text\n\n  two texts \r\n", encoding="utf-8")
    assert read_texts(path, text_column="tweet", label_column=None) == (
        ["one text", "two texts"],
        None,
    )
    with pytest.raises(ValueError, match=r"pool\.txt: a \.txt file has no labels"):
        read_texts(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.csv",
            "review,label\nx,1\n",
            "a.csv has no column 'text'; its columns are review",
        ),
        ("a.csv", "text,stars\nx,1\n", "a.csv has no column 'label'; its columns are text, stars"),
        ("a.csv", "text,label\nx,1\n,2\n", r"a.csv, line 3 has no text in the column 'text'"),
        ("a.csv", "text,label\nx,1\ny,\n", r"a.csv, line 3 has no label"),
        ("a.csv", "", "a.csv is empty"),
        ("a.csv", "text,label\n", "a.csv has no rows"),
        ("a.jsonl", '{"text": "x"\n', "a.jsonl, line 1 is not valid JSON"),
        ("a.jsonl", '{"text": "x", "label": null}\n', r"a.jsonl, line 1 has no label"),
        ("a.parquet", "no parquet", "a.parquet is not a readable parquet file"),
        ("a.xlsx", "", "a.xlsx is a spreadsheet; in Excel, save the sheet as CSV UTF-8"),
        ("a.xml", "", "a.xml has the unknown file type '.xml'; use one of .csv, .tsv, .jsonl"),
        ("a.jsonl", "", "a.jsonl is empty"),
        ("a.csv", "Text,label\nx,y\n", "a.csv has no column 'text'; did you mean 'Text'?"),
        ("a.csv", "one text,x\nother,y\n", "if the first row is no header, add one"),
        ("a.jsonl", '{"TEXT": "x"}\n', "the key 'text'; did you mean 'TEXT'?"),
    ],
)
def test_read_texts_names_file_and_fault(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_texts(tmp_path / name)


def test_read_texts_refuses_numbers_and_absent_files(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": 1, "label": "x"}\n')
    with pytest.raises(TypeError, match=r"a.jsonl, line 1 has a value of type int in the"):
        read_texts(tmp_path / "a.jsonl")
    with pytest.raises(FileNotFoundError, match=r"the file .*b\.csv does not exist"):
        read_texts(tmp_path / "b.csv")


def test_a_single_file_is_split_by_label(tmp_path):
    rows = [(f"text {i}", "rare" if i % 10 == 0 else "common") for i in range(100)]
    path = tmp_path / "all.csv"
    pd.DataFrame(rows, columns=["text", "label"]).to_csv(path, index=False)
    data = load_text_dataset(path, test_size=0.3)
    assert set(data) == FIELDS
    assert (len(data.X_train), len(data.X_test), data.X_unlabeled) == (70, 30, [])
    assert Counter(data.y_test.tolist()) == {"common": 27, "rare": 3}
    assert dict(zip(data.X_test, data.y_test, strict=True)).items() <= dict(rows).items()
    assert data.X_val is None
    assert data.classes.tolist() == ["common", "rare"]
    assert load_text_dataset(path, test_size=0.3).X_test == data.X_test
    assert load_text_dataset(path, test_size=0.3, random_state=1).X_test != data.X_test


def test_a_class_of_one_text_cannot_be_split(tmp_path):
    (tmp_path / "all.csv").write_text("text,label\na,x\nb,x\nc,y\n")
    with pytest.raises(ValueError, match=r"all\.csv has only one text with the label 'y'"):
        load_text_dataset(tmp_path / "all.csv")


def test_each_class_is_left_to_train_on(tmp_path):
    path = tmp_path / "all.csv"
    labels = ["a"] * 40 + ["b"] * 2
    pd.DataFrame({"text": [*map(str, range(42))], "label": labels}).to_csv(path)
    assert set(load_text_dataset(path, test_size=0.5).y_train) == {"a", "b"}
    with pytest.raises(ValueError, match=r"all\.csv has too few texts with the label 'b': none"):
        load_text_dataset(path, test_size=0.9)


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (0.01, "holds out only 1 of its 12 texts; hold out a larger"),
        (0.9, "leaves for training only 1 of its 12 texts; hold out a smaller"),
    ],
)
def test_each_part_has_as_many_texts_as_classes(tmp_path, share, message):
    path = tmp_path / "all.csv"
    pd.DataFrame({"text": [*map(str, range(12))], "label": [*"abc"] * 4}).to_csv(path)
    with pytest.raises(ValueError, match=f"has 3 classes, but a share .* {message}"):
        load_text_dataset(path, test_size=share)
    assert len(load_text_dataset(path, test_size=0.25).X_test) == 3


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tsv", "a.jsonl.gz"])
def test_a_file_may_be_compressed_or_have_tabs(tmp_path, name):
    path = tmp_path / name
    rows = [(f"text, {i}", "xy"[i % 2]) for i in range(20)]
    table = pd.DataFrame(rows, columns=["text", "label"])
    if ".jsonl" in name:
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_csv(path, index=False, sep="\t" if ".tsv" in name else ";")
    data = load_text_dataset(path)
    assert sorted([*data.X_train, *data.X_test]) == sorted(text for text, _ in rows)
    folder = tmp_path / "parts"
    folder.mkdir()
    path.rename(folder / name.replace("a.", "train."))
    assert len(load_text_dataset(folder).X_train) == 16


def test_form_and_encoding_of_files_can_be_given(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text|label\n" + "naïve|x\nnaïf|y\n".encode("cp1252") * 5)
    data = load_text_dataset(path, sep="|", encoding="cp1252")
    assert {*data.X_train, *data.X_test} == {"naïve", "naïf"}


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("there.xls", ValueError, r"there\.xls is a spreadsheet"),
        ("gone.csv", FileNotFoundError, r"the file .*gone\.csv does not exist"),
        ("gone.tsv.gz", FileNotFoundError, r"the file .*gone\.tsv\.gz does not exist"),
        ("no/such/folder", FileNotFoundError, r"folder does not exist; pass an existing file or"),
        ("./folder", FileNotFoundError, r"folder does not exist; pass an existing file or folder"),
    ],
)
def test_a_path_is_not_looked_for_on_the_hub(tmp_path, monkeypatch, hub, name, error, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.xls").touch()
    with pytest.raises(error, match=message):
        load_text_dataset(name)
    with pytest.raises(error, match=message):
        load_text_dataset(tmp_path / name)
    assert hub.asked is None


# ---- folders


def test_a_folder_has_a_file_for_each_part(write_part):
    write_part("train", [("a", "x"), ("b", "y")])
    write_part("val", [("c", "x")])
    write_part("extra_1", [("d", None)])
    write_part("unlabeled", [("e", None)])
    write_part("notes", [("f", "z")])
    folder = write_part("test", [("g", "y")])
    data = load_text_dataset(folder)
    assert set(data) == FIELDS
    assert (data.X_train, data.X_val, data.X_test) == (["a", "b"], ["c"], ["g"])
    assert data.X_unlabeled == ["d", "e"]
    assert [data[y].tolist() for y in ("y_train", "y_val", "y_test")] == [["x", "y"], ["x"], ["y"]]
    assert str(folder) in data.DESCR


@pytest.mark.parametrize("name", ["val", "dev", "validation"])
def test_the_only_held_out_part_is_the_test_part(write_part, name):
    write_part("train", [("a", "x"), ("b", "y")])
    data = load_text_dataset(write_part(name, [("c", "x")]))
    assert (data.X_val, data.y_val, data.X_test) == (None, None, ["c"])
    assert "validation part is used instead" in data.DESCR


def test_a_folder_without_held_out_part_is_split(write_part):
    data = load_text_dataset(write_part("train", [(f"text {i}", "xy"[i % 2]) for i in range(20)]))
    assert (len(data.X_train), len(data.X_test)) == (16, 4)


def test_a_folder_must_be_complete_and_unambiguous(write_part):
    folder = write_part("test", [("a", "x")])
    with pytest.raises(
        FileNotFoundError, match=r"moods has no file such as train\.jsonl; it contains test\.jsonl"
    ):
        load_text_dataset(folder)
    write_part("train", [("a", "x")])
    (folder / "train.csv").write_text("text,label\na,x\n")
    with pytest.raises(ValueError, match="two parts named 'train'"):
        load_text_dataset(folder)


def test_data_home_comes_before_the_environment(write_part, monkeypatch, tmp_path):
    home = write_part("train", [("a", "x"), ("b", "y")], name="emotion").parent
    write_part("test", [("c", "x")], name="emotion")
    monkeypatch.setenv("SKDISTILL_DATA", str(home))
    assert load_emotion().X_test == ["c"]
    assert load_text_dataset("emotion").X_test == ["c"]
    monkeypatch.setenv("SKDISTILL_DATA", str(tmp_path / "nowhere"))
    assert load_emotion(home).X_test == ["c"]
    with pytest.raises(FileNotFoundError, match=r"nowhere' has no folder 'emotion'"):
        load_emotion(tmp_path / "nowhere")


# ---- the Hub


@pytest.fixture
def hub(monkeypatch, _no_folder):
    """Make ``datasets.load_dataset`` return what the test puts here, and note what it is asked."""
    import datasets as hf_datasets

    class Hub(dict):
        asked = None

    splits = Hub()

    def load_dataset(*args, **kwargs):
        splits.asked = args, kwargs
        return splits

    monkeypatch.setattr(hf_datasets, "load_dataset", load_dataset)
    return splits


def hub_split(texts, labels, names=None):
    from datasets import ClassLabel, Dataset, Features, Value

    label = ClassLabel(names=names) if names else Value("string")
    features = Features({"text": Value("string"), "label": label})
    return Dataset.from_dict({"text": texts, "label": labels}, features=features)


def test_hub_labels_get_their_names(hub):
    names = ["sadness", "joy"]
    hub["train"] = hub_split(["a", "b"], [1, 0], names)
    hub["validation"] = hub_split(["c"], [1], names)
    hub["test"] = hub_split(["d"], [0], names)
    hub["unsupervised"] = hub_split(["e"], [-1], names)
    data = load_emotion()
    assert hub.asked == (("dair-ai/emotion",), {})
    assert set(data) == FIELDS
    assert data.y_train.tolist() == ["joy", "sadness"]
    assert (data.X_val, data.y_test.tolist(), data.X_unlabeled) == (["c"], ["sadness"], ["e"])
    assert "https://huggingface.co/datasets/dair-ai/emotion" in data.DESCR


def test_a_hub_part_with_withheld_labels_is_no_test_part(hub):
    hub["train"] = hub_split(["a", "b"], [1, 0], ["no", "yes"])
    hub["validation"] = hub_split(["c"], [1], ["no", "yes"])
    hub["test"] = hub_split(["d"], [-1], ["no", "yes"])
    assert load_text_dataset("some/name").X_test == ["c"]


def test_hub_labels_may_be_text(hub):
    hub["train"] = hub_split(["a", "b"], ["x", "y"])
    hub["test"] = hub_split(["c"], ["x"])
    assert load_text_dataset("some/name").classes.tolist() == ["x", "y"]


def test_hub_errors_name_column_and_split(hub):
    hub["train"] = hub_split(["a"], ["x"])
    with pytest.raises(ValueError, match="some/name train has no column 'tweet'; its columns are"):
        load_text_dataset("some/name", text_column="tweet")
    hub["data"] = hub.pop("train")
    with pytest.raises(ValueError, match="no labelled split 'train'; its splits are data"):
        load_text_dataset("some/name")


@pytest.mark.usefixtures("_no_folder")
def test_offline_error_says_where_was_looked_and_what_to_do():
    with pytest.raises(OSError, match="was not found on the Hugging Face Hub: ") as info:
        load_emotion()
    message = str(info.value)
    assert "dair-ai/emotion" in message
    assert (
        "Set SKDISTILL_DATA (or data_home) to a folder that contains emotion/train.jsonl" in message
    )
    assert "HF_HUB_OFFLINE" in message


def test_offline_error_names_the_folder_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SKDISTILL_DATA", str(tmp_path))
    with pytest.raises(OSError, match=r"emotion \(SKDISTILL_DATA\) or on the Hugging Face Hub"):
        load_emotion()


# ---- real data


@pytest.mark.data
def test_emotion_has_its_official_parts(data_folder):
    data = load_emotion(data_folder)
    assert (len(data.X_train), len(data.X_val), len(data.X_test)) == (16_000, 2_000, 2_000)
    assert data.classes.tolist() == ["anger", "fear", "joy", "love", "sadness", "surprise"]
    assert data.X_unlabeled == []


@pytest.mark.data
def test_ag_news_has_an_unlabelled_pool(data_folder):
    data = load_text_dataset("agnews", data_home=data_folder)
    assert (len(data.X_unlabeled), data.X_val, len(data.X_test)) == (9_089, None, 7_600)
