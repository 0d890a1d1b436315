"""`ser store list|clear`: the cache of decoded recordings and features."""

from ser.errors import UserError, did_you_mean
from ser.system.cache import cache_folder

HELP = """ser store list    the cached recordings and features, and where they are
ser store clear   remove them; later runs compute them again

The cache is in $SER_CACHE, or in the user's cache folder.
"""


def main(arguments: list[str]) -> int:
    """Runs `list` or `clear`."""
    if not arguments:
        print(HELP)
        return 0
    if arguments[0] not in ("list", "clear") or len(arguments) > 1:
        raise UserError(f"ser store {' '.join(arguments)}: {did_you_mean(arguments[0], ['list', 'clear'])}")
    cache = cache_folder()
    return _list(cache) if arguments[0] == "list" else _clear(cache)


def _list(cache) -> int:
    from rich.console import Console
    from rich.table import Table

    from ser.data.store.array_store import list_entries

    entries = list_entries(cache)
    table = Table(title=f"{cache}: {sum(entry.size for entry in entries) / 1e6:,.0f} MB", title_justify="left")
    for name in ("kind", "corpus", "recordings", "MB", "made", "settings"):
        table.add_column(name, justify="right" if name in ("recordings", "MB") else "left")
    for entry in entries:
        settings = ", ".join(f"{key}={value}" for key, value in entry.settings.items())
        table.add_row(
            entry.kind, entry.name, str(entry.recordings), f"{entry.size / 1e6:,.1f}", entry.created, settings
        )
    Console().print(table)
    return 0


def _clear(cache) -> int:
    from ser.data.store.array_store import clear_entries

    count, size, busy = clear_entries(cache)
    left = f" {busy} that a process writes just now {'is' if busy == 1 else 'are'} left." if busy else ""
    print(f"Removed {count} entries, {size / 1e6:,.0f} MB, from {cache}.{left}")
    return 0
