"""Checkpoints are read as weights and plain data, or refused."""

import os
import pickle
import struct
import zipfile

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from ser.data.store.hashes import content_hash
from ser.errors import UserError
from ser.runs.weights import content_of_run, load_weights, read_checkpoint, start_from, to_resume_from

pytestmark = pytest.mark.filterwarnings("ignore:Detected pickle protocol")


CLASSES = ["a", "b"]


class Classifier(nn.Module):
    """A frontend's buffer, and a model of two layers."""

    def __init__(self, hidden=4, classes=3):
        super().__init__()
        self.normaliser = nn.BatchNorm1d(2)
        self.model = nn.Sequential(nn.Linear(2, hidden), nn.BatchNorm1d(hidden), nn.Linear(hidden, classes))


def save(path, **keys):
    torch.manual_seed(1)
    module = Classifier(**keys)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor += torch.rand(tensor.shape) if tensor.is_floating_point() else 3
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": module.state_dict(), "epoch": 3, "ser": {"classes": CLASSES}}, path)
    return module


@pytest.fixture
def run(tmp_path):
    save(tmp_path / "run" / "checkpoints" / "best.ckpt")
    return tmp_path / "run"


def refused(path, match):
    with pytest.raises(UserError, match=match) as error:
        read_checkpoint(path)
    assert str(path) in str(error.value)
    return str(error.value)


