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
from tests.parts import needs, of_test, one_frame

pytest.importorskip("onnxruntime", reason="pip install 'ser[export]'")


def named(group: str) -> list[str]:
    return sorted(file.stem for file in Path(config_folder(), group).glob("*.yaml"))


ONE_FRAME = one_frame()
AUDIO = {"clip": "audio.duration_s=1.0", "whole": "audio=whole"}
PARTS = [(name, "mlp" if name in ONE_FRAME else "cnn1d", "whole") for name in named("frontend")]  # of any length: more
PARTS += [p for name in named("model") if (p := ("log_mel", name, "whole")) not in PARTS]
PARTS += [("log_mel", name, "clip") for name in ("cnn2d", "crnn")]  # one with a recurrent layer
CANNOT = {("whole", "crnn"): "A recurrent layer (GRU) is exported for one length only"}


@pytest.mark.slow
@pytest.mark.parametrize(("frontend", "model", "audio"), PARTS)
def test_it_is_exported_to_both_formats_or_says_why_not(frontend, model, audio, tmp_path):
    told = needs("frontend", frontend, tmp_path)
    classifier, settings = untrained(f"frontend={frontend}", f"model={model}", AUDIO[audio], *told)
    if why := CANNOT.get((audio, model)) or of_test("frontend", frontend, "NOT_EXPORTED", None):
        with pytest.raises(UserError) as refused:
            program_of(WholeNetwork([(classifier, settings)]).eval())
        assert str(refused.value).startswith(why) and "\n" not in str(refused.value)
        return
    clips = voices(settings.sample_rate)
    clips = [*clips, clips[0][3000:5200]]  # hardly longer than audio.min_duration_s
    for temperature in (1.0, 10.0, 100.0):  # random weights may be sure of everything, and then any network would do
        predictor = Predictor(classifier, settings, temperature)
        expected = {len(clip): list(predictor(clip, settings.sample_rate).probabilities.values()) for clip in clips}
        if np.ptp(list(expected.values()), axis=0).max() > 0.05:
            break
    else:
        pytest.fail("all clips have the same probabilities")
    program = program_of(WholeNetwork([(classifier, settings)], temperature).eval())
    for form in FORMATS.values():
        network = form.open(form.save(program, {}))
        assert largest_difference(network, clips, lambda clip: expected[len(clip)]) < TOLERANCE
