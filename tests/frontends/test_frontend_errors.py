"""What a frontend refuses, and that the message names the key and what to change."""

import pytest
import torch

from ser.errors import UserError
from ser.frontends.log_mel_contour import LogMelContour
from ser.frontends.mel import Mel
from ser.frontends.mfcc import Mfcc
from ser.frontends.spectrogram import Spectrogram
from ser.frontends.stft import Stft
from ser.frontends.time_stats import TimeStats
from ser.frontends.zcr_rms_chroma import ZcrRmsChroma

STFT = Stft(n_fft=512, hop_length=128)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Mel(16_000, STFT, f_max=9000), r"frontend\.f_max=9000 Hz .* set it to 8000 or less"),
        (lambda: Mel(16_000, STFT, f_min=4000, f_max=4000), r"frontend\.f_min=4000"),
        (lambda: Mel(16_000, Stft(65_536, 128), n_mels=65_536), r"frontend\.n_mels=65536 .* lower it to \d+ or less"),
        (lambda: Mel(16_000, STFT, n_mels=300), r"frontend\.n_mels=300 .* lower it to \d+ or less, or raise"),
        (lambda: Mfcc(16_000, STFT, n_mfcc=65), r"frontend\.n_mfcc=65 .* frontend\.n_mels=64"),
        (lambda: ZcrRmsChroma(16_000, STFT, zcr=False, rms=False, chroma=False), r"frontend\.zcr.* are all false"),
        (lambda: TimeStats(Spectrogram(STFT), ["men"]), r"frontend\.statistics has 'men'.* Did you mean 'mean'\?"),
        (lambda: TimeStats(Spectrogram(STFT), []), r"frontend\.statistics=\[\]"),
        (lambda: TimeStats(Spectrogram(STFT), ["std", "std"]), r"frontend\.statistics"),
    ],
)
def test_refuses_in_one_sentence(build, message):
    with pytest.raises(UserError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_the_advice_about_empty_bands_works():
    with pytest.raises(UserError) as caught:
        Mel(16_000, STFT, n_mels=300)
    largest = int(str(caught.value).split("lower it to ")[1].split()[0])
    assert Mel(16_000, STFT, n_mels=largest).num_features == largest


def test_skipping_every_frame():
    with pytest.raises(UserError, match=r"frontend\.skip_frames=9 leaves none of the 8 frames"):
        LogMelContour(16_000, STFT, skip_frames=9)(torch.zeros(1, 1000), torch.tensor([1000]))
