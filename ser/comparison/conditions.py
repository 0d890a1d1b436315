"""Conditions typed on the command line, such as `model=cnn2d and optimizer.lr<1e-3`, evaluated without running code.

Python's parser only orders the operators: every word, number and text is replaced by a placeholder before parsing, and
of the syntax tree only comparisons, `and`, `or`, `not`, minus signs and lists are accepted. So nothing that is typed
can be called, imported, looked up as an attribute or assigned.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from ser.errors import UserError, some

LONGEST = 2000  # characters: the parser's stack is limited
EXAMPLE = 'write it like "model=cnn2d and optimizer.lr<1e-3"'
CONSTANTS = {"null": None, "none": None, "None": None, "true": True, "True": True, "false": False, "False": False}
OPERATORS = ("and", "or", "not", "in")
TOKEN = re.compile(
    r"""(?P<blank>\s+)
      | (?P<text>'[^'\\]*' | "[^"\\]*")
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?!\w))
      | (?P<word>[^\W\d]\w*(?:[./@]\w+)*)
      | (?P<sign>[<>=!]=|[<>=()\[\],-])""",
    re.VERBOSE,
)
ORDERS = {ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge}
SIGNS = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}

Test = Callable[[Mapping[str, Any]], Any]


class Condition:
    """A condition over dotted keys.

    A single `=` means `==`. A word with a dot or a slash is a key (`optimizer.lr`, `test/uar`), and so is a word on the
    left of a comparison, or one in `values`; any other word is a text: `model=cnn2d` needs no quotes. `null`,
    `none`, `true` and `false` are what they are in YAML. A missing key is null; null is neither less nor
    greater than anything, a number never equals a text, nor a truth value a number.

    Args:
        text: What was typed.
        where: How it was typed, for messages: `--where`, `sweep.skip`.

    Raises:
        UserError: It is not a condition.

    >>> Condition("model=cnn2d and optimizer.lr<1e-3", "--where").holds({"model": "cnn2d", "optimizer.lr": 5e-4})
    True
    >>> Condition("model in [mlp, cnn1d] or 0.2 <= model.dropout < 0.5", "--where").holds({"model.dropout": 0.5})
    False
    """

    def __init__(self, text: str, where: str):
        self.text, self.where = text, where
        self._atoms: dict[str, tuple[str, Any]] = {}
        self._keys: set[str] = set()
        try:
            tree = ast.parse(self._without_words(text).strip(), mode="eval")
            self._test = self._truth(tree.body)
        except (SyntaxError, RecursionError, MemoryError):
            raise self._error(f"this is not a condition; {EXAMPLE}") from None

    @property
    def keys(self) -> frozenset[str]:
        """The words that can only be keys: dotted, on the left of a comparison, or standing alone."""
        return frozenset(self._keys)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether it is true of one run.

        Args:
            values: Flat dotted keys, with the group names (`model`) and, where asked for, metrics (`test/uar`).

        Raises:
            UserError: A number is compared with a text, or `in` is applied to a value that holds nothing.
        """
        return bool(self._test(values))

    def check_known(self, known: Iterable[str]) -> None:
        """Checks that every key is one that some run has.

        Raises:
            UserError: Names the unknown key, and the nearest.
        """
        known = sorted(set(known))
        for key in sorted(self._keys - set(known)):
            close = get_close_matches(key, known, n=1, cutoff=0.6)
            siblings = [name for name in known if re.split(r"[./]", name)[0] == re.split(r"[./]", key)[0]]
            hint = f"Choose from: {some(siblings or [name for name in known if '.' not in name])}."
            hint = f"Did you mean '{close[0]}'?" if close else hint
            raise self._error(f"no run has the key '{key}'. {hint} Texts with a dot or a slash need quotes")

    def _error(self, what: str) -> UserError:
        shown = self.text if len(self.text) <= 100 else f"{self.text[:100]}…"
        return UserError(f"{self.where} “{shown}”: {what}.")

    def _without_words(self, text: str) -> str:
        """The text with a placeholder for each word, number and quoted text, and `==` for `=`."""
        if len(text) > LONGEST:
            raise self._error(f"more than {LONGEST} characters")
        parts, at = [], 0
        while at < len(text):
            if (token := TOKEN.match(text, at)) is None:
                raise self._error(f"it cannot be read from “{text[at : at + 20]}” on; {EXAMPLE}")
            parts.append(self._placeholder(token.lastgroup, token.group()))
            at = token.end()
        return "".join(parts)

    def _placeholder(self, kind: str, token: str) -> str:
        if kind == "blank":
            return " "
        if kind == "sign":
            return "==" if token == "=" else token
        if token in OPERATORS:
            return f" {token} "
        if kind == "word":
            atom = ("constant", CONSTANTS[token]) if token in CONSTANTS else ("word", token)
        else:
            atom = ("constant", token[1:-1] if kind == "text" else _number(token))
        name = f"_{len(self._atoms)}"
        self._atoms[name] = atom
        return f" {name} "

    def _truth(self, node: ast.AST) -> Test:
        if isinstance(node, ast.List | ast.Tuple):
            raise self._error(f"a list is neither true nor false; {EXAMPLE}")
        return self._built(node)

    def _built(self, node: ast.AST, is_key: bool = True) -> Test:
        """A function for a node of the tree.

        Args:
            node: An accepted one.
            is_key: Whether a word can only be a key at the node's place.
        """
        if isinstance(node, ast.Name):
            return self._atom(*self._atoms[node.id], is_key)
        if isinstance(node, ast.BoolOp):
            return self._chosen(any if isinstance(node.op, ast.Or) else all, [self._truth(it) for it in node.values])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            inner = self._truth(node.operand)
            return lambda values: not inner(values)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return self._minus(self._built(node.operand))
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, ast.List | ast.Tuple):
            members = [self._built(member, is_key=False) for member in node.elts]
            return lambda values: [member(values) for member in members]
        raise self._error(f"only comparisons joined by and, or, not are understood; {EXAMPLE}")

    def _chosen(self, together: Callable, parts: list[Test]) -> Test:
        return lambda values: together(part(values) for part in parts)

    def _minus(self, inner: Test) -> Test:
        def negative(values: Mapping[str, Any]) -> Any:
            if not is_number(value := inner(values)):
                raise self._error(f"a minus sign before {_shown(value)}")
            return -value

        return negative

    def _atom(self, kind: str, value: Any, is_key: bool) -> Test:
        if kind == "constant":
            return lambda values: value
        if is_key or re.search("[./@]", value):
            self._keys.add(value)
            return lambda values: values.get(value)
        return lambda values: values.get(value, value)

    def _comparison(self, node: ast.Compare) -> Test:
        sides = [node.left, *node.comparators]
        # a word is a key on the left, and to the right of a constant: 0 < seed < 3
        tests = [self._built(side, i == 0 or self._is_constant(sides[i - 1])) for i, side in enumerate(sides)]
        steps = list(zip(node.ops, tests, tests[1:], strict=False))
        return lambda values: all(self._compared(sign, left(values), right(values)) for sign, left, right in steps)

    def _is_constant(self, node: ast.AST) -> bool:
        if isinstance(node, ast.UnaryOp):
            return self._is_constant(node.operand)
        return isinstance(node, ast.Name) and self._atoms[node.id][0] == "constant"

    def _compared(self, sign: ast.cmpop, left: Any, right: Any) -> bool:
        if isinstance(sign, ast.Eq | ast.NotEq):
            return _equal(left, right) == isinstance(sign, ast.Eq)
        if isinstance(sign, ast.In | ast.NotIn):
            return self._within(left, right) == isinstance(sign, ast.In)
        if left is None or right is None:
            return False
        if not (is_number(left) and is_number(right)) and not (isinstance(left, str) and isinstance(right, str)):
            raise self._error(f"{_shown(left)} {SIGNS[type(sign)]} {_shown(right)} cannot be compared")
        return ORDERS[type(sign)](left, right)

    def _within(self, member: Any, whole: Any) -> bool:
        if isinstance(whole, list | tuple):
            return any(_equal(member, other) for other in whole)
        if isinstance(whole, str) and isinstance(member, str):
            return member in whole
        if whole is None or isinstance(whole, str):
            return False
        raise self._error(f"nothing is in {_shown(whole)}: 'in' needs a list in [ ] or a key that holds one")


def _number(token: str) -> int | float:
    return int(token) if token.isdecimal() else float(token)


def is_number(value: Any) -> bool:
    """Whether it is a number; booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_equal, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and left == right


def _shown(value: Any) -> str:
    words = {int: "the number", float: "the number", str: "the text", bool: "the truth value", list: "the list"}
    return f"{words.get(type(value), '')} {value!r}".strip()
