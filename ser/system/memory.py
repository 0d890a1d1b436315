"""How the C library and torch treat memory that is freed and soon allocated again."""

import numpy as np

NO_MEMORY = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")  # in errors
LARGE = 30_000_000  # bytes, below the 32 MB up to which glibc learns
SHORT = 1 / 8  # of a GPU's memory: where less is free, torch gives back what it keeps


def keep_freed_memory() -> None:
    """Has glibc keep blocks of up to 30 MB instead of giving them back to the system.

    By itself it returns blocks above 128 kB, and the page faults of asking for them again cost as much as decoding or
    transforming a recording, and tens of milliseconds in a training step. It learns from the largest block that was
    freed (the dynamic threshold of `man mallopt`); other C libraries ignore this.
    """
    np.empty(LARGE, dtype=np.uint8)


def keep_freed_gpu_memory() -> None:
    """Has `torch.cuda.empty_cache` give memory back only where less than an eighth of the GPU's is free.

    Lightning calls it around each training, validation and test. Giving back waits for all that the GPU has been asked
    to compute: nothing in a process of one run, and the steps of all others where several share it.
    """
    import torch

    give_back = torch.cuda.empty_cache

    def give_back_where_short() -> None:
        if torch.cuda.is_initialized():
            free, total = torch.cuda.mem_get_info()
            if free < SHORT * total:
                give_back()

    torch.cuda.empty_cache = give_back_where_short


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether a GPU had no memory left: for torch itself, or for cuBLAS or cuDNN where torch has all of it."""
    import torch

    named = isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)
    return named or isinstance(error, torch.OutOfMemoryError)
