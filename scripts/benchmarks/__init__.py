"""Benchmarks, a module each: what the framework costs against what it replaces."""

BENCHMARKS = {
    "features": "feature sets of published systems, one thread, against librosa",
    "store": "decoding a corpus into the store, against librosa; and the second start",
    "loop": "an epoch through `ser train`, against a bare PyTorch loop, and against Keras",
    "startup": "from the start of `ser train` to its first step, against its imports",
    "memory": "the largest memory of a run, and of one on 100,000 files",
    "gpu": "cnn2d on a GPU: seconds, share of time computing, 48 runs at once",
}
