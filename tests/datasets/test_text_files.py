import gzip
import io
import json
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skdistill.datasets import read_texts
from skdistill.datasets._columns import LabelColumns, read_labelled, read_unlabelled
from skdistill.datasets._files import TABLES, file_source, read_rows
from skdistill.datasets._parquet import Parquet, ParquetTexts
from skdistill.datasets._source import Options, Source, column_advice
from skdistill.datasets._values import label_array

WANTED = {"text": "text_column"}


def fits_reader(path):
    return read_texts(path, label_column=None)[0]


def predicts_reader(path):
    parts = read_rows(file_source(path), WANTED, "text", 2)
    return [text for rows in parts for text in rows.columns["text"]]


ODD_FILES = {
    "blank lines at the end": ("csv", b"text,n\na,1\nb,2\n\n\n", ["a", "b"]),
    "blank lines": ("csv", b"\ntext,n\na,1\n\n \nb,2\n", ["a", "b"]),
    "a blank line of one column": ("csv", b"text\na\n\nb\n", ["a", "b"]),
    "blank rows of a spreadsheet": ("csv", b"text,n\na,1\n,\n,,\nb,2\n", ["a", "b"]),
    "semicolons": ("csv", b"text;n\na, b;1\n", ["a, b"]),
    "tabs": ("csv", b'text\tn\na, b; c\t1\n"d\te"\t2\n', ["a, b; c", "d\te"]),
    "semicolons and commas in quotes": ("csv", b'"a, b, c";text\n1;x\n', ["x"]),
    "a tsv file": ("tsv", b"text\tn;m\na, b\t1\n", ["a, b"]),
    "a tsv file of one column": ("tsv", b"text\na, b; c\n", ["a, b; c"]),
    "UTF-16": ("csv", "text,n\r\nnaïve,1\r\n".encode("utf-16"), ["naïve"]),
    "UTF-16 of JSON": ("jsonl", '{"text": "naïve"}\n'.encode("utf-16"), ["naïve"]),
    "UTF-16 without a mark": ("csv", "text\r\na\r\n".encode("utf-16-le"),
                              "in.csv seems to be in UTF-16 without a byte-order mark (utf-16-le)"),
    "a short row": ("csv", b"text,n,m\na,1,x\nb,2\n", "line 3 has 2 fields, but the header has 3"),
    "a surplus field": ("csv", b"text,n\na,1\nb,2,x\n", "line 3 has 3 fields, but the header"),
    "a surplus field in each row": ("csv", b"text,n\na,1,x\nb,2,y\n", "line 2 has 3 fields, but"),
    "commas at the ends": ("csv", b"text,n\na,1,\nb,2,\n", "line 2 has 3 fields, but the"),
    "commas at all ends": ("csv", b"text,n,\na,1,\nb,2, \n", ["a", "b"]),
    "a surplus field beside commas at all ends": (
        "csv", b"text,n,,\na,1,,\nb,really,2,\n", "line 3 has '2' in a last column without a name; "
        "name it, or quote fields that contain a comma"),
    "an index without a name": ("csv", b",text\n0,a\n1,b\n", ["a", "b"]),
    "a surplus field after line breaks": ("csv", b'text,n\n"a\nb\nc",1,x\n', "line 2 has 3 fields"),
    "a surplus field of a later row": ("csv", b'text,n\n"a\nb",1\nc,2\nd,e,3\n', "line 5 has 3"),
    "a header with line breaks": ("csv", b'text,"n\nm"\na,1,x\n', "line 3 has 3 fields"),
    "a byte order mark": ("csv", b"\xef\xbb\xbftext,n\na,1\n", ["a"]),
    "a byte order mark and quotes": ("csv", b'\xef\xbb\xbf"text",n\na,1\n', ["a"]),
    "NUL": ("csv", b"text,n\na,1\na\0b,1\n", "in.csv, line 3 contains the character NUL"),
    "a long field": ("csv", b"text,n\n" + b"x" * 200_000 + b",1\n", ["x" * 200_000]),
    "an open quote": ("csv", b'text\nx\n"a\nb\n', "line 3 starts a row with a quote that is never"),
    "an open quote of a header": ("csv", b'"text\na\n', "line 1 is not a readable header"),
    "letters after a quote": ("csv", b'text,n\n"a"b,1\n', "line 2 starts a row with a fault: ','"),
    "the first line of a file for Excel": ("csv", b"sep=;\r\n\r\ntext;a,b,c\r\nx;1\r\n", ["x"]),
    "a named tab": ("csv", b'"sep=\t"\ntext\ta;b;c\nx\t1\n', ["x"]),
    "gzip without the name": ("jsonl", gzip.compress(b"{}\n"), "in.jsonl is compressed with gzip;"),
    "a spreadsheet as csv": ("csv", b"PK\x03\x04\x14\0\x06\0", "in.csv is a zip file or a spread"),
    "parquet as csv": ("csv", b"PAR1\x15\0\x15", "in.csv is a parquet file; end its name in"),
    "bars": ("csv", b"id|text\n1|a, b\n", ["a, b"]),
    "quotes inside a field": ("csv", b'text,n\na"b",1\n', ['a"b"']),
    "carriage returns": ("csv", b"text,n\ra,1\rb,2\r", ["a", "b"]),
    "two columns of a name": ("csv", b"text,text\na,b\n", "has 2 columns named 'text'; rename"),
    "two other columns of a name": ("csv", b"n,text,n\n1,a,2\n", ["a"]),
    "no header": ("csv", b"\n\n", "in.csv is empty"),
    "a column with a space": ("csv", b"text ,n\na,1\n", "did you mean 'text '? Choose it with"),
    "another column": ("csv", b"post,n\na,1\n", "in.csv has no column 'text'; its columns are"),
    "not UTF-8": ("csv", b"text\na\nna\xefve\n", "in.csv, line 3 is not in UTF-8 (byte 0xef)"),
    "not UTF-8 in quotes": ("csv", b'text\n"a\nna\xefve"\n', "line 3 is not in UTF-8 (byte 0xef)"),
    "a header in another encoding": ("csv", b"text,\xef\na,1\n", "line 1 is not in UTF-8"),
    "blank lines of JSON": ("jsonl", b'\n{"text": "a"}\r\n \r\n{"text": "b"}\n\n', ["a", "b"]),
    "a line without the key": ("jsonl", b'{"text": "a"}\n{}\n', "line 2 is not a JSON object"),
    "a line of another kind": ("jsonl", b'{"text": "a"}\n[1]\n', "line 2 is not a JSON object"),
    "two objects in a line": ("jsonl", b'{"text": "a"}\r{"text": "b"}\r', "line 1 is not valid"),
    "a key twice": ("jsonl", b'{"text": "a", "text": "b"}\n', "line 1 has the key 'text' twice"),
    "a key inside a value": ("jsonl", b'{"n": {"text": 1}, "text": "\\"text\\""}\n', ['"text"']),
    "nested too deeply": ("jsonl", b"[" * 100_000, "line 1 is not valid JSON"),
    "a byte order mark of JSON": ("jsonl", b'\xef\xbb\xbf{"text": "a"}\n', ["a"]),
    "NUL in JSON": ("jsonl", b'{"text": "a\\u0000b"}\n', "line 1 has the character NUL in"),
    "a line separator": ("jsonl", '{"text": "a\u2028b"}\n'.encode(), ["a\u2028b"]),
    "half a character": ("jsonl", b'{"text": "a\\ud83d"}\n', "line 1 has half of a surrogate pair"),
    "a missing text": ("jsonl", b'{"text": "a"}\n{"text": null}\n', "line 2 has no text in the"),
    "a text that is no number": ("jsonl", b'{"text": NaN}\n', "line 1 has no text in the column"),
    "not UTF-8 in JSON": ("jsonl", b'{"text": "a"}\n{"text": "\xef"}\n', "line 2 is not in UTF-8"),
    "no parquet": ("parquet", b"something else", "in.parquet is not a readable parquet file"),
    "a compressed file": ("csv.gz", gzip.compress(b"text,n\na,1\n"), ["a"]),
    "a file that is not compressed": ("csv.gz", b"text,n\na,1\n", "is not a readable gzip file"),
    "a cut compressed file": ("jsonl.gz", gzip.compress(b'{"text": "a"}\n' * 9)[:-9],
                              "in.jsonl.gz is not a readable gzip file"),
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
    with pytest.raises((ValueError, TypeError)) as info:
        reader(path)
    assert expected in str(info.value)
    assert str(info.value).startswith(str(path))
    assert "\n" not in str(info.value)


def test_a_label_with_half_a_character_is_to_be_mended(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a", "label": "b"}\n{"text": "a", "label": "b\\ud83d"}\n')
    message = r"line 2 has half of a surrogate pair \(.ud83d\) in the label; remove it\."
    with pytest.raises(ValueError, match=message):
        read_labelled(file_source(path), "text")


def test_the_separator_and_the_encoding_can_be_given(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes("text|a;b\nnaïve €|x\n".encode("cp1252"))
    assert read_texts(path, sep="|", encoding="cp1252", label_column="a;b") == (["naïve €"], ["x"])
    with pytest.raises(ValueError, match=r"has no column 'text'.*text_column"):
        read_texts(path, encoding="cp1252")
    with pytest.raises(ValueError, match=r"line 2 is not in UTF-8.*encoding='cp1252'"):
        read_texts(path, sep="|", label_column=None)
    with pytest.raises(ValueError, match=r"has no byte-order mark.*encoding='cp1252'"):
        read_texts(path, encoding="utf-16")
    path.write_bytes(b"\xef\xbb\xbftext\na\n")
    with pytest.raises(ValueError, match=r"starts with a byte-order mark of UTF-8.*drop encoding"):
        read_texts(path, encoding="cp1252")


SKIP = Options(skip_bad_rows=True)


@pytest.mark.parametrize(
    ("kind", "content", "texts", "n_bad", "n_blank"),
    [
        ("csv", b"text,label\na,1\nb\n\nc,1,2\nd,2\n,1\ne,\n", ["a", "d"], 4, 1),
        ("csv", b'text,label\n"a,1\nb,2\nc,3\n', ["b", "c"], 1, 0),
        ("csv", b'text,label\n"a,1\nb,2\n"c",3\nd,4\n', ["b", "c", "d"], 1, 0),
        ("csv", b'text,label\n"a"x,1\nb,2\n', ["b"], 1, 0),
        ("csv", b"text,label\na\xef,1\nb,2\nc\0,3\n", ["b"], 2, 0),
        ("jsonl", b'{"text": "a", "label": "x"}\n{\n[]\n{"text": "b", "label": []}\n', ["a"], 3, 0),
        ("jsonl", b'\xef\n{"text": "", "label": null}\n\n{"text": "b", "label": 1}\n', ["b"], 2, 1),
    ],
)  # fmt: skip
def test_bad_rows_are_left_out_and_counted(tmp_path, kind, content, texts, n_bad, n_blank):
    path = tmp_path / f"in.{kind}"
    path.write_bytes(content)
    source = file_source(path, options=SKIP)
    assert read_labelled(source, "text").texts == texts
    assert (source.left_out.n_bad, source.left_out.n_blank) == (n_bad, n_blank)
    assert "bad row" in source.left_out.describe()
    with pytest.raises((ValueError, TypeError), match=r"in\.(csv|jsonl), line \d"):
        read_labelled(file_source(path), "text")


@pytest.mark.parametrize("kind", ["csv", "jsonl", "txt"])
def test_blank_lines_are_counted_wherever_they_are(tmp_path, kind):
    header, a, b, c = ("text,n", "a,1", "b,2", "c,3")
    if kind == "txt":
        header, a, b, c = " ", "a", "b", "c"
    if kind == "jsonl":
        header, a, b, c = "", '{"text": "a"}', '{"text": "b"}', '{"text": "c"}'
    path = tmp_path / f"in.{kind}"
    path.write_text("\n".join([header, a, "", b, "", "", c, "", ""]), encoding="utf-8")
    source = file_source(path)
    assert read_unlabelled(source, "text") == ["a", "b", "c"]
    n_blank = 3 if kind == "csv" else 4
    assert source.left_out.describe() == f"left out {n_blank} blank lines"


@pytest.mark.parametrize(
    ("labels", "known", "message"),
    [
        (["x", "y", "x", "y", "x", None], None, "line 6 has no label"),
        (["x", "y", "x", "", "x", "y"], None, "line 4 has no label"),
        (["x", "y", "x", "y", True, "x"], None, "line 5 has the label True, but .* line 1 has 'x'"),
        (["x", "y", "x", ["y"], "x", "y"], None, "line 4 has a list as label"),
        (["x", "y", "x", "y", "x", "z"], ["x", "y"], "line 6 has the label 'z', which is not one"),
        ([True, False, True, "x", "x", "x"], None, "line 4 has the label 'x', but .* line 1 has T"),
    ],
)
def test_labels_are_checked_in_all_parts_of_a_file(tmp_path, monkeypatch, labels, known, message):
    monkeypatch.setattr("skdistill.datasets._columns._PART", 2)
    path = tmp_path / "in.jsonl"
    pd.DataFrame({"text": ["a"] * 6, "label": labels}).to_json(path, orient="records", lines=True)
    columns = LabelColumns(known=None if known is None else np.array(known))
    with pytest.raises(ValueError, match=message):
        read_labelled(file_source(path), "text", columns)
    labels = ["x", "y", "x", "y", "y", "x"]
    pd.DataFrame({"text": ["a"] * 6, "label": labels}).to_json(path, orient="records", lines=True)
    assert read_labelled(file_source(path), "text", columns).y.tolist() == labels


@pytest.mark.parametrize(
    ("name", "shown"), [("a.b.xml.gz", "'.xml.gz'"), ("a.b.xml", "'.xml'"), ("a.parquet.gz", "'.p")]
)
def test_an_unknown_type_is_shown(tmp_path, name, shown):
    (tmp_path / name).touch()
    with pytest.raises(ValueError, match=f"has the unknown file type {shown}"):
        file_source(tmp_path / name)


def test_a_file_of_bad_rows_alone_says_so(tmp_path):
    path = tmp_path / "in.csv"
    path.write_bytes(b"text,label\na\nb\n")
    with pytest.raises(
        ValueError, match=r"has no rows: left out 2 bad rows \(the first: line 2 has 1"
    ):
        read_labelled(file_source(path, options=SKIP), "text")


def test_quotes_that_are_never_closed_end_soon(tmp_path, monkeypatch):
    monkeypatch.setattr("skdistill.datasets._delimited._MOST_READ_AGAIN", 1000)
    path = tmp_path / "in.csv"
    path.write_text("text,label\n" + 'a","\n' * 1000, encoding="utf-8")
    with pytest.raises(ValueError, match="has too many quotes that are not closed, in line"):
        read_labelled(file_source(path, options=SKIP), "text")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["true", "1"], r"line 2 has the label 1, but .*in\.jsonl, line 1 has True"),
        (["1", "1.0"], r"line 2 has the label 1\.0, but .*line 1 has 1, which is of another type"),
        (['"a"', "2", "true"], r"line 3 has the label True, but .*line 1 has 'a'"),
        (['["x", "y"]'], r"line 1 has a list as label, \['x', 'y'\]; write one label per text"),
        (['{"a": 1}'], "line 1 has a dict as label"),
        (['""'], "line 1 has no label"),
        (['"a\\u0000"'], "line 1 has the character NUL in the label"),
    ],
)
def test_labels_of_several_types_are_not_classes(tmp_path, labels, message):
    path = tmp_path / "in.jsonl"
    path.write_text("".join(f'{{"text": "x", "label": {label}}}\n' for label in labels))
    with pytest.raises(ValueError, match=message):
        read_texts(path)


