"""Every frontend and every model, found by glob, is exported to both formats, or says in a sentence why not."""

from pathlib import Path

import numpy as np
import pytest

from ser.errors import UserError
from ser.inference.export import TOLERANCE, largest_difference
from ser.inference.exported_formats import FORMATS, program_of
from ser.inference.predictor import Predictor
from ser.inference.whole_network import WholeNetwork
from ser.system.config_folder import config_folder
from tests.inference.untrained import untrained, voices

pytest.importorskip("onnxruntime", reason="pip install 'ser[export]'")


def named(group: str) -> list[str]:
    return sorted(file.stem for file in Path(config_folder(), group).glob("*.yaml"))


ONE_FRAME = ("time_stats", "means_162", "means_180")  # statistics over time, for model=mlp
PARTS = [(name, "mlp" if name in ONE_FRAME else "cnn1d") for name in named("frontend")]
PARTS += [("log_mel", name) for name in named("model") if ("log_mel", name) not in PARTS]
AUDIO = {"clip": "audio.duration_s=1.0", "whole": "audio=whole"}
CANNOT = {("whole", "crnn"): "A recurrent layer (GRU) is exported for one length only"}


@pytest.mark.slow
@pytest.mark.parametrize("audio", AUDIO)
@pytest.mark.parametrize(("frontend", "model"), PARTS)
def test_it_is_exported_to_both_formats_or_says_why_not(frontend, model, audio):
    classifier, settings = untrained(f"frontend={frontend}", f"model={model}", AUDIO[audio])
    network, predictor = WholeNetwork([(classifier, settings)]).eval(), Predictor(classifier, settings)
    if why := CANNOT.get((audio, model)):
        with pytest.raises(UserError) as refused:
            program_of(network)
        assert str(refused.value).startswith(why) and "\n" not in str(refused.value)
        return
    clips, program = voices(settings.sample_rate), program_of(network)
    clips = [*clips, clips[0][3000:5200]]  # hardly longer than audio.min_duration_s

    def expected(waveform):
        return list(predictor(waveform, settings.sample_rate).probabilities.values())

    assert np.ptp([expected(clip) for clip in clips], axis=0).max() > 0.02  # else any network would do
    for form in FORMATS.values():
        assert largest_difference(form.open(form.save(program, {})), clips, expected) < TOLERANCE / 10
