"""Covering arrays: few rows in which every pair of choices of any two groups occurs together."""

from collections import Counter
from itertools import combinations, product


def pairwise_rows(
    groups: dict[str, list[str]], forbidden=lambda row: False, related=lambda pair: True
) -> list[dict[str, str]]:
    """Rows that hold each allowed pair at least once, built greedily, one row a time.

    Args:
        groups: Group → choices.
        forbidden: Tells whether a partial row holds a pair that cannot be.
        related: Tells whether two choices, each of its group, have to do with each other: others are not looked for.
    """
    wanted = {
        ((a, x), (b, y))
        for a, b in combinations(groups, 2)
        for x, y in product(groups[a], groups[b])
        if related({a: x, b: y}) and not forbidden({a: x, b: y})
    }
    rows = []
    while wanted:
        left = Counter(choice for pair in wanted for choice in pair)
        (a, x), (b, y) = max(sorted(wanted), key=lambda pair: left[pair[0]] + left[pair[1]])
        row = {a: x, b: y}
        for group, choices in groups.items():
            if group not in row:
                allowed = [choice for choice in choices if not forbidden({**row, group: choice})]
                row[group] = max(allowed, key=lambda choice: (_news(wanted, row, group, choice), left[group, choice]))
        row = {group: row[group] for group in groups}
        wanted -= set(combinations(row.items(), 2))
        rows.append(row)
    return rows


def _news(wanted: set, row: dict[str, str], group: str, choice: str) -> int:
    """How many wanted pairs the choice adds to the row."""
    pair = (group, choice)
    return sum((other, pair) in wanted or (pair, other) in wanted for other in row.items())
