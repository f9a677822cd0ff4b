"""Gambit's strategic form, `.nfg`: numbers only, exact.

Two variants exist, told apart by what follows the strategies. In the *payoff* format come the
payoffs of all players for each strategy combination, player 1's strategy varying fastest; in the
*outcome* format come named outcomes with their payoffs, then the outcome's number for each
combination, 0 for none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from resolvent.games.iterated import IteratedGame
from resolvent.games.normal_form import NormalForm
from resolvent.games.rational import exact
from resolvent.games.stochastic import StochasticGame

_TOKEN = re.compile(
    r'\s*(?:"(?P<text>(?:\\"|\\(?!")|[^"\\])*)"|(?P<mark>[{}])|(?P<word>[^\s{}",]+)|,|$)', re.S
)


def parse(text: str) -> NormalForm:
    """Read a game in Gambit's `.nfg` format, in either variant."""
    return _Reader(text).game()


def unparse(game: NormalForm | IteratedGame | StochasticGame) -> str:
    """Write a game in Gambit's `.nfg` format, as payoffs, with exact rational numbers."""
    if isinstance(game, IteratedGame):
        raise ValueError("a .nfg file cannot hold a discount; write the stage game, or use .toml")
    if isinstance(game, StochasticGame):
        raise ValueError("a .nfg file cannot hold a stochastic game; use .toml")
    if game.symbols:
        names = ", ".join(symbol.name for symbol in game.symbols)
        raise ValueError(
            f"a .nfg file cannot hold the symbols {names}; substitute them, or use .toml"
        )
    strategies = "\n".join(_names(names) for names in game.actions)
    payoffs = "\n".join(
        " ".join(map(str, game.payoff(joint))) for joint in _gambit_order(game.num_actions)
    )
    header = f"NFG 1 R {_quoted(game.name or '')} {_names(game.players)}"
    return f'{header}\n\n{{ {strategies}\n}}\n""\n\n{payoffs}\n'


def _gambit_order(num_actions: Sequence[int]) -> list[tuple[int, ...]]:
    """The joint actions in the order of the format: player 1's action varies fastest."""
    reverse = product(*(range(number) for number in reversed(num_actions)))
    return [tuple(reversed(joint)) for joint in reverse]


def _names(names: Sequence[str]) -> str:
    return "{ " + " ".join(_quoted(name) for name in names) + " }"


def _quoted(text: str) -> str:
    # Gambit knows one escape, \" for a quote; a backslash elsewhere stands for itself (seen in 17.0).
    if re.search(r'\\(?:\\|"|$)', text):
        raise ValueError(
            f"a .nfg file cannot hold a backslash before a quote or another one; got {text!r}"
        )
    return '"' + text.replace('"', '\\"') + '"'


