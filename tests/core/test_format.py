import pytest

from skdistill._core.format import align, format_bytes, format_count


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (99_960, "100 kB"),
        (999_600, "1.0 MB"),
        (2.5e9, "2.5 GB"),
        (3e12, "3000 GB"),
    ],
)
def test_format_bytes(count, text):
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0.5, "0.5"),
        (512, "512"),
        (999.6, "1k"),
        (1000, "1k"),
        (999_700, "1M"),
        (1.25e6, "1.25M"),
        (999_900_000, "1B"),
        (3e9, "3B"),
    ],
)
def test_format_count(count, text):
    assert format_count(count) == text


ROWS = [("class", "F1", "texts"), ("joy", "93.4", "1,695"), ("surprise", "8.5", "")]


def test_the_first_column_stands_to_the_left_and_others_to_the_right():
    assert align(ROWS).splitlines() == [
        "class       F1  texts",
        "joy       93.4  1,695",
        "surprise   8.5",
    ]


def test_a_rule_is_as_wide_as_its_column():
    assert align(ROWS, rule=True).splitlines()[:2] == [
        "class       F1  texts",
        "--------  ----  -----",
    ]
