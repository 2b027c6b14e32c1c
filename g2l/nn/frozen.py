"""A linear probe on responses that are there already, of embedders that cannot be trained on."""

from collections.abc import Sequence

import torch

from g2l.nn.embedders import Responses
from g2l.nn.evaluation import evaluate
from g2l.nn.folds import Groups
from g2l.nn.images import Indices
from g2l.nn.linear_probe import fit_probe
from g2l.nn.transfer import Outcome, require_labels


def probe_responses(
    responses_train: Responses,
    labels_train: Indices,
    responses_test: Responses,
    labels_test: Indices,
    *,
    class_names: Sequence[str],
    groups_train: Groups | None = None,
    balanced: bool = False,
    seed: int = 0,
) -> Outcome:
    """Fit a logistic regression to labelled responses and test it.

    Args:
        responses_train: (N, D) float32, of the labelled images of the budget.
        labels_train: (N,) class ids, 0 to C - 1.
        responses_test: (M, D).
        labels_test: (M,) class ids.
        class_names: of the C classes.
        groups_train: (N,) of which images belong together, see `stratified_folds`.
        balanced: weigh losses inversely to the size of their class.
        seed: decides the folds that choose the penalty.

    Raises:
        TransferError: labels and responses do not fit each other, or a class has no training image.
    """
    n_train, n_test, n_classes = len(responses_train), len(responses_test), len(class_names)
    require_labels(labels_train, labels_test, n_train=n_train, n_test=n_test, n_classes=n_classes)
    probe = fit_probe(
        responses_train, labels_train, n_classes, balanced=balanced, seed=seed, groups=groups_train
    )
    predicted: Indices = (
        (torch.from_numpy(responses_test) @ probe.weight.T + probe.bias).argmax(dim=1).numpy()
    )
    return Outcome(
        evaluation=evaluate(labels_test, predicted, class_names),
        predicted=predicted,
        learning_curve=[],
        learning_rate=None,
        penalty=probe.strength,
        n_train=n_train,
        n_test=n_test,
    )
