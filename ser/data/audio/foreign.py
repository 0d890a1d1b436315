"""Names files that libsndfile does not decode, and files that are not audio, by their first bytes."""

import re

CONVERT = "convert it, e.g. ffmpeg -i FILE FILE.wav"
UNPACK = "unpack it first"
AGAIN = "download it again"

AUDIO = (b"RIFF", b"FORM", b"fLaC", b"OggS")  # their beginning is no text, however short it was cut

# first bytes, from which byte on, what it is, what to do
KINDS = (
    (b"version https://git-lfs", 0, "Git LFS pointer in place of the recording", "fetch it with git lfs pull"),
    (b"ftyp", 4, "MPEG-4 file (M4A, MP4, 3GP)", CONVERT),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", 0, "Windows Media file (WMA, ASF)", CONVERT),
    (b"#!AMR", 0, "AMR file", CONVERT),
    (b"#!SILK", 0, "SILK file", CONVERT),
    (b"\x02#!SILK", 0, "SILK file", CONVERT),
    (b"\x1aE\xdf\xa3", 0, "Matroska or WebM file", CONVERT),
    (b"ADIF", 0, "AAC file", CONVERT),
    (b"Speex   ", 28, "Speex file", CONVERT),
    (b"FLV\x01", 0, "Flash video", CONVERT),
    (b"AVI ", 8, "AVI video", CONVERT),
    (b".RMF", 0, "RealMedia file", CONVERT),
    (b"wvpk", 0, "WavPack file", CONVERT),
    (b"MAC ", 0, "Monkey's Audio file", CONVERT),
    (b"TTA1", 0, "True Audio file", CONVERT),
    (b"MP+", 0, "Musepack file", CONVERT),
    (b"MPCK", 0, "Musepack file", CONVERT),
    (b"DSD ", 0, "DSD file", CONVERT),
    (b"FRM8", 0, "DSD file", CONVERT),
    (b"ajkg", 0, "file compressed with shorten", CONVERT),
    (b"MThd", 0, "MIDI file, which holds notes and no sound", "record or render it"),
    (b"PK\x03\x04", 0, "ZIP archive", UNPACK),
    (b"\x1f\x8b", 0, "gzip archive", UNPACK),
    (b"BZh", 0, "bzip2 archive", UNPACK),
    (b"\xfd7zXZ\x00", 0, "xz archive", UNPACK),
    (b"\x28\xb5\x2f\xfd", 0, "Zstandard archive", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", 0, "7z archive", UNPACK),
    (b"Rar!", 0, "RAR archive", UNPACK),
    (b"ustar", 257, "tar archive", UNPACK),
    (b"\x00\x05\x16\x07", 0, "macOS resource file (AppleDouble) beside the recording", "remove it"),
    (b"%PDF", 0, "PDF document", AGAIN),
    (b"\x89PNG", 0, "picture (PNG)", AGAIN),
    (b"\xff\xd8\xff", 0, "picture (JPEG)", AGAIN),
    (b"GIF8", 0, "picture (GIF)", AGAIN),
    (b"\x93NUMPY", 0, "NumPy array", "write it as WAV, e.g. with soundfile.write"),
    (b"\x89HDF", 0, "HDF5 file", "write its recordings as WAV, e.g. with soundfile.write"),
)


def what_it_is(head: bytes) -> str | None:
    """What a file is and what to do about it; None if unknown.

    Args:
        head: Its first bytes, a few hundred at least where there are so many.

    >>> what_it_is(b"%PDF-1.7 ...")
    'PDF document: download it again'
    """
    for mark, start, what, remedy in KINDS:
        if head[start:].startswith(mark):
            return f"{what}: {remedy}"
    if head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0:
        return f"AAC file (ADTS): {CONVERT}"
    if head.startswith(b"NIST_1A") and b"shorten" in head:
        return "NIST SPHERE file compressed with shorten: unpack it, e.g. sph2pipe -f wav FILE FILE.wav"
    if not head.strip(b"\x00"):
        return f"zero bytes only, as a download that never ended leaves them: {AGAIN}"
    if b"/annex/objects/" in head[:500]:
        return "git-annex pointer in place of the recording: fetch it with git annex get"
    return _text(head)


def _text(head: bytes) -> str | None:
    """What kind of text it is, and how it begins: where a download failed, that is the server's answer."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = head.decode("utf-16", errors="ignore")
    elif head[:4] in AUDIO or re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head):
        return None
    else:
        text = head.decode("utf-8-sig", errors="replace")
    start = text.lstrip().lower()
    page = start.startswith(("<!doctype html", "<html", "<head", "<body")) or (start[:1] == "<" and "<html" in start)
    what = "HTML page" if page else "XML" if start[:1] == "<" else "JSON" if start[:1] in "{[" else "text"
    title = re.search(r"<title[^>]*>(.+?)</title", text, re.IGNORECASE | re.DOTALL) if page else None
    words = " ".join("".join(c if c.isprintable() else " " for c in (title[1] if title else text)).split())
    return f"{what} in place of the recording: '{words[:60]}{'…' * (len(words) > 60)}'; {AGAIN}"
