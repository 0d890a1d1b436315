"""Your own recordings, described by their folders and names."""

import re
from typing import Any

from ser.data.corpora.audio_files import AUDIO_SUFFIXES, find_audio
from ser.data.corpora.corpus import Corpus, Scan, skipped_note
from ser.data.emotions import canonical, canonical_gender, one_form
from ser.data.utterance import Utterance
from ser.errors import UserError, did_you_mean

FIELDS = ("emotion", "speaker", "gender", "intensity", "statement", "word", "repetition")
IGNORED = "_"

# What a pattern is made of, the longest first. Anything else stands for itself.
_TOKEN = re.compile(r"\{(?P<field>[^{}]*)\}|(?P<folders>\*\*/)|(?P<deep>\*\*)|(?P<any>\*)|(?P<one>\?)|(?P<brace>[{}])")
_GLOBS = {"folders": "(?:.*/)?", "deep": ".*", "any": "[^/]*", "one": "[^/]"}
_SUFFIX = f"(?:{'|'.join(re.escape(suffix) for suffix in sorted(AUDIO_SUFFIXES))})"


class Folder(Corpus):
    """A folder of your own recordings whose paths say who speaks with which emotion.

    The pattern is compared with each file's path relative to `root`, upper and lower case alike:

    - `{emotion}`, `{speaker}`, `{gender}`, `{intensity}`, `{statement}`, `{word}` and `{repetition}` (digits) read a
      field, `{_}` reads something to ignore; none of them goes past a `/`. A field written twice must read the same
      twice.
    - `*` is anything within a name, `?` one character of it, `**/` any number of folders.
    - A pattern that does not name the file's ending (`.wav`) takes every audio format.
    - Where several readings are possible, fields to the left take as little as they can: with
      `{speaker}_{word}_{emotion}`, `ann_dog_pleasant_surprise.wav` is the word `dog`, pleasantly surprised.

    Examples: `{emotion}/*`, `{speaker}/{emotion}/*`, `{speaker}_{word}_{emotion}.wav`, `**/{gender}_{_}_{emotion}`.

    Emotions get their canonical names (`anger` is `angry`); words that `ser.data.emotions` does not know stay (and
    can be renamed: `dataset.merge={w: angry}`). A recording is known by its relative path, so that equal names in two
    folders are two recordings. Speakers are prefixed `folder_`, and None if the pattern does not read them. Without
    `{statement}`, the `{word}` is the statement.

    Args:
        root: The folder: absolute, relative to the working folder, or starting with `~`.
        pattern: See above.

    Raises:
        UserError: The pattern lacks `{emotion}` or has an unknown field.
    """

    name = "folder"
    layout = "audio files whose paths the pattern describes."
    source = "these are your own recordings."

    def __init__(self, root: str, pattern: str):
        super().__init__(root)
        self.pattern = pattern
        self._regex = compile_pattern(pattern)

    def _how_to_get(self) -> str:
        return f"Set {self.setting}=<the folder with your recordings>."

    def _read(self) -> Scan:
        utterances, strangers = [], []
        for path in find_audio(self.root):
            key = self.key_of(path)
            match = self._regex.fullmatch(key)
            emotion = canonical(match["emotion"]) if match else ""
            if match and emotion:
                fields = match.groupdict()
                utterances.append(Utterance(path, key, emotion, self.name, **own_fields(self.name, fields)))
            else:
                strangers.append(key)
        if not utterances:
            raise UserError(self._nothing(strangers))
        notes = (skipped_note(strangers, "the pattern does not match"),) if strangers else ()
        return Scan(tuple(sorted(utterances, key=lambda utterance: utterance.key)), notes)

    def _nothing(self, strangers: list[str]) -> str:
        if not strangers:
            return f"No audio files ({', '.join(sorted(AUDIO_SUFFIXES))}) under {self.root}. {self._how_to_get()}"
        examples = " and ".join(strangers[: 1 if len(strangers) == 1 else 2])
        return (
            f"dataset.pattern='{self.pattern}' matches none of the {len(strangers)} audio files under {self.root}, "
            f"for example {examples}: write the pattern for such paths, e.g. {{emotion}}/* or {{speaker}}_{{emotion}}."
        )


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """The regular expression of a pattern (`Folder`).

    >>> compile_pattern("{speaker}/{emotion}_*").fullmatch("ann/joy_3.flac").groupdict()
    {'speaker': 'ann', 'emotion': 'joy'}

    Raises:
        UserError: The pattern lacks `{emotion}`, has an unknown field or an unpaired brace.
    """
    text = str(pattern).strip().removeprefix("./")
    text = f"{text}*" if text.endswith("/") else text
    seen: set[str] = set()
    regex, end = "", 0
    for token in _TOKEN.finditer(text):
        regex += re.escape(text[end : token.start()]) + _token_regex(token, seen, pattern)
        end = token.end()
    regex += re.escape(text[end:])
    if "emotion" not in seen:
        raise UserError(f"dataset.pattern='{pattern}' has no {{emotion}}: write it where the path names the emotion.")
    if not re.search(_SUFFIX + "$", text, re.IGNORECASE):
        regex += f"{_SUFFIX}?"
    return re.compile(regex, re.IGNORECASE | re.DOTALL)


def _token_regex(token: re.Match[str], seen: set[str], pattern: str) -> str:
    if token["brace"]:
        raise UserError(f"dataset.pattern='{pattern}' has an unpaired brace; fields are written {{emotion}}.")
    name = token["field"]
    if name is None:
        return _GLOBS[token.lastgroup]
    if name == IGNORED:
        return "[^/]+?"
    if name not in FIELDS:
        raise UserError(
            f"dataset.pattern='{pattern}' has the unknown field {{{name}}}. {did_you_mean(name, list(FIELDS))} "
            f"Fields: {', '.join(FIELDS)}, and {IGNORED} for what is to be ignored."
        )
    if name in seen:
        return f"(?P={name})"
    seen.add(name)
    return rf"(?P<{name}>[0-9]+)" if name == "repetition" else f"(?P<{name}>[^/]+?)"


def own_fields(corpus: str, words: dict[str, str | None]) -> dict[str, Any]:
    """Fields of `Utterance` beside the emotion, from a path or a row; empty ones are None.

    Args:
        corpus: Name of the corpus, the prefix of its speakers.
        words: Field (see `FIELDS`) → what the path or the row says. `repetition` is digits or empty.
    """
    words = {field: (word or "").strip() for field, word in words.items()}
    speaker, repetition = words.get("speaker"), words.get("repetition")
    word = words.get("word", "").lower() or None
    return {
        "speaker": f"{corpus}_{speaker}" if speaker else None,
        "gender": canonical_gender(words.get("gender", "")),
        "intensity": one_form(words.get("intensity", "")) or None,
        "statement": words.get("statement", "").lower() or word,
        "word": word,
        "repetition": int(repetition) if repetition else None,
    }
