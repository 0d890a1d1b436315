"""`transformers` and the hub of Hugging Face: asked only where a config says so."""

from functools import cache
from pathlib import Path
from types import ModuleType

from ser.errors import UserError
from ser.frontends.checkpoint import find_checkpoint

FILES = ("*.json", "*.safetensors", "*.txt")  # settings and weights: no code, nothing pickled
INSTALL = "pip install 'ser[pretrained]'"


def transformers_library() -> ModuleType:
    """The library, with its messages about loading turned off.

    Raises:
        UserError: It is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise UserError(f"frontend=transformers needs the package of this name: {INSTALL}.") from error
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def find_or_fetch(named: str | None, where: str, online: bool) -> Path:
    """The folder of a checkpoint: on this machine, in the hub's cache, or with `online` from the hub.

    Args:
        named: A folder, or a name on the hub, `owner/model` or `owner/model@revision`.
        where: The setting.
        online: Whether the network may be used.

    Raises:
        UserError: It is not found; without `online` the message says how to fetch it.
    """
    try:
        return find_checkpoint(named, where)
    except UserError as missing:
        name, _, revision = str(named or "").partition("@")
        if name.count("/") != 1 or name.startswith((".", "/", "~")):
            raise
        found = _from_hub(name, revision or None, online, where)
        if found is None:
            raise UserError(f"{missing} From the hub it is fetched where frontend.online=true allows it.") from None
        return found


@cache  # asked several times in a run, and the hub's answer may change in between
def _from_hub(name: str, revision: str | None, online: bool, where: str) -> Path | None:
    """The hub's folder of a model; None where it is not on this machine, and the network may not be used."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise UserError(f"A name on the hub needs huggingface_hub: {INSTALL}.") from error
    try:
        wanted = {"revision": revision, "allow_patterns": list(FILES), "local_files_only": not online}
        return Path(huggingface_hub.snapshot_download(name, **wanted))
    except Exception as error:  # no network, no such model, a proxy: the library has an error for each
        if not online:
            return None
        first = str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__
        raise UserError(f"{where}={name} cannot be fetched from the hub ({first}).") from error
