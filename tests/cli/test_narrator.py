import logging
import sys

from skdistill.cli._narrator import Narrator


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


def test_a_sign_of_life_is_given_after_half_a_minute_without_a_line(capsys):
    now = 0.0
    tell = Narrator(1, clock=lambda: now)
    for now in (10.0, 35.0, 60.0, 70.0):
        tell.sign_of_life(f"at {now:.0f}")
    assert capsys.readouterr().err == "[  35 s]       at 35\n[  70 s]       at 70\n"


def test_a_silent_narrator_says_nothing(capsys):
    tell = Narrator(1, silent=True)
    tell.step("First")
    tell.note("a figure")
    assert capsys.readouterr() == ("", "")


def test_what_is_told_never_goes_to_standard_output(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    Narrator(1).step("First")
    assert capsys.readouterr().out == ""


def test_messages_of_the_package_are_told_inside_the_block_alone(capsys):
    tell = Narrator(1)
    logger = logging.getLogger("skdistill.teachers.huggingface._finetune")
    logger.info("before")
    with tell.listening():
        logger.info("continues after epoch %d", 3)
        logging.getLogger("elsewhere").info("unheard")
    logger.info("after")
    assert capsys.readouterr().err == "[   0 s]       continues after epoch 3\n"
    assert logging.getLogger("skdistill").level == logging.NOTSET
    assert [type(h) for h in logging.getLogger("skdistill").handlers] == [logging.NullHandler]
