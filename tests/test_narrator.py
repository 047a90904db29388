from skdistill._narrator import Narrator


def test_the_narrator_counts_steps_and_seconds(capsys):
    times = iter([100.0, 100.0, 161.6, 1300.0])
    tell = Narrator(2, clock=lambda: next(times))
    tell.step("First")
    tell.note("a figure")
    tell.step("Second")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "[   0 s]  1/2  First",
        "[  62 s]       a figure",
        "[1200 s]  2/2  Second",
    ]


def test_a_silent_narrator_says_nothing(capsys):
    tell = Narrator(1, silent=True)
    tell.step("First")
    tell.note("a figure")
    assert capsys.readouterr() == ("", "")
