"""One training on several devices: processes that take the same steps, each on its part of every batch."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from mmap import mmap
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from g2l.errors import TeamLostError
from g2l.nn.images import Images, Indices

SEEN_TO_END = 5.0  # seconds


@dataclass(frozen=True)
class Team:
    """The processes of a training, and which of them this one is.

    Attributes:
        rank: 0 for the one that was asked to train and keeps the result.
        size: processes.
    """

    rank: int = 0
    size: int = 1

    @property
    def device(self) -> torch.device:
        """A CUDA device for each process, or the CPU for all."""
        return torch.device("cuda", self.rank) if torch.cuda.is_available() else torch.device("cpu")

    def part(self, rows: Indices) -> Indices:
        """What is this process's of a batch."""
        return rows[self.rank :: self.size]

    def sum(self, value: Tensor) -> Tensor:
        """Over all processes, the same in each."""
        if self.size == 1:
            return value
        total = value.clone()
        distributed.all_reduce(total)
        return total

    def gathered(self, part: Tensor, counts: Sequence[int]) -> Tensor:
        """The rows of all processes, those of the first first.

        What is computed from them is the same everywhere. A process's own rows alone have gradients, times
        the team's size: the average that `wrapped` takes over the team is then that of the whole.

        Args:
            part: (n, ...) this process's rows.
            counts: n of each process.
        """
        if self.size == 1:
            return part
        padded = part.new_zeros((max(counts), *part.shape[1:]))  # none may send less than the others
        padded[: len(part)] = part.detach()
        parts = [torch.empty_like(padded) for _ in counts]
        distributed.all_gather(parts, padded)
        parts = [rows[:count] for rows, count in zip(parts, counts, strict=True)]
        parts[self.rank] = self.size * part - (self.size - 1) * part.detach()
        return torch.cat(parts)

    def wrapped(self, model: nn.Module) -> tuple[nn.Module, nn.Module]:
        """The module that is trained here, and what calls it so that gradients are averaged over the team."""
        if self.size == 1:
            return model, model
        own = deepcopy(model)  # on a CPU what was handed over is memory that all share
        if self.device.type == "cuda":
            # norms of the batch, not of its parts
            own = nn.SyncBatchNorm.convert_sync_batchnorm(own)  # type: ignore[no-untyped-call]
        own.to(self.device)
        return own, DistributedDataParallel(own, [self.rank] if self.device.type == "cuda" else None)

    def share_buffers(self, model: nn.Module) -> None:
        """Give all processes the running statistics of the first."""
        if self.size > 1:
            for buffer in model.buffers():
                distributed.broadcast(buffer, 0)


def team_size(wanted: int | None, images_a_step: int) -> int:
    """Processes to train in: as many as wanted, else one a CUDA device; two images each at every step."""
    return max(1, min(wanted or torch.cuda.device_count(), images_a_step // 2))


@contextmanager
def led(size: int, member: Callable[..., None], *handed: Any) -> Iterator[Team]:
    """A team whose first member is the block under it.

    Args:
        size: processes in all; for 1 none is started.
        member: called as ``member(team, *handed)`` in each of the others; found there by its name.
        handed: what the others are given, pickled; tensors of the CPU are shared memory.

    Raises:
        TeamLostError: another process has died under the block.
    """
    if size == 1:
        yield Team()
        return
    with tempfile.TemporaryDirectory(prefix="g2l-team-") as folder:
        meeting = Path(folder) / "meeting"
        # Not by torchrun's launcher: it gives each process a session, out of reach of who ends the group.
        spawning = multiprocessing.get_context("spawn")
        others = [
            spawning.Process(target=_join, args=(Team(rank, size), meeting, member, handed), daemon=True)
            for rank in range(1, size)
        ]
        try:
            for other in others:
                other.start()
            with _met(Team(0, size), meeting) as team:
                yield team
        except RuntimeError as error:
            # The connections of a killed process are closed a moment before it has an exit code.
            ended = wait([other.sentinel for other in others], timeout=SEEN_TO_END)
            for other in others:
                if other.sentinel in ended:
                    other.join(SEEN_TO_END)
            if all(other.exitcode in (None, 0) for other in others):
                raise
            raise TeamLostError("a process of the training has died; the log says why") from error
        finally:
            for other in others:
                other.kill()
                other.join()


def _join(team: Team, meeting: Path, member: Callable[..., None], handed: tuple[Any, ...]) -> None:
    with _met(team, meeting):
        member(team, *handed)


@contextmanager
def _met(team: Team, meeting: Path) -> Iterator[Team]:
    on_cuda = team.device.type == "cuda"
    if on_cuda:
        torch.cuda.set_device(team.device)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # all are here, wherever the machine's name leads to
    distributed.init_process_group(
        "nccl" if on_cuda else "gloo", init_method=meeting.as_uri(), rank=team.rank, world_size=team.size
    )
    try:
        yield team
    finally:
        distributed.destroy_process_group()


@dataclass(frozen=True)
class MappedFile:
    """An array that is a file mapped into memory, to be handed over by name."""

    path: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int


def closed(images: Images) -> Images | MappedFile:
    """What to hand over for an array: a mapped file goes by its name, another one whole."""
    base: object = images.base  # of a slice it is the array, whose offset would be wrong
    if isinstance(images, np.memmap) and isinstance(base, mmap):
        return MappedFile(str(images.filename), images.dtype, images.shape, images.offset)
    return images


def opened(handed: Images | MappedFile) -> Images:
    """The array again."""
    if not isinstance(handed, MappedFile):
        return handed
    return np.memmap(handed.path, handed.dtype, "r", handed.offset, handed.shape)