def test_whole_numbers_and_strings_are_the_same_labels(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "x", "label": 1}\n{"text": "y", "label": "1"}\n')
    assert read_texts(path)[1].tolist() == ["1", "1"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_several_labels_are_listed_or_have_columns(tmp_path, kind):
    table = pd.DataFrame(
        {"text": ["a", "b", "c"], "tags": ["x|y z", "", "y z"], "x": [1, 0, 0], "y": [1, 0, 1]}
    )
    path = tmp_path / f"in.{kind}"
    if kind == "csv":
        table.to_csv(path, index=False)
    elif kind == "jsonl":
        table.to_json(path, orient="records", lines=True)
    else:
        table.to_parquet(path)
    expected = [[1, 1], [0, 0], [0, 1]]
    listed = read_labelled(file_source(path), "text", LabelColumns(("tags",), True, "|"))
    assert (listed.y.tolist(), listed.names.tolist()) == (expected, ["x", "y z"])
    marked = read_labelled(file_source(path), "text", LabelColumns(("y", "x")))
    assert (marked.y[:, ::-1].tolist(), marked.names.tolist()) == (expected, ["y", "x"])
    known = LabelColumns(("y", "x"), known=np.array(["x", "y"]))
    assert read_labelled(file_source(path), "text", known).y.tolist() == expected
    with pytest.raises(ValueError, match=r"The label columns y, x are not the labels"):
        read_labelled(
            file_source(path), "text", LabelColumns(("y", "x"), known=np.array(["x", "z"]))
        )


def test_lists_of_json_are_several_labels(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a", "label": ["x", "y"]}\n{"text": "b", "label": []}\n')
    found = read_labelled(file_source(path), "text", LabelColumns(is_list=True, separator="|"))
    assert (found.y.tolist(), found.names.tolist()) == ([[1, 1], [0, 0]], ["x", "y"])


@pytest.mark.parametrize(
    ("content", "columns", "message"),
    [
        ("text,a,b\nx,1,2\n", LabelColumns(("a", "b")), "line 2 has '2' in the label column 'b'"),
        ("text,label\nx,a|a\n", LabelColumns(is_list=True, separator="|"), "line 2 has a label"),
    ],
)  # fmt: skip
def test_bad_cells_of_several_labels_are_named(tmp_path, content, columns, message):
    path = tmp_path / "in.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_labelled(file_source(path), "text", columns)


@pytest.mark.parametrize("label", [{"a": 1, "b": 0}, [{"a": 1}], [["a"]]])
def test_what_is_no_list_of_labels_is_named(tmp_path, label):
    kind = "list" if label == [["a"]] else "dict"
    rows = [{"text": "x", "label": ["a"]}, {"text": "y", "label": label}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pd.DataFrame([rows[1], rows[1]]).to_parquet(tmp_path / "in.parquet")
    columns = LabelColumns(is_list=True, separator="|")
    for name, place in (("in.jsonl", "line 2"), ("in.parquet", "row 1")):
        with pytest.raises(ValueError, match=f"{place} has a {kind} as label, .*; write the label"):
            read_labelled(file_source(tmp_path / name), "text", columns)


@pytest.mark.parametrize(
    ("label", "hint"), [('{"a": 1}', "as a list with --label"), ('["a"]', "pass --label")]
)
def test_the_command_line_advises_a_list_of_labels_instead_of_an_object(tmp_path, label, hint):
    path = tmp_path / "in.jsonl"
    path.write_text(f'{{"text": "x", "label": {label}}}')
    message = rf"as label, .*; write one .* or a number, or {hint}-separator '\|' for several"
    with pytest.raises(ValueError, match=message):
        read_labelled(file_source(path, options=Options(shell=True)), "text")


SEVERAL = [LabelColumns(), *(LabelColumns(is_list=True, separator=mark) for mark in "|,")]


@pytest.mark.parametrize("columns", SEVERAL, ids=["one", "bar", "comma"])
@pytest.mark.parametrize(
    ("label", "kind"),
    [
        (["food"], "list"),
        (["to eat", "a, b"], "list"),
        ({"label": "food"}, "dict"),
        (("food",), "tuple"),
        ({"food"}, "set"),
        (["\\d"], "list"),
        ([1, 2], "list"),
        ([], "list"),
        ({1: 2}, "dict"),
        (np.array(["food", "travel"]), "list"),
        (np.array([1, -2]), "array"),
        (np.array([[0.5, np.nan, 1e30]] * 2)[0], "array"),
        (np.array([True, False]), "array"),
        (np.array([[1, 2], [3, 4]]), "array"),
        (np.arange(1001), "array"),
        ([*np.array([1, 2])], "list"),
        ([*np.array([1])], "list"),
        ((np.str_("food"),), "tuple"),
        ({np.str_("food")}, "set"),
        ([np.nan, 1.0], "list"),
        (set(), "set"),
        (frozenset(), "frozenset"),
        (frozenset({"food"}), "frozenset"),
        ("array(['food', 'travel'], dtype='<U6')", "array"),
    ],
    ids=str,
)
def test_a_list_written_as_text_is_no_label(tmp_path, label, kind, columns):
    path = tmp_path / "in.csv"
    pd.DataFrame({"text": ["x", "y"], "label": ["a", label]}).to_csv(path, index=False)
    advice = "the labels of" if columns.is_list else "the label alone, without brackets"
    message = f"line 3 has an? {kind} written as text as label, .*; write {advice}"
    with pytest.raises(ValueError, match=message):
        read_labelled(file_source(path), "text", columns)


@pytest.mark.parametrize(
    "label",
    [
        "[unk]",
        "(a)",
        "['",
        "('a')",
        "[1]",
        "(1,234)",
        "it's (not) 'a'",
        "['a]",
        "[a 1]",
        "array(a)",
        "np.array(1)",
        "[1] [2]",
        "nan",
    ],
)
def test_a_label_in_brackets_is_a_label(tmp_path, label):
    path = tmp_path / "in.csv"
    pd.DataFrame({"text": ["x", "y"], "label": ["a", label]}).to_csv(path, index=False)
    assert read_labelled(file_source(path), "text").y.tolist() == ["a", label]
    assert {*read_labelled(file_source(path), "text", SEVERAL[1]).names} == {"a", label}


@pytest.mark.parametrize("columns", SEVERAL[:2], ids=["one", "bar"])
@pytest.mark.parametrize("shell", [False, True])
def test_binary_labels_are_refused_with_what_to_do(tmp_path, columns, shell):
    path = tmp_path / "in.parquet"
    labels = [b"food", [b"food"], b"\xff"] if columns.is_list else [b"food", b"\xff"]
    for label in labels:
        pd.DataFrame({"text": ["x"], "label": [label]}).to_parquet(path)
        message = "row 1 has a binary label, b'.*'; convert the column to strings"
        with pytest.raises(ValueError, match=message) as raised:
            read_labelled(file_source(path, options=Options(shell=shell)), "text", columns)
        assert "separator" not in str(raised.value)


@pytest.mark.parametrize("column", [["a", None], [1, 2], [b"a", b"b"], [["a"], ["b"]]])
def test_what_is_no_text_in_parquet_is_named_by_its_row(tmp_path, column):
    path = tmp_path / "in.parquet"
    pd.DataFrame({"text": column}).to_parquet(path)
    row = 2 if column[1] is None else 1
    with pytest.raises((ValueError, TypeError), match=rf"in\.parquet, row {row} has"):
        read_unlabelled(file_source(path), "text")


def test_other_columns_of_parquet_stay_on_disk(tmp_path):
    path = tmp_path / "in.parquet"
    pd.DataFrame({"n": [1, 2, 3], "text": [*"abc"]}).to_parquet(path)
    parquet = TABLES[".parquet"]
    (few,) = parquet.read(file_source(path), WANTED, 9)
    assert (few.columns, few.whole.schema.names) == ({"text": [*"abc"]}, ["text"])
    all_columns = [*parquet.read(file_source(path), WANTED, 2, whole=True)]
    assert [rows.whole.num_rows for rows in all_columns] == [2, 1]
    assert {name for rows in all_columns for name in rows.whole.schema.names} == {"n", "text"}


def test_a_table_keeps_its_form_and_gets_columns(tmp_path):
    path = tmp_path / "in.csv"
    content = 'text,n\n"a, ""b""\nc",1\n"",2\n"naïve\r",3\n'
    path.write_bytes(content.encode())
    with (tmp_path / "out.csv").open("wb") as file:
        for number, rows in enumerate(TABLES[".csv"].read(file_source(path), WANTED, 2)):
            added = {"new": ["x", "y"][: len(rows.whole)]}
            TABLES[".csv"].write(file, rows, added, header=number == 0)
    expected = 'text,n,new\n"a, ""b""\nc",1,x\n,2,y\n"naïve\r",3,x\n'
    assert (tmp_path / "out.csv").read_bytes().decode() == expected


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "txt"])
def test_long_texts_come_in_smaller_parts(tmp_path, monkeypatch, kind):
    for module in ("_streams", "_parquet"):
        monkeypatch.setattr(f"skdistill.datasets.{module}.LONGEST_PART", 100)
    texts = ["x" * 30] * 9
    table, path = pd.DataFrame({"text": texts}), tmp_path / f"in.{kind}"
    if kind == "jsonl":
        table.to_json(path, orient="records", lines=True)
    elif kind == "parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, header=kind == "csv")
    parts = [rows.columns["text"] for rows in read_rows(file_source(path), WANTED, "text", 9)]
    assert max(map(len, parts)) < 9
    assert [text for part in parts for text in part][-9:] == texts


def test_labels_keep_their_form():
    for labels, expected in (
        ([1, "x"], ["1", "x"]),
        ([1.0, 1.5], ["1.0", "1.5"]),
        ([True], ["True"]),
    ):
        assert label_array(labels, "label").tolist() == expected
    with pytest.raises(ValueError, match=r"label\[1\] has no label; drop rows without a label"):
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


def test_a_name_that_cannot_be_typed_is_not_proposed():
    for name in ("te\ud800xt", "te\nxt", "te\0xt"):
        advice = column_advice("text", [name], "text_column", Options(shell=True), "has others")
        assert advice == "has others. Choose the right one with --text-column NAME"
    assert "did you mean 'texts'" in column_advice("text", ["texts"], "text_column", Options(), "")


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    ("line", "advice"),
    [("id,text", ".csv or .tsv"), ('{"text": "soup"}', ".jsonl"), ("a text; and more", "")],
)
def test_a_table_with_the_name_of_a_txt_file_is_noted(tmp_path, recwarn, line, advice):
    path = tmp_path / "in.txt"
    path.write_text(f"{line}\n1,text\n", encoding="utf-8")
    assert read_texts(path, label_column=None)[0] == [line, "1,text"]
    found = [str(warning.message) for warning in recwarn]
    expected = (
        f"The first line of {path} contains the column name 'text', but each line counts as a "
        f"text; rename the file to {advice} to read its columns."
    )
    assert found == ([expected] if advice else [])


