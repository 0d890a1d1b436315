"""Layers over valid frames."""

import doctest
from importlib import import_module

import pytest
import torch

from ser.errors import UserError
from ser.models.image_layers import FrameEmbedding, as_product
from ser.models.layers import BatchNorm, Conv1d, MaxPool1d, Window, initialise, make_activation
from ser.models.pooling import POOLINGS, TimePool

MODULES = ["base", "settings", "layers", "pooling", "mlp", "conv_block", "cnn1d", "cnn2d"]


@pytest.mark.parametrize("module", MODULES)
def test_examples_in_docstrings(module):
    assert doctest.testmod(import_module(f"ser.models.{module}")).failed == 0


def test_same_pooling_has_keras_lengths():
    """162 → 81 → 41 → 21 → 11, as Keras' MaxPooling1D(5, strides=2, padding='same')."""
    x = torch.randn(2, 3, 162)
    lengths = []
    for _ in range(4):
        x, _ = MaxPool1d(5, 2, "same", x.shape[-1])(x, None)
        lengths.append(x.shape[-1])
    assert lengths == [81, 41, 21, 11]


@pytest.mark.parametrize("n, left", [(162, 1), (81, 2)])
def test_same_pooling_pads_as_keras(n, left):
    """Keras: total padding (ceil(n / 2) - 1) * 2 + 5 - n is 3 for even n and 4 for odd n, the smaller half left."""
    x = torch.arange(n, 0.0, -1)[None, None]  # falling: a window's maximum is its first frame
    pooled, _ = MaxPool1d(5, 2, "same", n)(x, None)
    firsts = [max(2 * j - left, 0) for j in range((n + 1) // 2)]
    assert pooled[0, 0].tolist() == [n - first for first in firsts]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_pooling_by_hand(size, stride, padding):
    for n in range(size if padding == "valid" else 1, 12):
        x = torch.randn(1, 1, n)
        pool = MaxPool1d(size, stride, padding, n)
        pooled, frames = pool(x, torch.tensor([n]))
        starts = [j * stride - pool.window.left for j in range(pool.window.count(n))]
        by_hand = [x[0, 0, max(start, 0) : start + size].max().item() for start in starts]
        assert pooled[0, 0].tolist() == by_hand and frames.item() == len(by_hand)


def test_pooling_of_negative_values_does_not_find_the_padding():
    x = torch.tensor([[[-3.0, -1.0, -2.0, 5.0, 5.0]]])
    pooled, frames = MaxPool1d(2, 2, "same")(x, torch.tensor([3]))
    assert pooled.tolist() == [[[-1.0, -2.0, 0.0]]] and frames.tolist() == [2]


def test_too_short_input_gives_one_frame():
    x, frames = torch.randn(2, 3, 2), torch.tensor([2, 1])
    for layer in (Conv1d(3, 3, 10, "valid"), MaxPool1d(8, 8)):
        y, left = layer(x, frames)
        assert y.shape == (2, 3, 1) and left.tolist() == [1, 1] and y.isfinite().all()


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("kernel_size", [1, 4, 5, 10])
def test_same_convolution_is_torchs(kernel_size):
    ours, theirs = Conv1d(2, 3, kernel_size), torch.nn.Conv1d(2, 3, kernel_size, padding="same")
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 2, 12)
    torch.testing.assert_close(ours(x, None)[0], theirs(x))
    assert Window(kernel_size, 1, "same").left == (kernel_size - 1) // 2  # and Keras'


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooling_over_valid_frames_is_that_of_the_cut_sequence(pooling):
    x, frames = torch.randn(3, 4, 9), torch.tensor([9, 5, 1])
    pool = TimePool(pooling, 4)
    pooled = pool(x, frames)
    assert pooled.shape == (3, pool.num_outputs)
    for i, count in enumerate(frames):
        torch.testing.assert_close(pool(x[i : i + 1, :, :count], None)[0], pooled[i])


def test_mean_and_population_std():
    x = torch.randn(2, 3, 50)
    expected = torch.cat([x.mean(-1), x.std(-1, correction=0)], dim=1)
    torch.testing.assert_close(TimePool("mean_std", 3)(x, None), expected)


def test_equal_scores_are_the_mean():
    pool = TimePool("attention", 3)
    torch.nn.init.zeros_(pool.score.weight)
    x, frames = torch.randn(2, 3, 7), torch.tensor([7, 4])
    torch.testing.assert_close(pool(x, frames), TimePool("mean", 3)(x, frames))


def test_std_of_a_constant_has_a_finite_gradient():
    x = torch.ones(1, 2, 6, requires_grad=True)
    TimePool("mean_std", 2)(x, None).sum().backward()
    assert x.grad.isfinite().all()


def test_one_value_a_channel_is_normalised_by_running_statistics():
    norm = BatchNorm(3)
    assert torch.allclose(norm(torch.ones(1, 3)), torch.ones(1, 3), atol=1e-4)
    assert norm.num_batches_tracked == 0
    assert norm(torch.randn(2, 3, 4, 5)).mean().abs() < 1e-6


def test_keras_initialisation():
    layer = torch.nn.Conv1d(16, 32, 5)
    initialise(layer, "keras")
    bound = (6 / (5 * (16 + 32))) ** 0.5
    assert 0.95 * bound < layer.weight.abs().max() <= bound and layer.bias.abs().sum() == 0


def test_unknown_activation_names_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'gelu'"):
        make_activation("gellu")


def test_an_image_is_normalised_as_a_batch_of_vectors():
    """What a GPU computes (here on the CPU) is the batch normalisation of images: values, gradients, statistics."""
    torch.manual_seed(0)
    image = torch.randn(4, 5, 6, 7).contiguous(memory_format=torch.channels_last)
    norms, found = [BatchNorm(5), BatchNorm(5)], []
    for norm, way in zip(norms, (norms[0].forward, norms[1].as_vectors), strict=True):
        x = image.clone().requires_grad_()
        y = way(x)
        y.pow(3).sum().backward()
        assert y.is_contiguous(memory_format=torch.channels_last), "nothing behind it has to copy"
        found.append((y, x.grad, norm.weight.grad, norm.running_mean, norm.running_var, norm.num_batches_tracked))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)


def test_a_frame_is_embedded_by_all_its_channels_at_all_heights():
    torch.manual_seed(0)
    embedding = FrameEmbedding(channels=3, height=4, embedding=5).eval()
    image = torch.randn(2, 3, 4, 7)
    linear, norm, _ = embedding
    expected = norm(linear(image.flatten(1, 2))).relu()
    torch.testing.assert_close(embedding(image), expected)


@pytest.mark.parametrize(("channels", "size", "stride"), [(1, 5, (2, 2)), (3, 5, (2, 1)), (2, 3, (1, 1))])
def test_a_convolution_of_few_channels_is_a_product(channels, size, stride):
    conv = torch.nn.Conv2d(channels, 8, size, stride, padding=size // 2, bias=False)
    conv = conv.to(memory_format=torch.channels_last)
    x = torch.randn(3, channels, 20, 31, generator=torch.Generator().manual_seed(0))
    product, convolved = as_product(x, conv), conv(x)
    assert product.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(product, convolved, rtol=1e-5, atol=1e-5)
    ours, theirs = (torch.autograd.grad(y.square().sum(), conv.weight)[0] for y in (product, convolved))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
