"""The cores and GPUs that this process may use."""

import os


def num_cores() -> int:
    """Cores that this process may use: of a cluster's node, those of the job."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """What `CUDA_VISIBLE_DEVICES` calls the GPUs that this process may use."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [name.strip() for name in named.split(",")] if named else [str(i) for i in range(count)]
    return names[:count]
