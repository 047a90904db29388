import pickle

import pandas as pd
import pytest

from skdistill.cli import _bulk_prediction
from skdistill.datasets import read_texts
from skdistill.datasets._files import TABLES, ParquetTexts, file_source, label_array


def fits_reader(path):
    return read_texts(path, label_column=None)[0]


def predicts_reader(path):
    return [text for _, texts in _bulk_prediction._read(str(path), "text", 2) for text in texts]


ODD_FILES = {
    "blank lines at the end": ("csv", b"text,n\na,1\nb,2\n\n\n", ["a", "b"]),
    "a blank line": ("csv", b"text,n\na,1\n\nb,2\n", "in.csv, line 3 is blank; remove it"),
    "a blank line, or an empty text": ("csv", b"text\na\n\nb\n", "line 3 is blank"),
    "a short row": ("csv", b"text,n,m\na,1,x\nb,2\n", "line 3 has 2 fields, but the header has 3"),
    "a surplus field": ("csv", b"text,n\na,1\nb,2,x\n", "line 3 has 3 fields, but the header"),
    "a surplus field in each row": ("csv", b"text,n\na,1,x\nb,2,y\n", "line 2 has 3 fields, but"),
    "commas at the ends": ("csv", b"text,n\na,1,\nb,2,\n", "line 2 has 3 fields, but the"),
    "a surplus field after line breaks": ("csv", b'text,n\n"a\nb\nc",1,x\n', "line 2 has 3 fields"),
    "a surplus field of a later row": ("csv", b'text,n\n"a\nb",1\nc,2\nd,e,3\n', "line 5 has 3"),
    "a header with line breaks": ("csv", b'text,"n\nm"\na,1,x\n', "line 3 has 3 fields"),
    "a byte order mark": ("csv", b"\xef\xbb\xbftext,n\na,1\n", ["a"]),
    "a byte order mark and quotes": ("csv", b'\xef\xbb\xbf"text",n\na,1\n', ["a"]),
    "NUL": ("csv", b"text,n\na\0b,1\n", ["a\0b"]),
    "a long field": ("csv", b"text,n\n" + b"x" * 200_000 + b",1\n", "line 2: field larger than"),
    "an open quote": ("csv", b'text\n"a\nb\n', "line 3: unexpected end of data. Close each quote"),
    "letters after a quote": ("csv", b'text,n\n"a"b,1\n', "line 2: ',' expected after '\"'"),
    "quotes inside a field": ("csv", b'text,n\na"b",1\n', ['a"b"']),
    "carriage returns": ("csv", b"text,n\ra,1\rb,2\r", ["a", "b"]),
    "two columns of a name": ("csv", b"text,text\na,b\n", ["a"]),
    "no header": ("csv", b"\ntext,n\na,1\n", "in.csv has no header"),
    "another column": ("csv", b"post,n\na,1\n", "in.csv has no column 'text'; its columns are"),
    "not UTF-8": ("csv", b"text\na\nna\xefve\n", "in.csv, line 3 is not in UTF-8 (byte 0xef)"),
    "blank JSON at the end": ("jsonl", b'{"text": "a"}\r\n \r\n\n', ["a"]),
    "a blank line of JSON": ("jsonl", b'{"text": "a"}\n\n{"text": "b"}\n', "line 2 is blank"),
    "a line without the key": ("jsonl", b'{"text": "a"}\n{}\n', "line 2 is not a JSON object"),
    "a line of another kind": ("jsonl", b'{"text": "a"}\n[1]\n', "line 2 is not a JSON object"),
    "two objects in a line": ("jsonl", b'{"text": "a"}\r{"text": "b"}\r', "line 1 is not valid"),
    "nested too deeply": ("jsonl", b"[" * 100_000, "line 1 is not valid JSON"),
    "a byte order mark of JSON": ("jsonl", b'\xef\xbb\xbf{"text": "a"}\n', ["a"]),
    "NUL in JSON": ("jsonl", b'{"text": "a\\u0000b"}\n', ["a\0b"]),
    "a line separator": ("jsonl", '{"text": "a\u2028b"}\n'.encode(), ["a\u2028b"]),
    "half a character": ("jsonl", b'{"text": "a\\ud83d"}\n', ["a\ud83d"]),
    "a missing text": ("jsonl", b'{"text": "a"}\n{"text": null}\n', "text[1] is missing (None)"),
    "a number for a text": ("jsonl", b'{"text": NaN}\n', "text[0] is missing (nan)"),
    "no parquet": ("parquet", b"something else", "in.parquet is not a readable parquet file"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD_FILES)
@pytest.mark.parametrize("reader", [fits_reader, predicts_reader])
def test_fit_and_predict_read_the_same(tmp_path, case, reader):
    kind, content, expected = ODD_FILES[case]
    path = tmp_path / f"in.{kind}"
    path.write_bytes(content)
    if isinstance(expected, list):
        assert reader(path) == expected
        return
    with pytest.raises(ValueError) as info:  # noqa: PT011 (the message is compared below)
        reader(path)
    assert expected in str(info.value)
    assert str(info.value).startswith(str(path))


def test_other_columns_of_parquet_stay_on_disk(tmp_path):
    path = tmp_path / "in.parquet"
    pd.DataFrame({"n": [1, 2, 3], "text": [*"abc"]}).to_parquet(path)
    parquet = TABLES[".parquet"]
    (few,) = parquet.read(file_source(path), ["text"], 9)
    assert (few.columns, few.whole.schema.names) == ({"text": [*"abc"]}, ["text"])
    all_columns = [*parquet.read(file_source(path), ["text"], 2, whole=True)]
    assert [rows.whole.num_rows for rows in all_columns] == [2, 1]
    assert {name for rows in all_columns for name in rows.whole.schema.names} == {"n", "text"}


def test_a_table_keeps_its_form_and_gets_columns(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text('text,n\n"a, ""b""\nc",1\n"",2\nnaïve,3\n', encoding="utf-8")
    with (tmp_path / "out.csv").open("wb") as file:
        for number, rows in enumerate(TABLES[".csv"].read(file_source(path), ["text"], 2)):
            added = {"new": ["x", "y"][: len(rows.whole)]}
            TABLES[".csv"].write(file, rows, added, header=number == 0)
    expected = 'text,n,new\n"a, ""b""\nc",1,x\n,2,y\nnaïve,3,x\n'
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == expected


def test_labels_keep_their_form():
    assert label_array([1, 1.5, True, "x"], "label").tolist() == ["1", "1.5", "True", "x"]
    with pytest.raises(ValueError, match=r"label\[1\] is missing; drop rows without a label"):
        label_array(["x", float("nan")], "label")


def write_folder(folder):
    folder.mkdir()
    for number, texts in enumerate(["abc", "de"]):
        table = pd.DataFrame({"other": range(len(texts)), "text": [*texts]})
        table.to_parquet(folder / f"part-{number}.parquet", row_group_size=2)
    return folder


def test_parquet_texts_come_in_batches_and_can_be_pickled(tmp_path):
    texts = ParquetTexts(write_folder(tmp_path / "pool"), "text")
    for found in (texts, pickle.loads(pickle.dumps(texts))):
        assert (len(found), [*found]) == (5, [*"abcde"])
        assert [len(batch) for batch in found.batches(2)] == [2, 1, 2]


def test_what_is_no_parquet_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is neither a parquet file nor a folder"):
        ParquetTexts(tmp_path, "text")
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"something else, of some length")
    with pytest.raises(ValueError, match=r"broken\.parquet is not a readable parquet file"):
        ParquetTexts(broken, "text")
    folder = write_folder(tmp_path / "pool")
    with pytest.raises(ValueError, match=r"has no column 'post'; its columns are other, text"):
        ParquetTexts(folder, "post")
