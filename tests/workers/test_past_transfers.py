"""What forecasts are made of, from rows as transfers leave them."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from core.db.resources import Transfer
from core.db.session import transaction
from core.jobs.transitions import Claim
from core.settings import Settings
from core.specs.transfers import TransferSpec
from g2l.forecast.expected import forecast
from g2l.forecast.records import Candidate
from g2l.forecast.table import UnreadableTransfersError
from tests.fixtures.environment import environment
from tests.fixtures.rows import ARTIFACT, add_dataset, add_result
from workers.past_transfers import accuracies_from_scratch, past_transfers

CLAIM = Claim("job_made", "transfer", 1)
STUDY = Path(__file__).parents[2] / "docs/results/transfers-seed0.parquet"


def transfer(dataset_id: str, model_id: str | None, accuracy: float, **asked: Any) -> None:
    spec = TransferSpec(dataset_id=dataset_id, model_id=model_id, **{"label_budget": 10, **asked})
    with transaction() as session:
        made = add_result(session, "transfer", CLAIM, spec.model_dump() | {"base_model_id": None})
        row = session.get_one(Transfer, made["id"])
        row.accuracy = {**row.accuracy, "value": accuracy}


@pytest.fixture
def known(database_url: str) -> Any:
    with environment(G2L_DATABASE_URL=database_url), transaction() as session:
        target, again = (add_dataset(session) for _ in range(2))  # of equal content
        model = add_result(session, "model", CLAIM, {"dataset_id": target})["id"]
        session.commit()
        yield target, again, model


def test_each_transfer_stands_beside_scratch_of_its_own_recipe(known: Any) -> None:
    target, again, model = known
    short, usual = {"epochs": 1}, {"epochs": 20}
    transfer(target, None, 0.2, **short, image_size=32)
    transfer(target, None, 0.5, **usual, seed=0)  # at 32 pixels, as the source
    transfer(again, None, 0.7, **usual, seed=1)
    transfer(target, None, 0.9, **usual, label_budget=None)
    transfer(target, model, 0.30, **short)
    transfer(target, model, 0.80, **usual, image_size=32, layer_decay=0.5)  # which scratch has not
    transfer(again, model, 0.81, **usual, image_size=64)
    transfer(target, model, 0.95, **usual, label_budget=None)
    from_scratch = accuracies_from_scratch()
    scratch_of = {past.accuracy: past.source.figures["scratch"] for past in past_transfers(from_scratch)}
    assert scratch_of == {0.30: 0.2, 0.80: pytest.approx(0.6), 0.81: None, 0.95: 0.9}
    assert from_scratch.newest == {(ARTIFACT, 10): pytest.approx(0.6), (ARTIFACT, None): 0.9}


def test_transfers_of_other_services_are_learnt_from_too(known: Any, tmp_path: Path) -> None:
    target, _, model = known
    transfer(target, model, 0.5)
    own = past_transfers(accuracies_from_scratch())
    with environment(G2L_PAST_TRANSFERS=str(STUDY)):
        every = past_transfers(accuracies_from_scratch())
    assert every[: len(own)] == own
    assert len({record.target_id for record in every[len(own) :]}) == 10
    told = forecast(
        [Candidate("new", None, {"knn": 0.5, "scratch": 0.6})], every, target_id=ARTIFACT, label_budget=10
    )
    assert (told.calibrated, told.n_past_targets, told.n_past_transfers) == (True, 10, 140)
    assert 0.5 < (told.sources[0].value or 0) < 0.7
    (tmp_path / "notes.txt").write_text("none of these")
    with (
        environment(G2L_PAST_TRANSFERS=str(tmp_path / "notes.txt")),
        pytest.raises(UnreadableTransfersError, match=r"notes\.txt is no transfers\.parquet"),
    ):
        past_transfers(accuracies_from_scratch())
    lacking = tmp_path / "lacking.parquet"
    pq.write_table(pq.read_table(STUDY).drop_columns(["n_classes"]), lacking)
    with (
        environment(G2L_PAST_TRANSFERS=str(lacking)),
        pytest.raises(UnreadableTransfersError, match="it has no n_classes"),
    ):
        past_transfers(accuracies_from_scratch())
    with pytest.raises(ValidationError, match=r"gone\.parquet is none"):
        Settings(past_transfers=f"{STUDY}:/gone.parquet")
