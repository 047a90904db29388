"""How many texts to ask a teacher for at once, so that an interruption loses little."""

# Texts per request to a slow and to a fast teacher.
FEW, MANY = 256, 8192
# Texts per second from which a teacher is fast: it then answers MANY in 8 seconds.
_FAST = 1024


class Pace:
    """The number of texts to ask for at once, from the speed of the last answer.

    A slow teacher is asked for 256 texts, a fast one for 8,192. An interruption loses the texts
    that are being labelled: at most 256 answers of a slow teacher, and about eight seconds' work of
    a fast one. There are two sizes only, because the answers of a transformer depend on the size in
    the last bits.

    Parameters
    ----------
    is_kept : bool
        Whether answers are kept. If not, 8,192 texts are always asked for.

    Examples
    --------
    >>> from skdistill.labelling._pace import Pace
    >>> pace = Pace(is_kept=True)
    >>> pace.size
    256
    >>> pace.note(256, seconds=0.1)
    >>> pace.size
    8192
    """

    def __init__(self, *, is_kept: bool):
        self._is_kept = is_kept
        self.size = FEW if is_kept else MANY

    def note(self, n_texts: int, seconds: float) -> None:
        """Note how long an answer took."""
        if self._is_kept:
            self.size = MANY if n_texts >= _FAST * seconds else FEW
