"""The labeler as scikit-learn users and as users without torch meet it."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone

from g2l.errors import G2LError
from g2l.estimator import GeometryLabeler, NotFittedError
from g2l.geometry import GeometryError
from g2l.labeling import label
from tests.g2l.reference import Floats

SCRIPT = """
import sys
for absent in ("torch", "transformers", "sqlalchemy", "psycopg", "sklearn", "fastapi", "celery"):
    sys.modules[absent] = None  # importing it raises ImportError

import numpy as np
from g2l.estimator import GeometryLabeler

embeddings = np.random.default_rng(0).normal(size=(500, 32))
labeler = GeometryLabeler(n_anchors=8, length=2, prefer="explain").fit(embeddings)
print(*labeler.predict(embeddings[:3]))
"""


def embeddings(seed: int = 0, n: int = 600) -> Floats:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(9, 20))
    return centres[rng.integers(9, size=n)] + 0.4 * rng.normal(size=(n, 20))


def test_ten_lines_give_labels_without_torch_or_database() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    labels = done.stdout.split()
    assert len(labels) == 3
    assert all("-" in label or label.isidentifier() for label in labels)


@pytest.mark.parametrize("prefer", ["far", "near", "explain"])
@pytest.mark.parametrize("ordered", [True, False])
def test_predicting_what_was_fitted_gives_the_fitted_labels(prefer: str, ordered: bool) -> None:
    labeler = GeometryLabeler(8, length=3, prefer=prefer, ordered=ordered, min_class_size=15)  # type: ignore[arg-type]
    fitted = labeler.fit_predict(embeddings())
    assert np.array_equal(labeler.predict(embeddings()), fitted)
    assert np.array_equal(labeler.classes_[labeler.labels_], fitted)
    assert labeler.n_features_in_ == 20


def test_new_images_get_known_labels() -> None:
    labeler = GeometryLabeler(8, length=3, prefer="near", min_class_size=15).fit(embeddings())
    new = labeler.predict(embeddings(seed=1))
    assert set(new.tolist()) <= set(labeler.classes_.tolist())
    made = label(
        embeddings(seed=1),
        labeler.anchors_,
        length=3,
        prefer="near",
        known=labeler.labeling_.known_classes(),
    )
    assert np.array_equal(labeler.classes_[made.class_ids], new)
    assert np.array_equal(labeler.predict(embeddings(seed=1)[:7]), new[:7])


def test_named_domains_become_the_anchors() -> None:
    domains = np.where(embeddings()[:, 0] > 0, "sea side", "forest")
    domains[embeddings()[:, 1] > 1] = "city"
    labeler = GeometryLabeler(length=1, prefer="near").fit(embeddings(), domains)
    assert labeler.anchors_.names == ("city", "forest", "sea_side")
    assert set(labeler.predict(embeddings()).tolist()) <= {"city", "forest", "sea_side"}
    with pytest.raises(G2LError, match="domain of each"):
        labeler.fit(embeddings(), domains[:-1])


def test_soft_labels_do_not_depend_on_the_batch() -> None:
    labeler = GeometryLabeler(8, length=2).fit(embeddings())
    soft = labeler.predict_proba(embeddings())
    assert soft.shape == (600, 2, 8)
    assert labeler.predict_proba(embeddings()[:5]) == pytest.approx(soft[:5], abs=1e-6)
    fixed = GeometryLabeler(8, length=2, temperature=0.5).fit(embeddings())
    assert fixed.temperature_ == (0.5, 0.5)


def test_clone_and_parameters_follow_scikit_learn() -> None:
    labeler = GeometryLabeler(5, length=3, prefer="near", metric="hellinger", max_classes=40, seed=4)
    copy = clone(labeler)
    assert copy is not labeler
    assert copy.get_params() == labeler.get_params()
    assert not hasattr(clone(labeler.fit(embeddings())), "anchors_")
    assert labeler.set_params(length=1).get_params()["length"] == 1
    with pytest.raises(ValueError, match="n_anchors"):
        labeler.set_params(colour=1)
    assert repr(copy).startswith("GeometryLabeler(n_anchors=5, length=3, prefer='near'")


def test_the_constructor_only_stores_and_fit_refuses() -> None:
    labeler = GeometryLabeler(4, length=99)
    with pytest.raises(NotFittedError):
        labeler.predict(embeddings())
    with pytest.raises(GeometryError) as caught:
        labeler.fit(embeddings())
    assert caught.value.field == "length"


def test_the_same_seed_gives_the_same_labels() -> None:
    first, second = (GeometryLabeler(8, seed=5).fit_predict(embeddings()) for _ in range(2))
    assert np.array_equal(first, second)
