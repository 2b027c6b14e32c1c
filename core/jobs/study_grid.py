"""A study as a graph: which labelings, models and transfers it consists of, as far as that is known by now.

What is made is told by role. Equal requests have equal roles, so sources that share a part share a job.
"""

import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pydantic import BaseModel

from core.specs.anchor_sets import LabelledSpec
from core.specs.kinds import Kind, dump_spec
from core.specs.pipelines import PipelineAnchors
from core.specs.studies import OF_LABELS, LabelsRecipe, StudySource, StudySpec
from core.specs.study_requests import (
    is_swept,
    labeling_request,
    method_of,
    model_request,
    pool_of,
    resolved,
    transfer_request,
)

_DIGITS = 16


class _PendingError(Exception):
    """What a request stands on is not made yet."""


@dataclass(frozen=True)
class Part:
    """A job of the study, and the sources that want it."""

    role: str
    kind: Kind
    request: Callable[[], BaseModel]
    sources: list[str]


@dataclass(frozen=True)
class Cell:
    """A transfer of the study, its source being known."""

    role: str
    source: str
    method: str
    pretraining_seed: int | None
    target: str
    label_budget: int | None
    seed: int
    model_id: str | None


@dataclass(frozen=True)
class Training:
    """A model of a source among its others.

    Attributes:
        pretraining_seed: None of a model that was there, and from scratch.
        target: where each has a model of its own.
        label_budget, seed: the draw of labelled images, where they are the anchors.
    """

    pretraining_seed: int | None
    target: str | None = None
    label_budget: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class _Ground:
    """What a source is trained on, and what for.

    Attributes:
        pool: None where the source or the study says.
        draws: the labelled images of the transfers that its model is for.
        target: where each has a model of its own.
        labelled: the draw that it is labelled by, where it is.
    """

    pool: str | None
    draws: Sequence[LabelledSpec]
    target: str | None = None
    labelled: LabelledSpec | None = None

    def training(self, pretraining_seed: int | None) -> Training:
        """The name of the training on it."""
        if self.labelled is None:
            return Training(pretraining_seed, self.target)
        return Training(pretraining_seed, self.target, self.labelled.label_budget, self.labelled.seed)


