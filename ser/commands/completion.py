"""Completion in bash: `eval "$(ser -sc install=bash)"`, then Tab completes subcommands and overrides.

Hydra completes overrides; it does not know subcommands, so the subcommand is removed from its line.
"""

import importlib
import os

from ser.errors import UserError

# and whose config they compose
HYDRA_COMMANDS = {"crossval": "train", "evaluate": "evaluate", "explore": "explore", "train": "train", "tune": "tune"}

SCRIPT = r"""_ser_completion()
{
    local line="${COMP_LINE:0:$COMP_POINT}" word choices
    word="${line##* }"
    choices="$(COMP_LINE="$line" "${COMP_WORDS[0]}" -sc query=bash 2>/dev/null)"
    COMPREPLY=($(compgen -W "$choices" -- "$word"))
    # bash replaces only what follows the last '=' of the word, unless the user took '=' out of the word breaks
    if [[ "$word" == *=* && "$COMP_WORDBREAKS" == *=* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%"${word##*=}"}"}")
    fi
}
complete -o nospace -o default -F _ser_completion ser
"""


def complete(arguments: list[str]) -> int:
    """Answers `-sc install=bash`, `uninstall=bash` and `query=bash`."""
    if arguments == ["install=bash"]:
        print(SCRIPT, end="")
    elif arguments == ["uninstall=bash"]:
        print("complete -r ser; unset -f _ser_completion")
    elif arguments == ["query=bash"]:
        _query(os.environ.get("COMP_LINE", ""))
    else:
        raise UserError("Completion is available for bash: ser -sc install=bash.")
    return 0


def _query(line: str) -> None:
    from ser.commands import COMMANDS

    words = line.split()
    current = "" if line.endswith(" ") or not words else words[-1]
    before = words[1:] if not current else words[1:-1]
    if not before:
        print("\n".join(name for name in COMMANDS if name.startswith(current)))
    elif before[0] in HYDRA_COMMANDS:
        os.environ["COMP_LINE"] = " ".join(["ser", *before[1:], current])
        importlib.import_module(f"ser.commands.{HYDRA_COMMANDS[before[0]]}").main(["-sc", "query=bash"])
    elif before[0] == "show":
        from ser.commands.show import config_groups

        print("\n".join(sorted(config_groups())))
    elif before[0] == "store":
        print("list\nclear")
    elif before[0] == "download":
        print("ravdess\ntess\n--root\n--song\n--yes")
