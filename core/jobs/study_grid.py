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
        models: ids of the models of each source, by pretraining seed and, where each target has its own, by
            target.
    """

    spec: StudySpec
    made: Mapping[str, str]
    loss_of: Callable[[str], float]
    parts: dict[str, Part] = field(default_factory=dict, init=False)
    cells: list[Cell] = field(default_factory=list, init=False)
    labelings: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list), init=False)
    models: dict[str, dict[tuple[int | None, str | None], str | None]] = field(
        default_factory=lambda: defaultdict(dict), init=False
    )

    def __post_init__(self) -> None:
        """Walk through all sources."""
        self._sources = {source.name: source for source in self.spec.sources}
        for source in self.spec.sources:
            seeds: list[int | None] = [*self.spec.pretraining_seeds] if source.is_recipe else [None]
            for seed, (pool, targets) in itertools.product(seeds, self._pools(source)):
                try:
                    model_id = self._model(_on(pool, source), seed)
                except _PendingError:
                    continue
                self.models[source.name][seed, targets[0] if source.on_target_pools else None] = model_id
                self._transfers(source, seed, model_id, targets)

    def _pools(self, source: StudySource) -> list[tuple[str | None, list[str]]]:
        """What a source is trained on, and the targets that it is trained for."""
        if not source.on_target_pools:
            return [(source.pool, self.spec.targets)]
        of_targets = zip(self.spec.target_pools or [], self.spec.targets, strict=True)
        return [(pool, [target]) for pool, target in of_targets]

    def _transfers(
        self,
        source: StudySource,
        pretraining_seed: int | None,
        model_id: str | None,
        targets: Sequence[str],
    ) -> None:
        for target in targets:
            for label_budget in self.spec.label_budgets:
                for seed in self.spec.seeds:
                    method = method_of(self.spec, source)
                    role = f"transfer-{_digest([model_id, method, target, label_budget, seed])}"
                    self.cells.append(
                        Cell(
                            role, source.name, method, pretraining_seed, target, label_budget, seed, model_id
                        )
                    )

                    def request(
                        target: str = target, label_budget: int | None = label_budget, seed: int = seed
                    ) -> BaseModel:
                        return transfer_request(
                            self.spec,
                            source,
                            model_id=model_id,
                            target=target,
                            label_budget=label_budget,
                            seed=seed,
                        )

                    self._want(role, "transfer", request, source)

    def _model(self, source: StudySource, seed: int | None) -> str | None:
        if seed is None:
            return source.model_id
        rate = self._rate(source) if is_swept(self.spec, source) else None
        return self._trained(source, seed, rate)

    def _rate(self, source: StudySource) -> float:
        """The learning rate of the lowest loss, all being tried at the first pretraining seed."""
        rates, first = self.spec.model.learning_rates or [], self.spec.pretraining_seeds[0]
        tried = _all([partial(self._trained, source, first, rate) for rate in rates])
        return min(zip(rates, tried, strict=True), key=lambda pair: self.loss_of(pair[1]))[0]

    def _trained(self, source: StudySource, seed: int, rate: float | None) -> str:
        labelings = self._labelings(source)
        recipe = resolved(source.model or {}, partial(self._id_of, source, seed))
        source = source.model_copy(update={"model": recipe})
        return self._made("model", model_request(self.spec, source, labelings, seed=seed, rate=rate), source)

    def _labelings(self, source: StudySource) -> list[str]:
        made = _all([partial(self._labeling, source, recipe) for recipe in source.label_recipes])
        known = self.labelings[source.name]
        known += [id_ for id_ in made if id_ not in known]
        return made

    def _labeling(self, source: StudySource, recipe: LabelsRecipe) -> str:
        pool, anchor_set_id = pool_of(self.spec, source), None
        id_of = partial(self._id_of, source, self.spec.pretraining_seeds[0])
        if recipe.by_geometry:
            stored = (recipe.anchors or PipelineAnchors.model_validate({})).model_dump(by_alias=True)
            anchors = PipelineAnchors.model_validate(resolved(stored, id_of))
            anchor_set_id = anchors.anchor_set_id or self._made("anchor-set", anchors.request(pool), source)
        recipe = recipe.model_copy(update={"labeling": resolved(recipe.labeling, id_of)})
        return self._made("labeling", labeling_request(recipe, pool, anchor_set_id), source)

    def _id_of(self, whose: StudySource, seed: int, field_name: str, name: str) -> str:
        """What a recipe means by another source: its labels, or its model of a pretraining seed."""
        source = self._sources[name]
        if source.on_target_pools:
            source = _on(whose.pool, source)
        if field_name in OF_LABELS:
            return self._labelings(source)[0]
        return self._model(source, seed if source.is_recipe else None) or ""

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
