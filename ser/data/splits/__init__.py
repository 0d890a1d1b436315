"""The config group `split`: who is for training, validation and test. `base` says what a split is."""

from ser.data.splits.base import PARTS, Split, Splitter
from ser.data.splits.cross_corpus import CrossCorpusSplit, LeaveOneCorpusOut
from ser.data.splits.folds import KFold, LeaveOneSpeakerOut, SpeakerKFold
from ser.data.splits.listed import ListedSplit, OfficialFolds
from ser.data.splits.published import PublishedFolds
from ser.data.splits.random import RandomSplit
from ser.data.splits.speaker import SpeakerSplit
from ser.data.splits.statement import StatementSplit
from ser.data.splits.word import WordSplit

__all__ = [
    "PARTS",
    "CrossCorpusSplit",
    "KFold",
    "LeaveOneCorpusOut",
    "LeaveOneSpeakerOut",
    "ListedSplit",
    "OfficialFolds",
    "PublishedFolds",
    "RandomSplit",
    "SpeakerKFold",
    "SpeakerSplit",
    "Split",
    "Splitter",
    "StatementSplit",
    "WordSplit",
]
