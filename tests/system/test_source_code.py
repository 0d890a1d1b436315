"""What is kept is good for as long as the code that made it is the same: read from a copy of the real package."""

import pytest

from ser.system.source_code import parts_fingerprint

CONCAT = {
    "_target_": "ser.frontends.concat.Concat",
    "parts": {"mine": [{"_target_": "ser.frontends.mfcc.Mfcc", "dropout": {"_target_": "torch.nn.Dropout"}}]},
}
KEPT = {
    "waveforms": ([], "ser.data.store.waveforms"),
    "log_mel": ({"_target_": "ser.frontends.log_mel.LogMel"}, "ser.data.features.sources"),
    "concat": (CONCAT, "ser.data.features.sources"),
    "views": ([{"_target_": "ser.augmentations.noise.Noise"}], "ser.data.features.views", "ser.training.augment"),
    "near copies": ([], "ser.data.near_duplicates"),
}


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        ("masking.py", {"log_mel", "concat", "views"}),
        ("frontends/functional.py", {"log_mel", "concat"}),
        ("frontends/mfcc.py", {"concat"}),  # a nested part
        ("frontends/log_mel.py", {"log_mel"}),
        ("frontends/new.py", set()),
        ("augmentations/snr.py", {"views"}),
        ("augmentations/clip.py", {"views"}),  # stands behind those that the config names
        ("augmentations/new.py", set()),
        ("system/seeding.py", {"views"}),
        ("data/features/sources.py", {"log_mel", "concat", "views"}),
        ("data/store/fingerprints.py", {"near copies"}),
        ("data/audio/decode.py", set(KEPT)),
        ("models/cnn2d.py", set()),
        ("training/train.py", set()),
        ("__init__.py", set()),
    ],
)
def test_what_a_changed_file_makes_stale(change_source, changed, stale):
    before = {name: parts_fingerprint(*kept) for name, kept in KEPT.items()}
    change_source(changed)
    assert {name for name, kept in KEPT.items() if parts_fingerprint(*kept) != before[name]} == stale


@pytest.mark.parametrize("target", ["mine.LogMel", "service.LogMel", "torchaudio.transforms.MFCC"])
def test_a_strangers_class_is_in_no_file_of_ours(target):
    for parts in ({"_target_": target}, [{**CONCAT, "more": [{"_target_": target}]}]):
        assert parts_fingerprint(parts, "ser.data.features.sources") is None