@pytest.mark.parametrize("text", ["", "  "])
def test_a_blank_text_of_a_csv_file_is_missing_for_fit_alone(tmp_path, text):
    path = tmp_path / "in.csv"
    path.write_text(f"n,text\n1,soup\n2,{text}\n", encoding="utf-8")
    assert predicts_reader(path) == ["soup", text]
    with pytest.raises(ValueError, match="line 3 has no text in the column 'text'"):
        fits_reader(path)


def read_known(tmp_path, cells, known, **labels):
    """Read labels that must be among the known ones from a file."""
    path = tmp_path / "test.csv"
    path.write_text("\n".join(["text;label", *(f"x;{cell}" for cell in cells)]), encoding="utf-8")
    source = file_source(path, options=Options(sep=";", shell=True))
    return read_labelled(source, "text", LabelColumns(known=np.array(known), **labels))


def test_unknown_labels_are_counted(tmp_path):
    cells = ["a", "ship", "b", *"cdefg", "ship", "c", "a"]
    message = (
        "line 3 has the label 'ship', which is not one of the classes a, b; 8 of 11 rows have such "
        r"labels: 'ship' \(2\), 'c' \(2\), 'd' \(1\), 'e' \(1\), 'f' \(1\) and 1 other. Drop or"
    )
    with pytest.raises(ValueError, match=message):
        read_known(tmp_path, cells, ["a", "b"])
    message = "line 4 has the label 'c', which is not one of the classes a, b. Drop or rename such"
    with pytest.raises(ValueError, match=message):
        read_known(tmp_path, ["a", "b", "c", "a"], ["a", "b"])
    message = (
        r"classes a, b; 2 of 3 rows have such labels: 'c' \(1\), 'd' \(1\), 'e' \(1\). Drop or"
    )
    with pytest.raises(ValueError, match=message):
        read_known(tmp_path, ["a", "c|d|a", "e"], ["a", "b"], is_list=True, separator="|")


