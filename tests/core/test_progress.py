import io
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr

import pytest
from tqdm import tqdm

from skdistill import DistilledMLPClassifier, TransformerTeacherClassifier, make_tfidf_baseline
from skdistill._core import progress as _progress
from skdistill._core.progress import progress_bar
from skdistill.students.training import _loop as training


class Terminal(io.StringIO):
    def isatty(self):
        return True


def in_log():
    """Send standard error to what is no terminal; enter it to get its text."""
    return redirect_stderr(io.StringIO())


def in_terminal():
    return redirect_stderr(Terminal())


def test_a_log_gets_whole_lines_and_few_of_them():
    with in_log() as log, progress_bar(total=1000, desc="labelling", unit="text") as bar:
        for _ in range(1000):
            bar.update()
            bar.set_postfix(loss="0.5")
    first, last, end = log.getvalue().split("\n")
    assert first == "labelling:   0% 0/1000 [00:00<?, ?text/s]"
    assert re.fullmatch(
        r"labelling: 100% 1000/1000 \[00:00<00:00, [\d.]+k?text/s, loss=0.5\]", last
    )
    assert end == ""
    assert "\r" not in log.getvalue()


def test_a_log_gets_a_line_every_ten_seconds():
    now = [time.time()]
    with in_log() as log, progress_bar(total=100) as bar:
        bar._time = lambda: now[0]
        bar.last_print_t = bar.start_t = now[0]
        for _ in range(100):
            now[0] += 1
            bar.update()
    counts = [int(n) for n in re.findall(r" (\d+)/100 ", log.getvalue())]
    assert counts == [0, *range(10, 101, 10)]


def test_lines_of_two_bars_stand_one_after_the_other():
    with in_log() as log, progress_bar(total=1, desc="outer") as outer:
        with progress_bar(total=1, desc="inner") as inner:
            inner.update()
        outer.update()
    names = [line.split(":")[0] for line in log.getvalue().splitlines()]
    assert names == ["outer", "inner", "inner", "outer"]


def test_a_bar_without_a_total_counts():
    with in_log() as log, progress_bar(desc="predicting", unit="text") as bar:
        bar.update(6)
    assert re.fullmatch(r"predicting: 6text \[00:00, .*\]", log.getvalue().splitlines()[-1])


def test_a_terminal_gets_a_bar_that_moves():
    with in_terminal() as terminal, progress_bar(total=10, desc="labelling") as bar:
        bar.update(10)
    assert terminal.getvalue().count("\r") > 1
    assert "|" in terminal.getvalue()


def test_a_bar_that_is_interrupted_while_it_opens_can_be_closed():
    class Interrupting(io.StringIO):
        def write(self, text):
            raise KeyboardInterrupt

    bar = _progress.LogLines.__new__(_progress.LogLines)
    with pytest.raises(KeyboardInterrupt):
        bar.__init__(total=2, file=Interrupting())
    bar.close()


@pytest.mark.parametrize("kind", [_progress.MovingBar, _progress.LogLines])
def test_an_interrupted_bar_does_not_hold_other_threads_up(kind):
    class Interrupted(io.StringIO):
        def write(self, text):
            raise KeyboardInterrupt

    with kind(total=2, file=io.StringIO()) as bar:
        bar.sp = bar.status_printer(Interrupted())
        with pytest.raises(KeyboardInterrupt):
            bar.refresh()
        bar.sp = bar.status_printer(io.StringIO())
        lock = kind.get_lock().th_lock
        with ThreadPoolExecutor(1) as other_thread:
            assert other_thread.submit(lock.acquire, timeout=10).result()
            other_thread.submit(lock.release).result()


def test_no_thread_is_started():
    code = """if True:
        import threading
        from skdistill._core.progress import LogLines, MovingBar
        for disable in (False, True):
            for kind in (LogLines, MovingBar):
                kind(total=1, disable=disable).close()
        assert threading.active_count() == 1
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("disable", [False, True])
def test_a_process_without_standard_error_has_no_bar(disable, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with progress_bar([1, 2], disable=disable) as bar:
        assert list(bar) == [1, 2]


def test_what_is_disabled_writes_nothing():
    with in_log() as log:
        assert list(progress_bar([1, 2], disable=True)) == [1, 2]
    assert log.getvalue() == ""


def test_a_notebook_keeps_its_own_bar(monkeypatch):
    made = []

    class NotebookBar(tqdm):
        __module__ = "tqdm.notebook"
        disable = True

        def __init__(self, *args, **options):
            made.append(options)

    monkeypatch.setattr(_progress, "MovingBar", NotebookBar)
    with in_log():
        assert type(progress_bar(total=1)) is NotebookBar
    assert made == [{"miniters": 1, "total": 1}]


# ---- what fits show


def test_each_phase_shows_rate_and_time_left(topics, tiny_checkpoint):
    teacher = TransformerTeacherClassifier(tiny_checkpoint, max_epochs=1, random_state=0, verbose=1)
    student = DistilledMLPClassifier(teacher, max_epochs=2, random_state=0, verbose=1)
    with in_log() as log:
        student.fit(topics[0][:100], topics[1][:100])
    ends = re.findall(
        r"^([\w -]+): 100% \d+/\d+ \[\d\d:\d\d<00:00, +[\d.]+k?(\w+)/s.*\]$",
        log.getvalue(),
        flags=re.MULTILINE,
    )
    assert ends == [
        ("fine-tuning", "batch"),
        ("predicting", "text"),  # the texts of the user
        ("predicting", "text"),  # those that were made of them
        ("labelling", "text"),
        ("training student", "batch"),
    ]


def test_verbose_0_is_silent(topics, tiny_checkpoint, capfd):
    teacher = TransformerTeacherClassifier(tiny_checkpoint, max_epochs=1, random_state=0)
    DistilledMLPClassifier(teacher, max_epochs=1).fit(topics[0][:60], topics[1][:60])
    TransformerTeacherClassifier(tiny_checkpoint, max_epochs=1, early_stopping=True).fit(
        topics[0][:60], topics[1][:60]
    ).predict_proba(topics[0][:60])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_fit_that_ends_early_closes_its_bar(topics, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    opened = []

    def note(*args, **options):
        opened.append(progress_bar(*args, **options))
        return opened[-1]

    monkeypatch.setattr(training, "progress_bar", note)
    monkeypatch.setattr(training.StudentNet, "train_step", fail)
    student = DistilledMLPClassifier(make_tfidf_baseline(), max_epochs=2, verbose=1)
    with in_terminal() as terminal, pytest.raises(error):
        student.fit(topics[0][:60], topics[1][:60])
    assert [bar.disable for bar in opened] == [True]
    assert not tqdm._instances
    assert terminal.getvalue().endswith("\n")
