import numpy as np
import pytest

from skdistill import make_tfidf_baseline
from skdistill.metrics._word_order import word_order_sensitivity


class Rule:
    """A classifier by a function of each text; it keeps what it was asked."""

    def __init__(self, rule, classes=("no", "yes")):
        self.rule = rule
        self.classes_ = np.array(classes)
        self.asked = []

    def predict(self, X):
        self.asked.append(list(X))
        return np.array([self.rule(text) for text in X])


def first_word(text):
    return "yes" if text.split()[0] == "a" else "no"


def test_sensitivity_of_what_ignores_and_of_what_needs_the_order():
    texts, y = ["a b c", "b c a", "c a b d", "b d c"], ["yes", "no", "no", "no"]
    assert word_order_sensitivity(Rule(lambda text: "yes"), texts, y) == 0
    bag = Rule(lambda text: "yes" if "b" in text else "no")
    assert word_order_sensitivity(bag, texts, ["yes"] * 4) == 0
    exact = Rule(lambda text: "yes" if text in texts else "no")
    assert word_order_sensitivity(exact, texts, ["yes"] * 4, n_shuffles=20) > 1


def test_sensitivity_is_the_formula_over_the_classes_means():
    # Two words have one other order: "b a" for "yes", of which the rule is wrong, and for "no" too;
    # words that are not there keep the third text right.
    texts, y = ["a b", "b a", "b c", "c b"], ["yes", "no", "no", "no"]
    share = np.mean([0.0, 2 / 3])
    found = word_order_sensitivity(Rule(first_word), texts, y, n_shuffles=1)
    assert found == pytest.approx((100 - 100 * share) / 50)
    three = Rule(first_word, classes=("maybe", "no", "yes"))
    found = word_order_sensitivity(three, texts, y)
    assert found == pytest.approx((100 - 100 * share) / (100 - 100 / 3))


def test_a_classifier_with_one_answer_for_shuffled_texts_has_a_sensitivity_of_one():
    texts = ["a b c"] * 90 + ["x y z"] * 10
    y = ["yes"] * 90 + ["no"] * 10
    rule = Rule(lambda text: "yes" if text == "a b c" else "no")
    assert word_order_sensitivity(rule, texts, y) == 1


def test_only_correctly_classified_texts_that_can_change_are_shuffled():
    texts = ["a b c", "b a c", "a", "a a a", "", "b c"]
    y = ["yes", "yes", "yes", "yes", "no", "no"]
    rule = Rule(lambda text: "yes" if text.startswith("a") else "no")
    word_order_sensitivity(rule, texts, y, n_shuffles=30)
    assert rule.asked[0] == texts
    assert len(rule.asked) == 31
    for first, second in rule.asked[1:]:
        assert sorted(first.split()) == ["a", "b", "c"]
        assert first != "a b c"
        assert second == "c b"
    assert len({first for first, _ in rule.asked[1:]}) == 5


def test_a_window_keeps_words_in_their_blocks():
    words = [f"{block}{i}" for block in "abc" for i in range(3)] + ["d0"]
    text = "  ".join(words) + "\n"
    rule = Rule(lambda text: "yes")
    word_order_sensitivity(rule, [text], ["yes"], n_shuffles=20, window=3)
    for [shuffled] in rule.asked[1:]:
        assert shuffled.endswith("d0\n")
        assert shuffled.count("  ") == 9
        found = shuffled.split()
        assert found != words
        assert [word[0] for word in found] == [word[0] for word in words]
        assert sorted(found) == words


def test_a_window_tells_phrases_from_sentences():
    rng = np.random.default_rng(0)
    middles = [" ".join(rng.permutation(list("abcdefghijkl"))) for _ in range(200)]
    phrase = Rule(lambda text: "yes" if "not good" in text else "no")
    near = [f"not good {text}" for text in middles] + [f"good not {text}" for text in middles]
    assert word_order_sensitivity(phrase, near, phrase.predict(near), window=2) > 0.9
    sentence = Rule(lambda text: "yes" if text.index("p") < text.index("q") else "no")
    far = [f"p {text} q" for text in middles] + [f"q {text} p" for text in middles]
    assert word_order_sensitivity(sentence, far, sentence.predict(far), window=2) == 0
    assert word_order_sensitivity(sentence, far, sentence.predict(far)) > 0.9


def test_sensitivity_of_bags_of_words_and_of_bigrams(topics):
    texts, y = topics
    bag = make_tfidf_baseline().fit(texts, y)
    assert word_order_sensitivity(bag, texts, y) == 0
    ordered, y = ["red then blue", "blue then red"] * 20, ["no", "yes"] * 20
    bigrams = make_tfidf_baseline(C=100).set_params(tfidfvectorizer__ngram_range=(2, 2))
    found = word_order_sensitivity(bigrams.fit(ordered, y), ordered, y)
    assert found > 0.5
    assert found == word_order_sensitivity(bigrams, ordered, y, random_state=0)
    assert found != word_order_sensitivity(bigrams, ordered, y, random_state=1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": ["yes"]}, "X and y must have the same number of rows"),
        ({"X": "a b"}, "X is a single string"),
        (
            {"y": [1, 0]},
            r"y contains numbers, such as 1, but estimator.predict\(X\)",
        ),
        ({"y": ["yes", None]}, r"y\[1\] is missing"),
        ({"y": [[0, 1], [1, 0]]}, "y must contain one label per text"),
        ({"n_shuffles": 0}, "n_shuffles must be at least 1, got 0"),
        ({"window": 1}, "window must be at least 2 words, or None, got 1"),
        ({"y": ["no", "no"]}, "two different words, but estimator"),
        ({"X": ["a", "a a"]}, "two different words, but estimator"),
        ({"X": ["a a b", "a a c"], "window": 2}, "two different words"),
        ({"estimator": Rule(first_word, classes=["yes"])}, "a single class"),
    ],
)
def test_word_order_sensitivity_says_what_does_not_fit(changes, message):
    arguments = {"estimator": Rule(first_word), "X": ["a b", "a c"], "y": ["yes", "yes"], **changes}
    with pytest.raises(ValueError, match=message):
        word_order_sensitivity(**arguments)
