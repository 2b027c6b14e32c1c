"""Two rounds by a real worker: the second embeds, labels and trains with the source of the first."""

import json

from core.db.resources import AnchorSet, Labeling, Model, Pipeline, Responses
from core.db.session import transaction
from core.specs.pipelines import PipelineSpec
from tests.workers.archives import folders, submit_dataset
from tests.workers.service import Service


def test_the_second_round_stands_on_the_source_of_the_first(service: Service) -> None:
    service.worker()
    members = {path.replace("/", "-"): data for path, data in folders(4, 12).items()}
    pool = service.succeeded(submit_dataset(service, members))
    spec = PipelineSpec.model_validate(
        {
            "dataset_id": pool,
            "rounds": 2,
            "anchors": {"discover": {"k": 3, "names": ["left", "right", "middle"]}},
            "labeling": {"length": 1},
            "model": {"name": "source", "epochs": 1, "image_size": 16, "batch_size": 16},
        }
    )
    made = service.row(Pipeline, service.succeeded(service.submit("pipeline", spec)))
    (first,) = made.rounds
    sources = [service.row(Model, id_) for id_ in (first["model_id"], made.model_id)]
    anchors = [service.row(AnchorSet, id_) for id_ in (first["anchor_set_id"], made.anchor_set_id)]
    assert [row.embedder_id.partition("_")[0] for row in anchors] == ["emb", "mdl"]
    assert anchors[1].embedder_id == sources[0].id
    assert anchors[0].names == anchors[1].names
    assert service.row(Labeling, made.labeling_id).embedder_id == sources[0].id
    with transaction() as session:
        assert session.get(Responses, (pool, sources[0].id)) is not None
    assert [source.revision for source in sources] == [1, 2]
    assert sources[1].parent_model_id == sources[0].id
    origin = json.loads((service.store.path(sources[1].artifact) / "provenance.json").read_text())
    assert [parent["model_id"] for parent in origin["parents"]] == [sources[0].id]
    assert all(row.seconds > 0 for row in (*sources, *anchors))
