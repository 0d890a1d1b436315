"""Utterances without recordings, for tests of what only looks at what is known of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from ser.data.corpora.ravdess import Ravdess
from ser.data.splits import PARTS, Split
from ser.data.utterance import Utterance
from tests.tiny_corpora import real_corpus

QUICK = settings(max_examples=100)
seeds = st.integers(0, 2**32)
EMOTIONS = ("angry", "happy", "neutral", "sad")
RAVDESS_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")


def utterance(i, emotion="happy", speaker=None, gender=None, corpus="made_up", **known):
    return Utterance(Path(f"/{i}.wav"), f"{i}.wav", emotion, corpus, speaker=speaker, gender=gender, **known)


def ravdess_like(speakers=24, takes=2):
    """Every speaker says both statements: 8 emotions × `takes`, of neutral half."""
    found = []
    for speaker in range(1, speakers + 1):
        gender = "male" if speaker % 2 else "female"
        for emotion in RAVDESS_EMOTIONS:
            for take in range(takes // 2 if emotion == "neutral" else takes):
                statement = ("kids", "dogs")[(take + speaker) % 2]
                found.append(
                    utterance(len(found), emotion, f"ravdess_{speaker:02}", gender, "ravdess", statement=statement)
                )
    return found


def tess_like(words=10, start=10_000):
    """Two women say each word in four emotions."""
    return [
        utterance(
            start + 100 * k + 10 * e + s, emotion, f"tess_{name}", "female", "tess", word=f"w{k}", statement=f"say w{k}"
        )
        for k in range(words)
        for e, emotion in enumerate(EMOTIONS)
        for s, name in enumerate(("oaf", "yaf"))
    ]


@st.composite
def corpora(draw, least=8, most=150, groups=True):
    """Utterances of uneven emotions, speakers, words and statements; some are copies of others."""
    rng = np.random.default_rng(draw(seeds))
    count, speakers = draw(st.integers(least, most)), draw(st.integers(1, 12))
    weights = rng.dirichlet(np.ones(len(EMOTIONS)))
    found = []
    for i in range(count):
        speaker = int(rng.integers(speakers))
        content = f"c{rng.integers(0, 2 * count)}" if groups else f"c{i}"
        emotion = str(rng.choice(EMOTIONS, p=weights))
        gender = ("female", "male")[speaker % 2]
        texts = {"word": f"w{rng.integers(7)}", "statement": f"t{rng.integers(4)}"}
        found.append(utterance(i, emotion, f"s{speaker}", gender, content=content, **texts))
    return found


def check_parts(split: Split, utterances, val_is_empty=False):
    """Disjoint, complete, ascending, none empty."""
    parts = split.parts()
    assert list(parts) == list(PARTS)
    assert sorted(sum(parts.values(), [])) == list(range(len(utterances)))
    assert all(indices == sorted(indices) for indices in parts.values())
    assert all(type(i) is int for indices in parts.values() for i in indices)
    assert all(indices or (part == "val" and val_is_empty) for part, indices in parts.items())


def of_parts(split: Split, utterances, field):
    """The values of a field in train, val and test."""
    return [{getattr(utterances[i], field) for i in indices} for indices in split.parts().values()]


def in_two_parts(split: Split, utterances, field="content"):
    """The values of a field that occur in two parts."""
    train, val, test = of_parts(split, utterances, field)
    return (train & val) | (train & test) | (val & test)


def real_ravdess():
    """The 1440 real names; the one identical pair is known by its content, as after decoding."""
    pair = ("03-01-03-01-02-01-07", "03-01-03-01-02-02-07")
    found = Ravdess(str(real_corpus("ravdess"))).scan().utterances
    return [replace(u, content="pair" if u.path.stem in pair else u.key) for u in found]
