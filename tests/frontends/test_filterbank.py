"""Multiplying by blocks gives what multiplying by the whole bank gives."""

import pytest
import torch

from ser.frontends.filterbank import Filterbank
from ser.frontends.functional import chroma_filterbank, mel_filterbank

BANKS = {
    "mel 64": mel_filterbank(16000, 1024, 64, 0, 8000),
    "mel 128": mel_filterbank(22050, 2048, 128, 0, 11025),
    "mel 10, band-limited": mel_filterbank(16000, 1024, 10, 300, 3400),
    "chroma": chroma_filterbank(22050, 2048, 12),
    "zeros": torch.zeros(40, 513),
}


@pytest.mark.parametrize("name", BANKS)
@pytest.mark.parametrize("contiguous", [True, False])
def test_blocks_are_the_whole_bank(name, contiguous):
    weights = BANKS[name]
    power = torch.rand(3, 17, weights.shape[1], generator=torch.Generator().manual_seed(0)).transpose(1, 2)
    power = power.contiguous() if contiguous else power
    bands = Filterbank(weights)(power)
    assert bands.shape == (3, len(weights), 17)
    torch.testing.assert_close(bands, weights @ power, rtol=1e-5, atol=1e-7)


def test_mel_banks_are_divided_and_dense_ones_are_not():
    assert len(Filterbank(BANKS["mel 128"]).blocks) == 8
    assert len(Filterbank(BANKS["chroma"]).blocks) == 1


def test_blocks_multiply_a_fraction():
    """The reason to have them: 128 bands look at few of 1025 bins each."""
    bank = Filterbank(BANKS["mel 128"])
    assert sum(high - low for _, low, high in bank.blocks) < 0.25 * 1025 * len(bank.blocks)


def test_gradients_pass():
    power = torch.rand(2, 513, 5, requires_grad=True)
    Filterbank(BANKS["mel 64"])(power).sum().backward()
    torch.testing.assert_close(power.grad[0, :, 0], BANKS["mel 64"].sum(dim=0))
