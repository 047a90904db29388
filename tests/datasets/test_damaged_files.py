"""Damaged files end in their rows, or in one line that names the file and the place."""

import csv
import io
import json
import re
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skdistill import DistilledMLPClassifier
from skdistill.cli import _inputs
from skdistill.cli import _main as cli
from skdistill.datasets._files import FILES, file_source
from skdistill.datasets._source import Options, Source

N_QUICK, N_MANY = 50, 1250
WANTED = {"text": "text_column", "label": "label_column"}
LABELS = ["food", "travel"]
WORDS = [
    "soup",
    "bread",
    "train",
    "naïve",
    "🙂",
    'say "hi"',
    "a, b",
    "c; d",
    "e\tf",
    "g\nh",
    "late",
]
# What an error may be about instead of a line.
WHOLE_FILE = (
    "has no column|columns named|is empty|has no rows|seems to be in UTF-16|starts with a byte"
    "|is not a readable (gzip|parquet) file"
)


def make_rows(rng):
    n_rows = int(rng.integers(1, 30))
    texts = [" ".join(rng.choice(WORDS, rng.integers(1, 6))) for _ in range(n_rows)]
    return [(f"{number} {text}", LABELS[number % 2]) for number, text in enumerate(texts)]


def written(rows, kind, rng):
    """Return the bytes of a file."""
    if kind == "parquet":
        file = io.BytesIO()
        texts, labels = zip(*rows, strict=True)
        table = pa.table({"text": texts, "label": labels})
        pq.write_table(table, file, write_page_checksum=True, row_group_size=10)
        return file.getvalue()
    if kind == "jsonl":
        lines = [json.dumps({"text": text, "label": label}) for text, label in rows]
        return "\n".join([*lines, ""]).encode()
    file = io.StringIO(newline="")
    sep = "\t" if kind == "tsv" else rng.choice([",", ";", "\t"])
    writer = csv.writer(file, delimiter=sep, lineterminator=rng.choice(["\n", "\r\n"]))
    writer.writerows([("text", "label"), *rows])
    return file.getvalue().encode(rng.choice(["utf-8", "utf-8-sig", "utf-16"]))


def flip_bit(data, rng):
    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))


def overwrite(data, rng):
    start = rng.integers(len(data))
    data[start : start + 9] = rng.integers(0, 256, 9, dtype=np.uint8).tobytes()


def cut_out(data, rng):
    start = rng.integers(len(data))
    del data[start : start + int(rng.integers(1, 20))]


def cut_off(data, rng):
    del data[rng.integers(len(data)) :]


def insert_odd(data, rng):
    odd = [b'"', b"'", b",", b";", b"\t", b"\n", b"\r", b"\n\n", b"\n \n", b"\0", b"\xef", b'""']
    odd += [
        b"{",
        b"}",
        b"\\",
        b"\xff\xfe",
        b"\xc3",
        b"\\ud800",
        b"\\u0000",
        b",,\n",
        b"null",
        b"[1]",
    ]
    for _ in range(rng.integers(1, 4)):
        start = rng.integers(len(data) + 1)
        data[start:start] = odd[rng.integers(len(odd))]


def repeat(data, rng):
    start = rng.integers(len(data))
    data[start:start] = data[start : start + int(rng.integers(1, 40))]


def leave(data, rng):
    """Leave the file as it is."""


DAMAGES = [flip_bit, overwrite, cut_out, cut_off, insert_odd, insert_odd, repeat, leave]


def make_damaged(path, number):
    """Write a file, damaged or not, and return the rows before."""
    rng = np.random.default_rng([number, len(path.suffix)])
    rows = make_rows(rng)
    data = bytearray(written(rows, path.suffix[1:], rng))
    damage = DAMAGES[number % len(DAMAGES)]
    damage(data, rng)
    path.write_bytes(data)
    return rows, damage is leave


def read(path):
    parts = FILES[path.suffix].read(file_source(path), WANTED, 7)
    return [
        row
        for rows in parts
        for row in zip(rows.numbers, rows.columns["text"], rows.columns["label"], strict=True)
    ]


def check_error(error, path):
    message = str(error)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert re.search(rf", (line|row) \d+ |{WHOLE_FILE}", message), message


def check_rows(path, rows, before, is_whole):
    """Compare what was read with what Python's own readers find in the file."""
    if path.suffix == ".parquet" or is_whole:
        assert [(text, label) for _, text, label in rows] == before
        return
    data = path.read_bytes()
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    content = data.decode("utf-16" if utf16 else "utf-8-sig")
    if path.suffix == ".jsonl":
        found = [json.loads(line) for line in content.split("\n") if line.strip(" \t\r")]
        assert [(row["text"], row["label"]) for row in found] == [row[1:] for row in rows]
        return
    separators = ["\t"] if path.suffix == ".tsv" else [",", ";", "\t"]
    assert any(rows == expected_rows(content, sep) for sep in separators)


