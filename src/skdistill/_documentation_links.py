"""Where the documentation of an estimator is, for scikit-learn's HTML display to link to."""

# `{estimator_name}` is filled in by scikit-learn.
API_PAGE = "https://skdistill.readthedocs.io/en/stable/generated/skdistill.{estimator_name}.html"


class DocumentationLinkMixin:
    """Links the HTML display of the package's own estimators to their pages.

    It stands before `sklearn.base.BaseEstimator` among the bases. Classes that others derive get
    no link, as scikit-learn looks at the module that a class is defined in.

    Examples
    --------
    >>> from skdistill import TextAugmenter
    >>> TextAugmenter()._get_doc_link()
    'https://skdistill.readthedocs.io/en/stable/generated/skdistill.TextAugmenter.html'
    """

    _doc_link_module = "skdistill"
    _doc_link_template = API_PAGE