def test_a_round_trip(tmp_path):
    module = save(tmp_path / "a.ckpt")
    assert read_checkpoint(tmp_path / "a.ckpt")["ser"] == {"classes": ["a", "b"]}
    other = Classifier()
    load_weights(other, tmp_path / "a.ckpt")
    assert all(torch.equal(value, module.state_dict()[key]) for key, value in other.state_dict().items())


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_cut_off(tmp_path, share):
    path = tmp_path / "a.ckpt"
    save(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    assert "run.rerun=true" in refused(path, "truncated or damaged")


def members_of(path):
    """Name of each member of an archive, and where its bytes begin and end in the file."""
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            name, extra = struct.unpack_from("<HH", whole, member.header_offset + 26)
            start = member.header_offset + 30 + name + extra
            yield member.filename, start, start + member.file_size


def test_a_flipped_bit_anywhere_in_the_archive_is_damage(tmp_path):
    """torch compares no checksums: it would give other weights, and say nothing."""
    save(tmp_path / "a.ckpt")
    whole, seen = (tmp_path / "a.ckpt").read_bytes(), 0
    for name, start, end in members_of(tmp_path / "a.ckpt"):
        if start == end:
            continue
        damaged = bytearray(whole)
        damaged[(start + end) // 2] ^= 0x40
        (tmp_path / "b.ckpt").write_bytes(damaged)
        assert "run.rerun=true" in refused(tmp_path / "b.ckpt", "truncated or damaged"), name
        seen += 1
    assert seen > 9


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_damage_raises_anything_else(tmp_path, data):
    path = tmp_path / "a.ckpt"
    save(path)
    whole = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        path.write_bytes(data.draw(st.binary(max_size=200)))
    else:
        for _ in range(data.draw(st.integers(1, 8))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(whole[: data.draw(st.integers(1, len(whole)))])
    try:
        load_weights(Classifier(), path)
    except UserError as error:
        assert str(path) in str(error)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("inside", ["state_dict", "beside"])
def test_a_bomb_does_not_go_off(tmp_path, protocol, zipped, inside):
    path, bomb = tmp_path / "a.ckpt", Bomb(tmp_path / "mark")
    content = {"state_dict": {"w": bomb} if inside == "state_dict" else {}, "hyper_parameters": bomb}
    if zipped:
        torch.save(content, path, pickle_protocol=protocol)
    else:
        path.write_bytes(pickle.dumps(content, protocol))
    message = refused(path, "more than weights and plain data")
    assert "nothing in it was executed" in message and not (tmp_path / "mark").exists()
    assert "weights_only" not in message, "no advice to open the door"
    if protocol == 2:
        assert "posix.mkdir" in message
    with pytest.raises(FileExistsError if (tmp_path / "mark").exists() else UserError):
        load_weights(Classifier(), path)


def test_a_pickled_module_is_refused_by_name(tmp_path):
    torch.save({"state_dict": {}, "model": nn.Linear(2, 2)}, tmp_path / "a.ckpt")
    refused(tmp_path / "a.ckpt", "torch.nn.modules.linear.Linear")


@pytest.mark.parametrize("content", [[1], 3, None, {}, {"state_dict": 3}, {"state_dict": None}])
def test_no_weights_at_all(tmp_path, content):
    torch.save(content, tmp_path / "a.ckpt")
    refused(tmp_path / "a.ckpt", "holds no weights")


@pytest.mark.parametrize("state", [{"w": torch.ones(2)}, {}])
def test_weights_of_something_else(tmp_path, state):
    torch.save({"state_dict": state}, tmp_path / "a.ckpt")
    with pytest.raises(UserError, match="belongs to another model"):
        load_weights(Classifier(), tmp_path / "a.ckpt")


def endless():
    """A list that stands for 9¹² ones."""
    value = [0]
    for _ in range(12):
        value = [value] * 9
    return value


STRANGE = {
    "text": {"state_dict": {"w": "text"}},
    "number": {"state_dict": {"w": 3}},
    "integer key": {"state_dict": {1: torch.ones(2)}},
    "sparse": {"state_dict": {"w": torch.eye(3).to_sparse()}},
    "nowhere": {"state_dict": {"w": torch.ones(3, device="meta")}},
    "eight bits": {"state_dict": {"w": torch.ones(3).to(torch.float8_e4m3fn)}},
    "expanded": {"state_dict": {"w": torch.zeros(1).expand(10**6, 10**6)}},
    "expanded elsewhere": {"state_dict": {}, "optimizer_states": [{"m": torch.zeros(1).expand(10**5, 10**5)}]},
    "many of one": {"state_dict": dict.fromkeys(map(str, range(1000)), torch.zeros(100_000))},
    "no description": {"state_dict": {}, "ser": [1]},
    "no epoch": {"state_dict": {}, "epoch": "x"},
    "without end": {"state_dict": {}, "loops": endless()},
}


@pytest.mark.parametrize("kind", STRANGE)
@pytest.mark.filterwarnings("ignore")  # torch on making them
def test_no_weights_that_ser_saves(tmp_path, kind, recwarn):
    torch.save(STRANGE[kind], tmp_path / "best.ckpt")
    recwarn.clear()
    message = refused(tmp_path / "best.ckpt", "none of ser's|to exhaust memory")
    assert "\n" not in message and not recwarn
    (tmp_path / "finished.json").write_text("{}")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "best.ckpt").rename(tmp_path / "checkpoints" / "best.ckpt")
    for use in (content_of_run, lambda run: start_from(Classifier(), run, CLASSES)):
        with pytest.raises(UserError):
            use(tmp_path)


@pytest.mark.parametrize("kind", ["packed", "old format", "pipe"])
def test_files_that_ser_never_writes(tmp_path, kind):
    path = tmp_path / "a.ckpt"
    if kind == "packed":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data/0", bytes(10_000_000))
        refused(path, "ser does not compress")
    elif kind == "old format":
        torch.save({"state_dict": {}}, path, _use_new_zipfile_serialization=False)
        refused(path, "is not an archive")
    else:
        os.mkfifo(path)
        refused(path, "is not a regular file")


@pytest.mark.parametrize("kind", ["bfloat16", "parameters", "both"])
def test_weights_that_others_save(run, kind):
    """In half precision they are cast, and a Parameter is its tensor."""
    path = run / "checkpoints" / "best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    for key, value in checkpoint["state_dict"].items():
        if value.is_floating_point():
            value = value.bfloat16() if kind != "parameters" else value
            checkpoint["state_dict"][key] = nn.Parameter(value) if kind != "bfloat16" else value
    before = content_of(run)
    torch.save(checkpoint, path)
    module = Classifier()
    load_weights(module, path)
    for key, value in module.state_dict().items():
        assert value.dtype != torch.bfloat16 and torch.equal(value, checkpoint["state_dict"][key].to(value.dtype)), key
    assert start_from(Classifier(), run, CLASSES).startswith("weights of run: 9 of 9")
    assert (content_of(run) == before) == (kind == "parameters")


def content_of(run):
    (run / "finished.json").write_text("{}")
    return content_of_run(run)


def test_the_content_of_a_run_is_what_it_always_was(run):
    """A run that began from these weights keeps its identity."""
    state = read_checkpoint(run / "checkpoints" / "best.ckpt")["state_dict"]
    hashes = [f"{key} {content_hash(state[key].numpy().tobytes())}" for key in sorted(state)]
    assert content_of(run) == content_hash("\n".join(hashes).encode())


def test_weights_that_are_no_numbers_are_no_start(run):
    path = run / "checkpoints" / "best.ckpt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"]["model.0.weight"][0] = float("nan")
    torch.save(checkpoint, path)
    with pytest.raises(UserError, match="NaN or infinite weights"):
        start_from(Classifier(), run, CLASSES)


def test_weights_of_another_size(tmp_path):
    save(tmp_path / "a.ckpt", hidden=5)
    with pytest.raises(UserError, match="belongs to another model.*size mismatch"):
        load_weights(Classifier(), tmp_path / "a.ckpt")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(UserError, match="No checkpoint at"):
        read_checkpoint(tmp_path / "nowhere.ckpt")
    refused(tmp_path, "cannot be read: Is a directory")


# ---- init_from -----------------------------------------------------------------------------------------------------


def test_what_fits_is_copied_and_the_rest_stays_fresh(run):
    theirs = read_checkpoint(run / "checkpoints" / "best.ckpt")["state_dict"]
    torch.manual_seed(2)
    module = Classifier(classes=7)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    note = start_from(module, run, list("abcdefg"))
    for key, value in module.state_dict().items():
        copied = key.startswith(("model.0.", "model.1."))
        assert torch.equal(value, theirs[key] if copied else before[key]), key
    assert note == "weights of run: 7 of 9 tensors; fresh: 2.weight, 2.bias"


def test_everything_fits(run):
    module = Classifier()
    assert start_from(module, run, CLASSES) == "weights of run: 9 of 9 tensors"
    assert torch.equal(module.normaliser.running_mean, torch.zeros(2)), "the normaliser is fitted anew"


def test_nothing_fits(run):
    module = Classifier()
    module.model = nn.Sequential(nn.Identity(), nn.BatchNorm1d(9))  # only the count in `1.num_batches_tracked` fits
    with pytest.raises(UserError, match="none of its weights matches"):
        start_from(module, run, CLASSES)


def test_no_run(tmp_path):
    with pytest.raises(UserError, match="No checkpoint at"):
        start_from(Classifier(), tmp_path, CLASSES)
    with pytest.raises(UserError, match="not the directory of a finished run"):
        content_of_run(tmp_path)


def test_the_content_of_a_run_is_that_of_its_best_weights(run):
    """Of the weights, not of the file: what else a checkpoint notes (epochs, seconds) makes no other run."""
    (run / "finished.json").write_text("{}")
    path = run / "checkpoints" / "best.ckpt"
    before = content_of_run(run)
    checkpoint = torch.load(path, weights_only=True)
    torch.save({**checkpoint, "seconds": 12.5}, path)
    assert content_of_run(run) == before
    save(path, classes=5)
    assert content_of_run(run) != before


def test_the_last_layer_stays_fresh_where_the_classes_differ(run):
    module = Classifier()
    fresh = module.model[2].weight.clone()
    note = start_from(module, run, ["other", "three", "classes"])
    assert torch.equal(module.model[2].weight, fresh)
    assert note.endswith("fresh: 2.weight, 2.bias")


# ---- going on ------------------------------------------------------------------------------------------------------


def checkpoint(path, epoch):
    torch.save({"epoch": epoch, "state_dict": {"weight": torch.ones(2)}}, path)
    return path


def test_an_interrupted_run_goes_on_from_the_latest_whole_state(tmp_path):
    last, best = tmp_path / "last.ckpt", tmp_path / "best.ckpt"
    assert to_resume_from(last, best) == (None, "")
    checkpoint(best, 1)
    assert to_resume_from(last, best) == (None, ""), "killed before the first state to go on from"
    checkpoint(last, 2)
    assert to_resume_from(last, best) == (last, "")
    damaged = bytearray(last.read_bytes())
    damaged[damaged.index(torch.ones(2).numpy().tobytes())] ^= 0x40  # a bit of the weights, which torch itself loads
    last.write_bytes(damaged)
    assert to_resume_from(last, best)[0] == best
    last.write_bytes(last.read_bytes()[:50])
    found, remark = to_resume_from(last, best)
    assert found == best and "last.ckpt" in remark and "best.ckpt" in remark
    best.write_bytes(b"")
    found, remark = to_resume_from(last, best)
    assert found is None and "best.ckpt and last.ckpt" in remark or "last.ckpt and best.ckpt" in remark
    assert "from the first epoch" in remark


def test_last_without_the_weights_that_it_counts_on(tmp_path):
    """Its best epoch is behind it, and the weights of that epoch are lost."""
    last, best = checkpoint(tmp_path / "last.ckpt", 2), tmp_path / "best.ckpt"
    best.write_bytes(b"cut off")
    assert to_resume_from(last, best)[0] is None
    best.unlink()
    assert to_resume_from(last, best) == (last, ""), "checkpoint=last: there is none before the end"


@pytest.mark.parametrize(("theirs", "ours"), [(5, 5), (5, 2), (2, 5)])
def test_outputs_of_auxiliary_targets_stay_fresh(tmp_path, theirs, ours):
    """Rows behind those of the classes: they may be of other targets, and as many by chance."""
    path = tmp_path / "run" / "checkpoints" / "best.ckpt"
    other = save(path, classes=theirs)
    torch.manual_seed(5)
    module = Classifier(classes=ours)
    fresh = module.model[2].weight.clone()
    start_from(module, tmp_path / "run", CLASSES)
    assert torch.equal(module.model[2].weight[:2], other.model[2].weight[:2])
    assert torch.equal(module.model[2].weight[2:], fresh[2:])