@dataclass
class Grid:
    """What there is to do.

    Attributes:
        spec: the study.
        made: ids of what is made, by role.
        loss_of: of a model's id, the loss by which a sweep is decided.
        parts: what can be asked for by now, made or not, in order.
        cells: of these the transfers.
        labelings: ids of the labelings of each source, as far as they are made.
        models: of each source its trainings, and the ids of their models.
    """

    spec: StudySpec
    made: Mapping[str, str]
    loss_of: Callable[[str], float]
    parts: dict[str, Part] = field(default_factory=dict, init=False)
    cells: list[Cell] = field(default_factory=list, init=False)
    labelings: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list), init=False)
    models: dict[str, dict[Training, str | None]] = field(
        default_factory=lambda: defaultdict(dict), init=False
    )

    def __post_init__(self) -> None:
        """Walk through all sources."""
        self._sources = {source.name: source for source in self.spec.sources}
        self._following = self.spec.following_target_labels()
        self._known: dict[Any, str | None] = {}
        for source in self.spec.sources:
            seeds: list[int | None] = [*self.spec.pretraining_seeds] if source.is_recipe else [None]
            for seed, ground in itertools.product(seeds, self._grounds(source)):
                try:
                    model_id = self._model(_on(ground.pool, source), seed, ground.labelled)
                except _PendingError:
                    continue
                self.models[source.name][ground.training(seed)] = model_id
                for draw in ground.draws:
                    self._transfer(source, seed, model_id, draw)

    def _grounds(self, source: StudySource) -> list[_Ground]:
        spec = self.spec
        places = itertools.product(spec.targets, spec.label_budgets, spec.seeds)
        draws = [LabelledSpec(dataset_id=t, label_budget=budget, seed=seed) for t, budget, seed in places]
        if not source.on_target_pools:
            return [_Ground(source.pool, draws)]
        pools = dict(zip(spec.targets, spec.target_pools or [], strict=True))
        if source.name in self._following:
            return [_Ground(pools[d.dataset_id], [d], target=d.dataset_id, labelled=d) for d in draws]
        return [
            _Ground(pool, [draw for draw in draws if draw.dataset_id == target], target=target)
            for target, pool in pools.items()
        ]

    def _transfer(
        self, source: StudySource, pretraining_seed: int | None, model_id: str | None, draw: LabelledSpec
    ) -> None:
        method, target = method_of(self.spec, source), draw.dataset_id
        role = f"transfer-{_digest([model_id, method, target, draw.label_budget, draw.seed])}"
        self.cells.append(
            Cell(
                role,
                source.name,
                method,
                pretraining_seed,
                target,
                draw.label_budget,
                draw.seed,
                model_id,
            )
        )
        request = partial(transfer_request, self.spec, source, model_id=model_id, draw=draw)
        self._want(role, "transfer", request, source)

    def _model(self, source: StudySource, seed: int | None, labelled: LabelledSpec | None) -> str | None:
        if seed is None:
            return source.model_id
        rate = self._rate(source, labelled) if is_swept(self.spec, source) else None
        return self._trained(source, seed, labelled, rate)

    def _rate(self, source: StudySource, labelled: LabelledSpec | None) -> float:
        """The learning rate of the lowest loss, all being tried at the first pretraining seed."""
        rates, first = self.spec.model.learning_rates or [], self.spec.pretraining_seeds[0]
        tried = _all([partial(self._trained, source, first, labelled, rate) for rate in rates])
        return min(zip(rates, tried, strict=True), key=lambda pair: self.loss_of(pair[1]))[0]

    def _trained(
        self, source: StudySource, seed: int, labelled: LabelledSpec | None, rate: float | None
    ) -> str:
        labelings = self._labelings(source, labelled)
        recipe = resolved(source.model or {}, partial(self._id_of, source, seed, labelled))
        source = source.model_copy(update={"model": recipe})
        return self._made("model", model_request(self.spec, source, labelings, seed=seed, rate=rate), source)

    def _labelings(self, source: StudySource, labelled: LabelledSpec | None) -> list[str]:
        made = _all([partial(self._labeling, source, labelled, recipe) for recipe in source.label_recipes])
        known = self.labelings[source.name]
        known += [id_ for id_ in made if id_ not in known]
        return made

    def _labeling(self, source: StudySource, labelled: LabelledSpec | None, recipe: LabelsRecipe) -> str:
        pool, anchor_set_id = pool_of(self.spec, source), None
        id_of = partial(self._id_of, source, self.spec.pretraining_seeds[0], labelled)
        if recipe.by_geometry:
            stored = (recipe.anchors or PipelineAnchors.model_validate({})).model_dump(by_alias=True)
            anchors = PipelineAnchors.model_validate(resolved(stored, id_of))
            anchor_set_id = anchors.anchor_set_id
            if anchor_set_id is None:
                anchor_set_id = self._made("anchor-set", anchors.request(pool, labelled), source)
        recipe = recipe.model_copy(update={"labeling": resolved(recipe.labeling, id_of)})
        return self._made("labeling", labeling_request(recipe, pool, anchor_set_id), source)

    def _id_of(
        self, whose: StudySource, seed: int, labelled: LabelledSpec | None, field_name: str, name: str
    ) -> str:
        """What a recipe means by another source: its labels, or its model of a pretraining seed."""
        source = self._sources[name]
        if source.on_target_pools:
            source = _on(whose.pool, source)
        asked = (name, field_name in OF_LABELS, source.pool, seed, labelled)
        if asked not in self._known:  # each once: sources that stand on two others would double at every step
            self._known[asked] = None
            if field_name in OF_LABELS:
                self._known[asked] = self._labelings(source, labelled)[0]
            else:
                self._known[asked] = self._model(source, seed if source.is_recipe else None, labelled) or ""
        if (known := self._known[asked]) is None:
            raise _PendingError
        return known

    def _made(self, kind: Kind, request: BaseModel, source: StudySource) -> str:
        wanted = dump_spec(request)
        role = f"{kind}-{_digest({name: value for name, value in wanted.items() if name != 'name'})}"
        self._want(role, kind, lambda: request, source)
        if role not in self.made:
            raise _PendingError
        return self.made[role]

    def _want(self, role: str, kind: Kind, request: Callable[[], BaseModel], source: StudySource) -> None:
        part = self.parts.setdefault(role, Part(role, kind, request, []))
        if source.name not in part.sources:
            part.sources.append(source.name)


def _on(pool: str | None, source: StudySource) -> StudySource:
    return source.model_copy(update={"pool": pool})


def _all(steps: Sequence[Callable[[], str]]) -> list[str]:
    """The ids of several parts; all are asked for before any is waited for."""
    made, pending = [], False
    for step in steps:
        try:
            made.append(step())
        except _PendingError:
            pending = True
    if pending:
        raise _PendingError
    return made


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