def expected_rows(content, sep):
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=sep, strict=True)
    rows, start = [], 1
    try:
        for row in reader:
            rows.append((start, row))
            start = reader.line_num + 1
    except csv.Error:
        return None
    rows = [(number, row) for number, row in rows if any(cell.strip() for cell in row)]
    names = rows[0][1]
    if {"text", "label"} - {*names} or {len(row) for _, row in rows} != {len(names)}:
        return None
    columns = [names.index(name) for name in ("text", "label")]
    return [(number, *(row[column] for column in columns)) for number, row in rows[1:]]


def check_no_row_is_lost(path):
    """With bad rows left out, each line of the file is blank, belongs to a row, or is counted."""
    source = file_source(path, options=Options(skip_bad_rows=True))
    refused = []
    refuse_row = Source.refuse_row
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            Source, "refuse_row", lambda *args: refused.append(args[1]) or refuse_row(*args)
        )
        try:
            parts = [*FILES[source.kind].read(source, WANTED, 7, whole=True)]
        except ValueError as error:
            check_error(error, path)
            return
    assert source.left_out.n_bad == len(refused)
    if path.suffix == ".parquet":
        return
    starts = {
        number: row for rows in parts for number, row in zip(rows.numbers, rows.whole, strict=True)
    }
    lines = lines_of(path)
    if path.suffix == ".jsonl":
        assert sorted([*starts, *refused]) == [n for n, line in enumerate(lines, 1) if line.strip()]
        return
    ends = sorted([*starts, *refused, len(lines) + 1])
    for start, end in pairwise(ends):
        # A bad row is named by the line of its fault, which may not be its first.
        if start in starts and end not in refused:
            n_lines = 1 + sum(len(LINE_END.findall(cell)) for cell in starts[start])
            assert not "".join(lines[start - 1 + n_lines : end - 1]).strip(' ,;\t"')


LINE_END = re.compile("\r\n|\r|\n")


def lines_of(path):
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    content = data.decode(encoding, errors="replace")
    return content.split("\n") if path.suffix == ".jsonl" else LINE_END.split(content)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("n_files", [N_QUICK, pytest.param(N_MANY, marks=pytest.mark.slow)])
def test_damaged_files_end_in_their_rows_or_an_error(tmp_path, kind, n_files):
    path, n_read = tmp_path / f"in.{kind}", 0
    for number in range(n_files):
        before, is_whole = make_damaged(path, number)
        try:
            rows = read(path)
        except ValueError as error:
            assert not is_whole
            check_error(error, path)
        else:
            check_rows(path, rows, before, is_whole)
            n_read += 1
        check_no_row_is_lost(path)
    assert n_files / 10 < n_read < n_files


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "student.skd"
    X = ["warm soup", "fresh bread", "fast train", "late bus"]
    DistilledMLPClassifier(max_epochs=1).fit(X, ["food", "food", "travel", "travel"]).save(path)
    return path


def read_as(command, path):
    """Return the labelled texts that a command reads, or its error."""
    needed = {"fit": [str(path), "-o", "x.skd"], "report": ["x.skd", str(path)]}
    arguments = cli.make_parser().parse_args([command, *needed[command]])
    try:
        found = _inputs.read_labelled_file(str(path), arguments, _inputs.label_columns(arguments))
    except (ValueError, TypeError) as error:
        return None, str(error)
    return [*zip(found.texts, found.y.tolist(), strict=True)], ""


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "parquet"])
@pytest.mark.parametrize("n_files", [N_QUICK, pytest.param(N_MANY, marks=pytest.mark.slow)])
def test_commands_agree_on_damaged_files(model, tmp_path, capsys, kind, n_files):
    path = tmp_path / f"in.{kind}"
    for number in range(n_files):
        make_damaged(path, number)
        rows, error = read_as("fit", path)
        assert read_as("report", path) == (rows, error)
        output = [str(tmp_path / "out.jsonl"), "--output-column", "new", "--force"]
        status = cli.main(["predict", str(model), str(path), *output])
        told = capsys.readouterr().err.splitlines()
        if status:
            # The texts alone are wrong, so `fit` refuses them, too; perhaps for an earlier label.
            assert len(told) == 1
            assert told[0].startswith(f"skdistill predict: error: {path}")
            check_error(told[0].partition("error: ")[2], path)
            assert error
        else:
            lines = (tmp_path / "out.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
            texts = [json.loads(line)["text"] for line in lines]
            assert (rows is None) == bool(error)
            if error:
                assert re.search(r"label|has no text|parquet", error)
            else:
                assert texts == [text for text, _ in rows]
