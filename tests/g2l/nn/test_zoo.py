import pytest
import torch

from g2l.nn.zoo import (
    ARCHITECTURES,
    DEFAULT_ARCHITECTURE,
    ArchitectureTooDeepError,
    UnknownArchitectureError,
    build,
)


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize(("channels", "side"), [(1, 32), (3, 40), (5, 33)])
def test_every_architecture_takes_any_channels_and_size(arch: str, channels: int, side: int) -> None:
    model = build(arch, n_outputs=7, channels=channels, image_size=side).eval()
    with torch.inference_mode():
        logits = model(torch.zeros(2, channels, side, side)).logits
    assert logits.shape == (2, 7)


def test_the_default_is_one_of_them_and_takes_the_smallest_images() -> None:
    assert DEFAULT_ARCHITECTURE in ARCHITECTURES
    model = build(DEFAULT_ARCHITECTURE, n_outputs=2, image_size=8)
    assert model(torch.randn(2, 3, 8, 8)).logits.shape == (2, 2)


def test_weights_are_a_function_of_the_seed_and_leave_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, same, other = (build("resnet-tiny", n_outputs=2, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one[name], same[name]) for name in one)
    name = "resnet.embedder.embedder.convolution.weight"
    assert not torch.equal(one[name], other[name])


def test_images_smaller_than_the_stride_are_refused_with_a_cure() -> None:
    with pytest.raises(
        ArchitectureTooDeepError, match=r"at least 32 pixels and image_size is 16.*resnet-tiny"
    ) as caught:
        build("convnextv2-atto", n_outputs=2, image_size=16)
    assert (caught.value.code, caught.value.field) == ("architecture-too-deep", "image_size")


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownArchitectureError, match=r"'resnet-9000'.*resnet-tiny") as caught:
        build("resnet-9000", n_outputs=2)
    assert caught.value.field == "arch"
