"""All scores of a source at once, and what is left out where a target or a source does not allow one."""

import dataclasses

import numpy as np

from app.schemas.resources import DivergencesOut, ScoresOut
from g2l.divergence import divergences
from g2l.figures import FIGURES, OF_THE_TARGET
from g2l.transferability.gbc import gbc
from g2l.transferability.h_score import h_score
from g2l.transferability.knn import knn_accuracy
from g2l.transferability.logme import logme
from g2l.transferability.ridge import ridge_accuracy
from g2l.transferability.scores import Scores, scored_images, transferability_scores
from g2l.transferability.source_labels import leep, nce
from tests.g2l.transferability.reference import Floats, Ids
from tests.g2l.transferability.test_scores import target


def softmaxes(picked: Ids) -> list[Floats]:
    rng = np.random.default_rng(0)
    return [rng.dirichlet(np.ones(z), size=100)[picked] for z in (5, 3)]


def test_it_is_every_score() -> None:
    x, y = target(60, 12)
    scores = transferability_scores(x, y, source_probabilities=softmaxes)
    first, second = softmaxes(np.arange(60))
    assert scores == Scores(
        knn=knn_accuracy(x, y),
        ridge=ridge_accuracy(x, y),
        logme=logme(x, y),
        leep=leep(np.concatenate([first, second], axis=1) / 2, y),
        nce=nce(np.stack([first.argmax(1), second.argmax(1)], axis=1), y),
        h_score=h_score(x, y),
        gbc=gbc(x, y),
    )


def test_a_source_without_classifier_has_neither_leep_nor_nce() -> None:
    for missing in (None, lambda _: ()):
        scores = transferability_scores(*target(30, 6), source_probabilities=missing)
        assert (scores.leep, scores.nce) == (None, None)
        assert None not in (scores.knn, scores.gbc)


def test_single_images_and_blind_sources_leave_a_score_out() -> None:
    x, y = target(30, 6)
    y[0] = 9
    one = transferability_scores(x, y)
    assert one.knn is None
    assert one.gbc is not None
    four = transferability_scores(x[:4], np.arange(4))
    assert (four.gbc, four.ridge) == (None, None)
    assert transferability_scores(np.ones_like(x), np.arange(30) % 3).knn is None


def test_many_images_are_drawn_evenly_from_each_class() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [600, 300, 100]))
    picked = scored_images(labels, 100)
    assert np.bincount(labels[picked]).tolist() == [60, 30, 10]
    assert (np.diff(picked) > 0).all()
    assert scored_images(labels, 5000).tolist() == list(range(1000))


def test_names_are_the_same_everywhere() -> None:
    scores = [field.name for field in dataclasses.fields(Scores)]
    apart = divergences(np.eye(4), np.eye(4)[::-1] + 1)
    assert scores == list(ScoresOut.model_fields)
    assert apart.keys() == DivergencesOut.model_fields.keys()
    assert set(FIGURES) - OF_THE_TARGET == {*scores, *apart}
