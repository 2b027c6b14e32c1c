"""What the stages of a pipeline have to do, counted in images, before any of it is done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.resources import AnchorSet, Dataset, Embedder, Model, Responses
from core.jobs.stages import Step, first_anchor_set, steps
from core.specs.anchor_sets import AnchorSetSpec
from core.specs.base import BUILT_IN_EMBEDDERS
from core.specs.kinds import Kind
from core.specs.models import DEFAULT_ARCHITECTURE
from core.specs.pipelines import PipelineSpec
from core.specs.transfers import TransferOptions
from g2l.data.splits import TEST_SHARE
from g2l.passes import fine_tuning

EMBEDDING, CACHED = "embedding", "cached"  # whether responses are computed, or were before
SIDE_BY_SIDE = "side-by-side"  # the kind of several embedders, together


@dataclass(frozen=True)
class Network:
    """What images go through: a built-in embedder, by its kind, or an architecture and its image size."""

    name: str
    image_size: int | None = None


AnyEmbedder = Embedder | Model | Network  # one that is there, or is yet to be made


@dataclass(frozen=True)
class Likeness:
    """What jobs have in common whose speeds compare.

    Attributes:
        how: of anchor sets and labelings ``embedding`` or ``cached``, of transfers the method; else empty.
    """

    kind: Kind
    network: Network
    how: str = ""


@dataclass(frozen=True)
class Work:
    """A stage's.

    Attributes:
        images: that it is about.
        epochs: of a training; None of all else.
        passes: images that it goes over, each as often as it is seen.
    """

    like: Likeness
    images: int
    epochs: int | None
    passes: int


def works(db: Session, spec: PipelineSpec) -> list[tuple[Step, Work]]:
    """The work of each stage, in order, of a pipeline that was found right."""
    given = spec.anchors.anchor_set_id is not None
    return [(step, _COUNTS[step.stage.name](db, spec, step.round)) for step in steps(spec)[given:]]


def network_of(embedder: Embedder | Model) -> Network:
    """Of a fitted embedder or a model."""
    if isinstance(embedder, Embedder):
        return Network(embedder.kind)
    return Network(embedder.arch, embedder.image_size)


def embedded_by(spec: AnchorSetSpec) -> list[str]:
    """The datasets whose responses an anchor set needs."""
    if spec.discover is not None:
        return [spec.discover.dataset_id]
    given = [anchor.dataset_id for anchor in spec.anchors or ()]
    return list(dict.fromkeys([*(spec.fit_on or ()), *given]))


def _anchors(db: Session, spec: PipelineSpec, round_: int) -> Work:
    first = first_anchor_set(db, spec)
    return _of_responses(db, "anchor-set", embedded_by(first), _embedder(db, spec, round_))


def _labeling(db: Session, spec: PipelineSpec, round_: int) -> Work:
    embedder, views = _embedder(db, spec, round_), spec.labeling.views
    if views > 1:
        images = db.get_one(Dataset, spec.dataset_id).n_items
        return Work(Likeness("labeling", _network(embedder), EMBEDDING), images, None, images * views)
    if round_ > 1 or spec.anchors.anchor_set_id is None:  # the stage before it embeds the pool
        images = db.get_one(Dataset, spec.dataset_id).n_items
        return Work(Likeness("labeling", _network(embedder), CACHED), images, None, images)
    return _of_responses(db, "labeling", [spec.dataset_id], embedder)


def _model(db: Session, spec: PipelineSpec, _: int) -> Work:
    pool, epochs = db.get_one(Dataset, spec.dataset_id), spec.model.epochs
    images = pool.n_items if pool.splits["derived"] else int(pool.splits["train"])
    passes = round(images * (1 - spec.model.validation_share)) * epochs
    return Work(Likeness("model", _source(spec)), images, epochs, passes)


def _forecast(db: Session, spec: PipelineSpec, _: int) -> Work:
    images = db.get_one(Dataset, _target(spec).dataset_id).n_items
    return Work(Likeness("forecast", _source(spec)), images, None, images)


def _scratch(db: Session, spec: PipelineSpec, _: int) -> Work:
    return _transferred(db, _target(spec).model_copy(update={"method": "fine-tune"}), _source(spec))


def _transfer(db: Session, spec: PipelineSpec, _: int) -> Work:
    return _transferred(db, _target(spec), _source(spec))


_COUNTS: Final[dict[str, Callable[[Session, PipelineSpec, int], Work]]] = {
    "anchors": _anchors,
    "labeling": _labeling,
    "model": _model,
    "forecast": _forecast,
    "scratch": _scratch,
    "transfer": _transfer,
}


def _transferred(db: Session, options: TransferOptions, source: Network) -> Work:
    target = db.get_one(Dataset, options.dataset_id)
    a_class = _labelled(target, options.label_budget)
    images, network = sum(a_class), Network(source.name, options.image_size or source.image_size)
    like = Likeness("transfer", network, options.method)
    if options.method == "linear-probe":
        return Work(like, images, None, images)
    chooses = options.learning_rate is None and min(a_class) > 1
    passes = fine_tuning(images, epochs=options.epochs, batch_size=options.batch_size, chooses_rate=chooses)
    return Work(like, images, options.epochs, passes)


def _labelled(target: Dataset, budget: int | None) -> list[int]:
    """About how many images of each class a transfer trains on."""
    train, test = target.splits["train"], target.splits["test"]
    share = train / (train + test) if test else 1 - TEST_SHARE
    there = [max(1, round(entry["count"] * share)) for entry in target.classes]
    return [min(count, budget or count) for count in there]


def _of_responses(
    db: Session, kind: Kind, dataset_ids: list[str], embedder: Embedder | Model | Network
) -> Work:
    """Work on the responses of datasets, of which those that are not kept are computed."""
    images = {id_: db.get_one(Dataset, id_).n_items for id_ in dataset_ids}
    kept: set[str] = set()
    if not isinstance(embedder, Network):
        of_it = select(Responses.dataset_id).where(Responses.embedder_id == embedder.id)
        kept = set(db.scalars(of_it.where(Responses.dataset_id.in_(images))))
    computed = sum(count for id_, count in images.items() if id_ not in kept)
    like = Likeness(kind, _network(embedder), EMBEDDING if computed else CACHED)
    everything = sum(images.values())
    return Work(like, everything, None, computed or everything)


def _embedder(db: Session, spec: PipelineSpec, round_: int) -> AnyEmbedder:
    """A round's embedder: what is there already, or what is yet to be trained or fitted."""
    if round_ > 1:
        return _source(spec)
    given = spec.anchors.anchor_set_id
    id_ = spec.anchors.embedder if given is None else db.get_one(AnchorSet, given).embedder_id
    if not isinstance(id_, str):
        return Network(SIDE_BY_SIDE)
    if id_ in BUILT_IN_EMBEDDERS:
        return _same_fit(db, first_anchor_set(db, spec)) or Network(id_)
    return db.get_one(Model, id_) if id_.startswith("mdl_") else db.get_one(Embedder, id_)


def _same_fit(db: Session, spec: AnchorSetSpec) -> Embedder | None:
    """The built-in embedder that a spec names, if it was fitted in the same way before."""
    anchors = [anchor.model_dump(mode="json", by_alias=True) for anchor in spec.anchors or ()]
    fit = {"embedder": spec.embedder, "fit_on": spec.fit_on or embedded_by(spec), "seed": spec.seed}
    wanted = fit | ({"anchors": anchors} if spec.embedder == "anchor-network" else {})
    return db.scalar(select(Embedder).where(Embedder.spec == wanted).limit(1))


def _network(embedder: AnyEmbedder) -> Network:
    return embedder if isinstance(embedder, Network) else network_of(embedder)


def _source(spec: PipelineSpec) -> Network:
    return Network(spec.model.arch or DEFAULT_ARCHITECTURE, spec.model.image_size)


def _target(spec: PipelineSpec) -> TransferOptions:
    if spec.transfer is None:
        raise TypeError("this pipeline has no target")
    return spec.transfer
