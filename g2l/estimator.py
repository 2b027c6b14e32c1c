"""The method in the fit/predict style that scikit-learn users know; scikit-learn itself is not needed."""

import inspect
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from g2l.anchors import AnchorSet, discover_anchors, fit_anchors
from g2l.errors import G2LError
from g2l.geometry import Prefer
from g2l.labeling import Labeling, label, soft_targets, step_temperatures
from g2l.metrics import as_responses


class NotFittedError(G2LError):
    """Asked to predict before `fit`."""

    code: ClassVar[str] = "not-fitted"
    title: ClassVar[str] = "The labeler is not fitted"


class GeometryLabeler:
    """Pseudo-labels for embeddings, from anchors discovered in them or from named domains.

    Args:
        n_anchors: anchors to discover; not used where `fit` gets domains.
        length: names a label, 1 to the number of anchors.
        prefer: "far", "near" or "explain".
        project: measure inside the affine hull of the anchors.
        metric: a name of `g2l.metrics.METRICS`.
        ordered: "a-b" and "b-a" are two labels.
        min_class_size: labels of fewer images at `fit` are shortened.
        max_classes: labels in use at most.
        temperature: of `predict_proba`; by rule at `fit` if None.
        seed: of all that is drawn.

    Attributes:
        anchors_: the `AnchorSet`.
        labeling_: the `Labeling` of the responses that were fitted.
        classes_: (C,) label names in use.
        labels_: (N,) class ids of the fitted responses, indices into `classes_`.
        temperature_: one a step.
        n_features_in_: D.
    """

    anchors_: AnchorSet
    labeling_: Labeling
    classes_: NDArray[np.str_]
    labels_: NDArray[np.int64]
    temperature_: tuple[float, ...]
    n_features_in_: int

    def __init__(
        self,
        n_anchors: int = 14,
        *,
        length: int = 2,
        prefer: Prefer = "far",
        project: bool = False,
        metric: str = "euclidean",
        ordered: bool = True,
        min_class_size: int = 1,
        max_classes: int | None = None,
        temperature: float | None = None,
        seed: int = 0,
    ) -> None:
        self.n_anchors = n_anchors
        self.length = length
        self.prefer = prefer
        self.project = project
        self.metric = metric
        self.ordered = ordered
        self.min_class_size = min_class_size
        self.max_classes = max_classes
        self.temperature = temperature
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Make anchors and label X.

        Args:
            X: (N, D) embeddings.
            y: (N,) names of the domains that the rows belong to, one anchor each; discovered if None.

        Raises:
            G2LError: X or the parameters cannot be served; each cause has its class.
        """
        values = as_responses(X)
        self.anchors_ = self._anchors(values, y)
        self.labeling_ = label(
            values,
            self.anchors_,
            length=self.length,
            prefer=self.prefer,
            project=self.project,
            ordered=self.ordered,
            min_class_size=self.min_class_size,
            max_classes=self.max_classes,
        )
        self.classes_ = np.array(self.labeling_.classes)
        self.labels_ = self.labeling_.class_ids
        self.temperature_ = self._temperatures(values)
        self.n_features_in_ = values.shape[1]
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.str_]:
        """The label of each row: the longest beginning of its sequence that is in use since `fit`.

        Rows of which no beginning is in use get the closest label that is (`KnownClasses.assign`).

        Args:
            X: (N, D) embeddings.

        Returns:
            (N,) names like "plant-sport", of `classes_`.

        Raises:
            NotFittedError: before `fit`.
            BadResponsesError, NonFiniteResponsesError: X.
        """
        self._require_fitted()
        known = self.labeling_.known_classes()
        made = label(
            X, self.anchors_, length=self.length, prefer=self.prefer, project=self.project, known=known
        )
        return self.classes_[made.class_ids]

    def fit_predict(self, X: ArrayLike, y: ArrayLike | None = None) -> NDArray[np.str_]:
        """Fit, and the labels of X; equal to `fit(X, y).predict(X)`."""
        self.fit(X, y)
        return self.classes_[self.labels_]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Soft labels: a distribution over the anchors at each step.

        Args:
            X: (N, D) embeddings.

        Returns:
            (N, L, K); see `soft_targets`.

        Raises:
            NotFittedError: before `fit`.
            BadResponsesError, NonFiniteResponsesError: X.
        """
        self._require_fitted()
        return soft_targets(
            X,
            self.anchors_,
            length=self.length,
            prefer=self.prefer,
            project=self.project,
            temperature=self.temperature_,
        )

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The constructor's arguments; `deep` is of scikit-learn's protocol and changes nothing here."""
        return {name: getattr(self, name) for name in _PARAMETERS}

    def set_params(self, **params: Any) -> Self:
        """Set constructor arguments by name.

        Raises:
            ValueError: no such argument.
        """
        for name, value in params.items():
            if name not in _PARAMETERS:
                raise ValueError(f"GeometryLabeler has {', '.join(_PARAMETERS)}; got {name!r}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        return f"GeometryLabeler({', '.join(f'{k}={v!r}' for k, v in self.get_params().items())})"

    def _anchors(self, values: NDArray[np.generic], y: ArrayLike | None) -> AnchorSet:
        if y is None:
            return discover_anchors(values, self.n_anchors, self.metric, seed=self.seed)
        domains = np.asarray(y)
        if domains.shape != (len(values),):
            raise G2LError(f"y names the domain of each of {len(values)} rows; got shape {domains.shape}")
        groups = {str(name): values[domains == name] for name in np.unique(domains)}
        return fit_anchors(groups, self.metric, seed=self.seed)

    def _temperatures(self, values: NDArray[np.generic]) -> tuple[float, ...]:
        if self.temperature is not None:
            return (self.temperature,) * self.length
        return step_temperatures(
            values, self.anchors_, length=self.length, prefer=self.prefer, project=self.project
        )

    def _require_fitted(self) -> None:
        if not hasattr(self, "labeling_"):
            raise NotFittedError("call fit(X) first")


_PARAMETERS = tuple(name for name in inspect.signature(GeometryLabeler).parameters)
