import pytest
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline
from sklearn.utils import estimator_html_repr

import skdistill
from skdistill import DistilledMLPClassifier, _documentation_links, make_tfidf_baseline

PUBLIC = [getattr(skdistill, name) for name in skdistill._EXPORTS]
ESTIMATORS = [kind for kind in PUBLIC if isinstance(kind, type) and issubclass(kind, BaseEstimator)]


# What has no default.
ARGUMENTS = {
    "CascadeClassifier": [DistilledMLPClassifier(), make_tfidf_baseline()],
    "FunctionTeacherClassifier": [len],
    "ZeroShotTeacherClassifier": ["a-model", ["good", "bad"]],
}


def test_all_estimators_are_there():
    assert len(ESTIMATORS) == 8


@pytest.mark.parametrize("kind", ESTIMATORS)
def test_an_estimator_links_to_its_own_page(kind):
    page = f"https://skdistill.readthedocs.io/en/stable/generated/skdistill.{kind.__name__}.html"
    assert f'href="{page}"' in estimator_html_repr(kind(*ARGUMENTS.get(kind.__name__, [])))


def test_nested_estimators_have_their_links():
    html = estimator_html_repr(make_pipeline(DistilledMLPClassifier(make_tfidf_baseline())))
    for name in ("skdistill.DistilledMLPClassifier.html", "linear_model.LogisticRegression.html"):
        assert f"{name}" in html


def test_a_class_of_somebody_else_has_no_page_here():
    class Mine(DistilledMLPClassifier):
        pass

    assert Mine()._get_doc_link() == ""


def test_the_address_is_in_one_place():
    page = _documentation_links.API_PAGE.format(estimator_name="X")
    assert page.startswith("https://")
    assert page.endswith("/skdistill.X.html")
