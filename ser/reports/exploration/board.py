"""A corpus in TensorBoard: its pictures, and its examples with picture and sound."""

import struct
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import torch
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from ser.reports.exploration.explore import Exploration
from ser.reports.figures import Picture

SUFFIX = ".explore"  # marks our event files


def write_board(folder: Path, exploration: Exploration, pictures: Sequence[Picture]) -> None:
    """Writes an event file, and removes the one of an earlier exploration.

    Args:
        folder: TensorBoard's log directory.
        exploration: For the sounds.
        pictures: Of the corpus.
    """
    earlier = list(folder.glob(f"events.out.tfevents.*{SUFFIX}"))
    with closing(SummaryWriter(str(folder), filename_suffix=SUFFIX)) as writer:
        for picture in pictures:
            writer.file_writer.add_summary(_image(picture), 0)
        for example in exploration.examples:
            sound = torch.from_numpy(example.waveform).clamp(-1, 1)[None]  # (1, T); else the writer prints a warning
            writer.add_audio(f"examples/{example.name}", sound, 0, sample_rate=exploration.audio.sample_rate)
    for file in earlier:
        file.unlink(missing_ok=True)


def _image(picture: Picture) -> Summary:
    """The PNG unchanged: `add_image` would decode and encode it again."""
    width, height = struct.unpack(">II", picture.png[16:24])
    image = Summary.Image(height=height, width=width, colorspace=4, encoded_image_string=picture.png)
    return Summary(value=[Summary.Value(tag=f"corpus/{picture.name}", image=image)])
