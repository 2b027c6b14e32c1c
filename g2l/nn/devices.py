"""Where the arithmetic runs, and in which precision."""

from contextlib import AbstractContextManager

import torch

TENSOR_CORES = (7, 0)  # compute capability from which float16 is fast


def pick_device() -> torch.device:
    """The first CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def half_type(device: torch.device) -> torch.dtype | None:
    """The 16-bit type that a device multiplies fast: bfloat16, on CUDA devices without it float16, or none.

    CPUs stay with float32, even those that multiply bfloat16 natively: with torch 2.13 equal runs on images
    of 8 pixels gave unequal accuracies and now and then gradients that were not numbers. The default network
    would have been a tenth faster, others up to 1.7 times as fast.
    """
    if device.type != "cuda":
        return None
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float16 if torch.cuda.get_device_capability(device) >= TENSOR_CORES else None


def training_precision(device: torch.device) -> AbstractContextManager[None]:
    """Autocast to the device's 16-bit type, if it has a fast one; weights stay float32."""
    half = half_type(device)
    return torch.autocast(device.type, half or torch.bfloat16, enabled=half is not None)


def needs_scaling(device: torch.device) -> bool:
    """Whether gradients are computed in a type in which small ones vanish."""
    return half_type(device) == torch.float16


def memory_format(device: torch.device) -> torch.memory_format:
    """Channels last on CUDA; on CPUs it was 7 % slower."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format
