import numpy as np
import pytest

from skdistill.text._word_table import WordTable


def reference(words, data):
    """Cut and look up word by word."""
    ids, offsets = [], [0]
    for text in data.split(b"\0")[:-1]:
        current = b""
        for byte in [*(bytes([b]) for b in text), b" "]:
            in_word = byte >= b"\x80" or byte.isalnum() or byte == b"_"
            if in_word:
                current += byte
                continue
            if current:
                ids.append(words.get(current, 0))
            current = b""
            if not byte.decode().isspace():
                ids.append(words.get(byte, 0))
        offsets.append(len(ids))
    return ids, offsets


def check(table, data):
    words = {word.encode("utf-8", "surrogatepass"): number for word, number in table.items()}
    rows = WordTable(table).encode(data)
    ids, offsets = reference(words, data)
    assert rows.values.tolist() == ids
    assert rows.offsets.tolist() == offsets
    assert rows.values.dtype == np.int32


def test_ascii_letters_are_lowered_on_demand():
    table = {"ab": 1, "AB": 2, "é": 3}
    data = "AB ab É é\0".encode()
    assert WordTable(table).encode(data).values.tolist() == [2, 1, 0, 3]
    assert WordTable(table, lowercase=True).encode(data).values.tolist() == [1, 1, 0, 3]


def test_words_of_all_lengths_are_told_apart():
    # Prefixes of one another, up to and beyond what a key holds.
    words = ["x" * n for n in range(1, 40)] + ["x" * n + "y" for n in range(40)]
    table = {word: number for number, word in enumerate(words, 1)}
    unknown = [word + "z" for word in words]
    check(table, "\0".join([*words, *unknown, " ".join(words + unknown), ""]).encode())


def test_random_bytes():
    rng = np.random.default_rng(0)
    alphabet = np.frombuffer(b"abcAB09_ \t\n\x1c.,!'\x01\x7f\xc3\xa9\0", dtype=np.uint8)
    for _ in range(50):
        data = rng.choice(alphabet, size=rng.integers(0, 400)).tobytes() + b"\0"
        tokens = {token for token in data.decode("latin-1").split() if token.isascii()}
        table = {word: number for number, word in enumerate(sorted(tokens), 1)}
        check(table, data)


def test_every_place_of_a_word_in_memory():
    for n_blanks in range(20):
        check({"seventeen-letters": 1, "abcdefghijklmnop": 2, "b": 3}, b" " * n_blanks + b"b\0b\0")
        check({"abcdefghijklmnop": 2}, b" " * n_blanks + b"abcdefghijklmnop b\0")


def test_a_word_may_end_with_the_data():
    assert WordTable({"a": 1}).encode(b"a a\0a\0").values.tolist() == [1, 1, 1]
    assert WordTable({"a": 1}).encode(b"").offsets.tolist() == [0]
    assert WordTable({"a": 1}).encode(b"\0\0").offsets.tolist() == [0, 0, 0]
    assert WordTable({}).encode(b"a b\0").values.tolist() == [0, 0]


def test_a_word_with_a_nul_is_never_found():
    table = WordTable({"a\0": 1, "b": 2})
    assert table.encode(b"a b\0").values.tolist() == [0, 2]


@pytest.mark.parametrize("n_bits", [1, 4])
def test_words_whose_hashes_coincide(n_bits, monkeypatch):
    # So few slots that most words have to go on to later tables.
    monkeypatch.setattr("skdistill.text._word_table._MIN_BITS", n_bits)
    monkeypatch.setattr("skdistill.text._word_table._SPARSITY", 0)
    words = [f"w{number}" for number in range(300)] + [f"longer{n:04}" for n in range(300)]
    table = {word: number for number, word in enumerate(words, 1)}
    assert len(WordTable(table)._short._levels) > 3
    assert len(WordTable(table)._middle._levels) > 3
    check(table, " ".join([*words, "unknown", "w300", "w", "0", "longer0300"]).encode() + b"\0")


def test_many_words():
    words = [f"word{number}" for number in range(70_000)]
    table = WordTable({word: number for number, word in enumerate(words, 1)})
    rows = table.encode(" ".join(words).encode() + b"\0")
    np.testing.assert_array_equal(rows.values, np.arange(1, 70_001))
