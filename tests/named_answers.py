"""A classifier whose answers are tables with named columns in another order than its classes."""

import pandas as pd
import polars as pl
import pyarrow as pa
from sklearn.base import BaseEstimator, ClassifierMixin

TABLES = {"pandas": pd.DataFrame, "polars": pl.from_pandas, "pyarrow": pa.Table.from_pandas}


class NamedAnswers(ClassifierMixin, BaseEstimator):
    """A fitted classifier, with its columns reversed and named; `names` replace its classes."""

    def __init__(self, model, kind="pandas", names=None):
        self.model, self.kind, self.names = model, kind, names
        self.classes_ = model.classes_

    def fit(self, X, y):
        return self

    def _reversed(self, answers):
        names = self.classes_ if self.names is None else self.names
        return TABLES[self.kind](pd.DataFrame(answers, columns=names).iloc[:, ::-1])

    def predict_proba(self, X):
        return self._reversed(self.model.predict_proba(X))

    def predict(self, X):
        labels = self.model.predict(X)
        return labels if labels.ndim == 1 else self._reversed(labels)
