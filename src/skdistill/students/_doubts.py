"""Warnings, before a student is trained, that it will not be good."""

from typing import TYPE_CHECKING, Any

from skdistill._core.exceptions import warn
from skdistill.text._repetition import MOSTLY_SINGLE, share_of_single_words
from skdistill.text._streams import Texts

if TYPE_CHECKING:
    from skdistill.students.training._selection import Choice

# A student without unlabelled texts is warned of if it covers less than this share of the way from
# one answer to all texts to the teacher's answers. With 1,000 labels, four of six data sets are
# below it, on which the student loses 5 to 12 points; on the two above, 4 and 9.
_NEAR = 0.6


def warn_of_single_words(texts: list[str], pool: Texts, analyzer: Any) -> None:
    """Warn if most words occur once, so that they are no features to learn from."""
    split = analyzer if callable(analyzer) else None
    share = share_of_single_words(texts, pool, split=split)
    if share > MOSTLY_SINGLE:
        warn(
            f"In a sample of the texts, {share:.0%} of the words occur only once (if many texts "
            "contain a script without spaces, of the words in it; in texts such as file names, "
            "without what all have in common), so words are poor features. "
            "Check that these are texts, not identifiers; if their language is written without "
            'spaces, use analyzer="char".',
        )


def warn_of_distance(choice: "Choice") -> None:
    """Warn if the student will stay far behind its teacher."""
    if choice.fidelity is None or choice.constant in (None, 1):
        return
    if choice.fidelity - choice.constant < _NEAR * (1 - choice.constant):
        warn(
            f"After a first training, the student gave its teacher's answer to "
            f"{choice.fidelity:.0%} of the texts held out, of which the most frequent answer alone "
            f"is right for {choice.constant:.0%}. It is likely to be several points less accurate "
            "than the teacher. Pass unlabelled texts as X_unlabeled, which helps most; or keep the "
            "teacher, or let a CascadeClassifier ask it where the student is in doubt.",
        )