@pytest.mark.parametrize(
    ("cell", "known", "labels", "advice"),
    [
        ("0 2", [0, 2], {"is_list": True, "separator": "|"}, "Pass --label-separator ' ', which"),
        ("a, b", ["a", "b"], {"is_list": True, "separator": "|"}, "Pass --label-separator ',', wh"),
        ("a|b", ["a", "b"], {}, "there is one per text; .* train with --label-separator '|' for"),
        ("a|c", ["a", "b"], {"is_list": True}, "or name what separates labels with --label-sep"),
        ("1.0", [1, 2], {}, r"without a decimal point, .* df\[\"label\"\].astype\(\"Int64\"\)"),
        (
            "1",
            ["1.0", "2.0"],
            {},
            r"without a decimal point, .* df\[\"label\"\].astype\(\"float\"\)",
        ),
        ("1.5", [1, 2], {}, r"Drop or rename such rows\.$"),
    ],
)
def test_the_advice_on_unknown_labels_follows_from_them(tmp_path, cell, known, labels, advice):
    with pytest.raises(ValueError, match=advice):
        read_known(tmp_path, [cell], known, **labels)


@pytest.mark.parametrize("piped", [False, True])
def test_arrow_gets_no_file_of_python(tmp_path, monkeypatch, piped):
    # Its threads may hold the file until Python has ended, and would then abort the process.
    path, given, ParquetFile = tmp_path / "in.parquet", [], pq.ParquetFile
    pd.DataFrame({"text": ["soup", "naïve"]}).to_parquet(path)

    def note(source, **options):
        given.append(source)
        return ParquetFile(source, **options)

    monkeypatch.setattr(pq, "ParquetFile", note)
    content = io.BytesIO(path.read_bytes())
    source = Source("standard input", ".parquet", lambda: content) if piped else file_source(path)
    (rows,) = Parquet().read(source, {"text": "text_column"}, 10)
    assert rows.columns["text"] == ["soup", "naïve"]
    (file,) = given
    assert type(file) is (pa.BufferReader if piped else pa.OSFile)
    assert file.closed
