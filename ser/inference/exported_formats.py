"""The file formats of exported networks: how each is made, and how it is run again to check it. All in memory."""

import io
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import torch
from torch.export import Dim, ExportedProgram

from ser.errors import UserError, did_you_mean
from ser.inference.graph_speed import BLOCK
from ser.inference.whole_network import WholeNetwork

INPUT, OUTPUT = "waveform", "probabilities"
EXAMPLE = 5 * BLOCK + 17  # samples traced: what happens to be 0 or 1 for them would be fixed for all
METADATA = "metadata.json"  # the extra file of format torch
Run = Callable[[np.ndarray], np.ndarray]  # (B, T) → (B, K)


@dataclass(frozen=True, slots=True)
class Format:
    """A file format.

    Args:
        suffix: Of its files.
        packages: What has to be installed, beside torch, to make and check them.
        save: Program and metadata → the file's bytes.
        open: The file's bytes → what runs it.
    """

    suffix: str
    packages: tuple[str, ...]
    save: Callable[[ExportedProgram, Mapping[str, str]], bytes]
    open: Callable[[bytes], Run]


def format_called(name: str) -> Format:
    """The format `onnx` or `torch`, if what it needs is installed.

    Raises:
        UserError: There is no such format, or a package is missing.
    """
    if name not in FORMATS:
        raise UserError(f"There is no format '{name}'. {did_you_mean(name, list(FORMATS))}")
    if missing := [package for package in FORMATS[name].packages if find_spec(package) is None]:
        raise UserError(f"Exporting to {name} needs {' and '.join(missing)}: pip install 'ser[export]'")
    return FORMATS[name]


def program_of(network: WholeNetwork) -> ExportedProgram:
    """The network's operations, for any batch and any number of samples.

    Raises:
        UserError: It holds something that cannot be exported so.
    """
    recurrent = any(isinstance(layer, torch.nn.RNNBase) for layer in network.modules())
    if recurrent and any(member.audio.num_samples is None for member in network.members):
        raise UserError(
            "A recurrent layer (GRU) is exported for one length only, and this run's recordings keep their own: train "
            "with audio.duration_s to export it."
        )
    for part in network.modules():
        if why := getattr(part, "not_exported", ""):
            raise UserError(why)
    example = torch.linspace(-0.5, 0.5, 2 * EXAMPLE).view(2, -1)
    try:
        with torch.no_grad():
            network(example)  # a frozen pretrained model reads its weights at first use, which is not to be traced
            program = torch.export.export(network, (example,), dynamic_shapes=({0: Dim.DYNAMIC, 1: Dim.DYNAMIC},))
    except Exception as error:  # the exporter has no error of its own, and a user's part may hold anything
        raise _not_exported("torch.export", error) from error
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # lines of source code, with the names of this machine's folders
    return program


def _to_torch(program: ExportedProgram, metadata: Mapping[str, str]) -> bytes:
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={METADATA: json.dumps(dict(metadata), indent=2)})
    return file.getvalue()


def _open_torch(content: bytes) -> Run:
    module = torch.export.load(io.BytesIO(content)).module()

    def run(waveforms: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return module(torch.from_numpy(waveforms)).numpy()

    return run


def _to_onnx(program: ExportedProgram, metadata: Mapping[str, str]) -> bytes:
    import onnx

    try:
        with _quietly():
            made = torch.onnx.export(
                program, input_names=[INPUT], output_names=[OUTPUT], dynamo=True, external_data=False, verbose=False
            )
    except Exception as error:
        raise _not_exported("torch.onnx", error) from error
    model = made.model_proto
    for value, sizes in ((model.graph.input[0], ("batch", "samples")), (model.graph.output[0], ("batch",))):
        for dimension, name in zip(value.type.tensor_type.shape.dim, sizes, strict=False):
            dimension.dim_param = name
    for part in (*model.graph.node, *model.graph.value_info, *model.functions):
        part.ClearField("metadata_props")  # as in `program_of`
    onnx.helper.set_model_props(model, dict(metadata))
    model.doc_string = metadata.get("about", "")
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _open_onnx(content: bytes) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda waveforms: session.run(None, {INPUT: waveforms})[0]


def _not_exported(what: str, error: Exception) -> UserError:
    first = str(error).strip().splitlines()[0] if str(error).strip() else ""
    return UserError(f"This network cannot be exported: {what} fails with {type(error).__name__} ({first[:300]}).")


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the exporter's remarks on packages that nothing here needs."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


FORMATS = {
    "onnx": Format(".onnx", ("onnx", "onnxscript", "onnxruntime"), _to_onnx, _open_onnx),
    "torch": Format(".pt2", (), _to_torch, _open_torch),
}
