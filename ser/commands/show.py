"""`ser show [group]`: the choices of each config group, with the first comment line of each file."""

import sys
from pathlib import Path

from ser.errors import UserError, did_you_mean
from ser.system.config_folder import config_folder

HELP = """ser show [group]: lists the choices of each config group, or of one

  ser show          all groups
  ser show model    one
"""


def main(arguments: list[str]) -> int:
    """Prints the groups."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(HELP)
        return 0
    groups = config_groups()
    for group in arguments:
        if group not in groups:
            raise UserError(f"There is no config group '{group}'. {did_you_mean(group, sorted(groups))}")
    sys.stdout.write("\n".join(describe(group, groups[group]) for group in arguments or sorted(groups)))
    return 0


def config_groups() -> dict[str, list[Path]]:
    """Group → its files, sorted."""
    folders = [folder for folder in config_folder().iterdir() if folder.is_dir()]
    groups = {folder.name: sorted(folder.glob("*.yaml")) for folder in folders}
    return {name: files for name, files in groups.items() if files}


def describe(group: str, files: list[Path]) -> str:
    """The group's name, then a line a choice."""
    width = max(len(file.stem) for file in files)
    return "\n".join([group, *(f"  {file.stem:<{width}}  {first_comment(file)}" for file in files), ""])


def settings(name: str) -> str:
    """The settings of a command with their comments: what stands in its file between the defaults and Hydra's node."""
    text = (config_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    body = text.partition("\n\n")[2].partition("\nhydra:")[0]
    return "\n".join(f"  {line}" for line in body.splitlines() if line.strip())


def first_comment(file: Path) -> str:
    """What a config file says of itself in its first line; where Hydra wants `@package` there, the second."""
    with file.open(encoding="utf-8") as lines:
        comments = (line.lstrip("# ").strip() for line in lines)
        return next((comment for comment in comments if not comment.startswith("@package")), "")