class _Reader:
    """A recursive-descent reader over the tokens of a file. A token is a pair (kind, text)."""

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        self.position = 0
        end = 0
        while end < len(text):
            match = _TOKEN.match(text, end)
            if match is None:
                raise ValueError(f"unfinished text in quotes: {text[end : end + 40].strip()!r}")
            end = match.end() if match.end() > end else len(text)
            if match.lastgroup is not None:
                self.tokens.append((match.lastgroup, match[match.lastgroup]))

    def game(self) -> NormalForm:
        for expected in ("NFG", "1"):
            self.take("word", f"the header NFG 1 R (or D), expected {expected}", expected)
        self.take("word", "the header NFG 1 R (or D)", "R", "D")
        title = self.take_text("the title")
        self.take("mark", "the players", "{")
        players = self.texts("the players")
        actions = self.strategies(len(players))
        if self.peek()[0] == "text":
            self.take_text("the comment")
        num_actions = [len(names) for names in actions]
        cells = self.outcomes(len(players), num_actions) if self.peek() == ("mark", "{") else None
        if cells is None:
            cells = self.payoffs(len(players), num_actions)
        if self.position < len(self.tokens):
            raise ValueError(f"more than expected after the payoffs: {self.peek()[1]!r}")
        by_joint = dict(zip(_gambit_order(num_actions), cells, strict=True))
        payoffs = [_nest(by_joint, num_actions, player) for player in range(len(players))]
        return NormalForm(payoffs, actions, players, title or None)

    def strategies(self, num_players: int) -> list[list[str]]:
        """Names in braces for each player, or just how many there are."""
        self.take("mark", "the strategies", "{")
        actions: list[list[str]] = []
        while self.peek() != ("mark", "}"):
            if self.peek() == ("mark", "{"):
                self.take("mark", "the strategies", "{")
                names = self.texts("the strategies")
                # Gambit allows strategies without a label; ours need one.
                actions.append([name or str(k + 1) for k, name in enumerate(names)])
            else:
                word = self.take("word", "a number of strategies")
                if not word.isdecimal():
                    raise ValueError(f"a number of strategies was expected; got {word!r}")
                actions.append([str(k + 1) for k in range(int(word))])
        self.take("mark", "the strategies", "}")
        if len(actions) != num_players:
            raise ValueError(
                f"strategies were expected for {num_players} players; got {len(actions)}"
            )
        return actions

    def payoffs(self, num_players: int, num_actions: list[int]) -> list[list[Fraction]]:
        combinations = prod(num_actions)
        return [
            [
                self.number(f"payoff of player {i + 1} in combination {k + 1}")
                for i in range(num_players)
            ]
            for k in range(combinations)
        ]

    def outcomes(self, num_players: int, num_actions: list[int]) -> list[list[Fraction]]:
        self.take("mark", "the outcomes", "{")
        table: list[list[Fraction]] = [
            [Fraction(0)] * num_players
        ]  # outcome 0: nobody gets anything
        while self.peek() != ("mark", "}"):
            self.take("mark", "an outcome", "{")
            self.take_text("the name of an outcome")
            what = f"payoff of outcome {len(table)}"
            table.append([self.number(f"{what} for player {i + 1}") for i in range(num_players)])
            self.take("mark", f"the end of outcome {len(table) - 1}", "}")
        self.take("mark", "the outcomes", "}")
        cells: list[list[Fraction]] = []
        for k in range(prod(num_actions)):
            word = self.take("word", f"the outcome of combination {k + 1}")
            if not word.isdecimal() or int(word) >= len(table):
                raise ValueError(
                    f"the outcome of combination {k + 1} must be a number from 0 to {len(table) - 1}; "
                    f"got {word!r}"
                )
            cells.append(table[int(word)])
        return cells

    def number(self, what: str) -> Fraction:
        value = exact(self.take("word", what), what)
        assert isinstance(value, Fraction)
        return value

    def texts(self, what: str) -> list[str]:
        """Texts up to a closing brace."""
        found: list[str] = []
        while self.peek() != ("mark", "}"):
            found.append(self.take_text(what))
        self.take("mark", what, "}")
        return found

    def take_text(self, what: str) -> str:
        return self.take("text", what).replace('\\"', '"')

    def take(self, kind: str, what: str, *expected: str) -> str:
        found_kind, found = self.peek()
        if found_kind != kind or (expected and found not in expected):
            got = f"got {found!r}" if found_kind != "end" else "the file ends"
            wanted = {
                "text": "text in quotes",
                "mark": " or ".join(expected),
                "word": "a word or number",
            }
            raise ValueError(f"{what}: {wanted[kind]} was expected; {got}")
        self.position += 1
        return found

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.position] if self.position < len(self.tokens) else ("end", "")


def _nest(cells: dict[tuple[int, ...], list[Fraction]], num_actions: list[int], player: int) -> Any:
    def level(joint: tuple[int, ...]) -> Any:
        if len(joint) == len(num_actions):
            return cells[joint][player]
        return [level((*joint, action)) for action in range(num_actions[len(joint)])]

    return level(())
