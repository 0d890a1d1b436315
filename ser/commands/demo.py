"""`ser demo`: a page in the browser that answers recordings."""

from pathlib import Path

from ser.commands.arguments import Parser, add_device, add_trust, whole

HELP = """ser demo <run> [options]

  ser demo runs/NAME                    a page on http://127.0.0.1:7860, for this machine alone
  ser demo runs/NAME --port 8080        on another port

Upload a recording or record one: the page plays it and shows its emotion, the probabilities as bars, the emotions along
a long recording, and which part of the spectrogram decided it. Recordings of at most 50 MB and ten minutes, removed
as soon as they are answered. A run, an ensemble or a single checkpoint. Needs gradio: pip install 'ser[demo]'.
Ctrl-C ends it.

Options
  --port N             of 127.0.0.1 (default 7860)
  --share              a public address as well, through gradio's servers: whoever has it may use the page
  --device DEVICE      auto (default), cpu, gpu
  --trust PACKAGE      your own package with parts of the run; several with commas

Exit codes: 2 something you can fix, 130 Ctrl-C.
"""


def main(arguments: list[str]) -> int:
    """Serves the page; the exit code."""
    parser = Parser("ser demo")
    parser.add_argument("run", metavar="run")
    port = whole("a port: a whole number from 1 to 65535", high=65535)
    parser.add_argument("--port", type=port, default=7860, metavar="N")
    parser.add_argument("--share", action="store_true")
    add_device(parser)
    add_trust(parser)
    asked = parser.parse_args(arguments)
    from ser.inference.demo_server import check_installed, check_port

    check_installed()
    check_port(asked.port)
    from ser.inference.demo_page import run_demo

    run_demo(Path(asked.run).expanduser(), asked.port, asked.share, asked.device, asked.trust)
    return 0
