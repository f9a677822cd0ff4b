"""Games and closed forms as text and as JSON; what several commands print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rich.console import Console

from resolvent.cli import output
from resolvent.games import DynamicGame, ExactPolicy, IteratedGame, NormalForm
from resolvent.games.display import transitions as transition_table
from resolvent.games.histories import joiner
from resolvent.games.stochastic import nested_branches, nested_rewards

if TYPE_CHECKING:
    import sympy

    from resolvent.analytic import ClosedForm
    from resolvent.analytic.report import ProgramReport

_KINDS = {"+": "additions", "*": "multiplications", "/": "divisions"}
# A transition matrix is written out up to this many columns; further ones are alike.
_WIDEST_MATRIX = 4
_MOST_ROWS = 12
_LINE = 100
# A stochastic game is written out up to this many pairs of a state and a joint action.
_LONGEST_TABLE = 48


def payoff_table(out: Console, game: NormalForm | DynamicGame) -> None:
    """What a game pays, indented: its payoff table; of a stochastic game with what comes next."""
    if isinstance(game, (NormalForm, IteratedGame)):
        stage = game if isinstance(game, NormalForm) else game.stage
        text = stage.table()
    elif game.num_states * len(game.joint_actions) <= _LONGEST_TABLE:
        text = transition_table(game)
    else:
        text = (
            f"{game.num_states} states with {len(game.joint_actions)} joint actions each; "
            "--json has payoffs and transitions"
        )
    for line in text.splitlines():
        out.print("  " + line, soft_wrap=True)


def title(game: DynamicGame) -> str:
    """What is played, in a line: `prisoner's dilemma, iterated with discount 24/25`."""
    several = isinstance(game.discount, tuple)
    discounts = " and ".join(map(str, game.discounts)) if several else str(game.discount)
    iterated = isinstance(game, IteratedGame)
    return (
        f"{game.name or ('game' if iterated else 'stochastic game')}, {'iterated ' if iterated else ''}"
        f"with discount{'s' if several else ''} {discounts}"
    )


def rules(game: DynamicGame) -> str | None:
    """What is special about how a game is iterated: observation, noise, beginning; None if nothing is."""
    special = any(own != game.states for own in game.observations)
    if isinstance(game, IteratedGame):
        noises = (*game.trembles, *game.misreadings)
        special = special or game.initial is not None or any(own is not None for own in noises)
    # The discount, which comes first, is in the title.
    return str(game).splitlines()[-1].partition(", ")[2] if special else None


def joint_names(game: DynamicGame) -> tuple[str, ...]:
    """The joint actions as states are named by them: CC, CD, ..."""
    between = joiner(game.actions)
    return tuple(
        between.join(own[action] for own, action in zip(game.actions, joint, strict=True))
        for joint in game.joint_actions
    )


def scale_name(normalise: str) -> str:
    """What values are measured in."""
    return "payoff per round" if normalise == "average" else "discounted sum of payoffs"


def game_record(game: DynamicGame) -> dict[str, Any]:
    """An iterated or a stochastic game for JSON."""
    record: dict[str, Any] = {
        "name": game.name,
        "players": game.players,
        "actions": game.actions,
        "payoffs": game.stage.payoffs if isinstance(game, IteratedGame) else nested_rewards(game),
        "discount": game.discount,
        "memory": None,
        "states": game.states,
        "symbols": [str(symbol) for symbol in game.symbols],
        "kind": "iterated" if isinstance(game, IteratedGame) else "stochastic",
        "observations": game.observations,
    }
    if isinstance(game, IteratedGame):
        record["memory"] = game.memory if len(set(game.memories)) == 1 else game.memories
        record["initial"] = game.initial
        record["implementation_noise"] = game.trembles
        record["observation_noise"] = game.misreadings
    else:
        record["initial"] = game.initial
        record["transitions"] = nested_branches(game, str)
    return record


class Plain:
    """Closed forms in symbols that are plain names: p_CC for p_{CC}, p_CC_S for p_{CC}^{S}."""

    def __init__(self, form: ClosedForm) -> None:
        import sympy

        self.form = form
        taken = {str(symbol) for symbol in form.game.symbols}
        self._names: dict[Any, Any] = {}
        for policy in form.policy_symbols:
            for symbol in (own for row in policy for entry in row for own in entry.free_symbols):
                if symbol not in self._names:
                    name = _plain_name(str(symbol))
                    # Names of observations can be any text: two may differ in what is left out.
                    while name in taken:
                        name += "_"
                    taken.add(name)
                    self._names[symbol] = sympy.Symbol(name)

    def __call__(self, expression: Any) -> Any:
        """The same formula in plain symbols."""
        import sympy

        return sympy.sympify(expression).xreplace(self._names)

    @property
    def policies(self) -> list[list[list[str]]]:
        """The symbols of every player, per state and action."""
        return [
            [[str(self(entry)) for entry in row] for row in policy]
            for policy in self.form.policy_symbols
        ]

    def row(self, state: int) -> dict[str, sympy.Expr]:
        """The probabilities of the states that may follow a state."""
        import sympy

        from resolvent.analytic.elimination import transition_row

        structure, names = self.form.structure, self.form.game.states
        acting, figures = self._chain
        row = transition_row(structure, acting, state, figures.transitions)
        if len(row) == 1:  # all joint actions lead there
            return {names[t]: sympy.Integer(1) for t in row}
        return {names[t]: self(entry) for t, entry in sorted(row.items())}

    @property
    def transitions(self) -> list[dict[str, sympy.Expr]]:
        """`row` of every state in which somebody acts."""
        return [self.row(state) for state in range(self.form.structure.num_states)]

    @cached_property
    def rewards(self) -> list[list[sympy.Expr]]:
        """Expected payoff of every player in each state of the chain."""
        from resolvent.analytic.elimination import reward_vector

        acting, figures = self._chain
        return [
            [self(entry) for entry in reward_vector(self.form.structure, acting, own)]
            for own in figures.payoffs
        ]

    @cached_property
    def _chain(self) -> tuple[Any, Any]:
        """What each player does in each state, and the numbers of the game, in symbols."""
        from resolvent.analytic.elimination import behaviours
        from resolvent.analytic.structure import convert, figures_of
        from resolvent.analytic.symbols import as_sympy

        figures = convert(figures_of(self.form.game), as_sympy)
        return behaviours(self.form.structure, self.form.policy_symbols, figures), figures


def _plain_name(symbol: str) -> str:
    kept = symbol.replace("}^{", "_").replace("^", "_")
    return "".join(c if c.isalnum() or c == "_" else "" if c in "{}()" else "_" for c in kept)


def algebra(expression: Any) -> str:
    """A formula as one writes it by hand: `p_0 (1 - q_0)`."""
    return str(expression).replace("**", "^").replace("*", " ")


def formula(form: ClosedForm) -> str:
    """The value in terms of the chain; a line per player where discounts differ."""
    game = form.game
    lines: list[str] = []
    for player, g in enumerate(game.discounts, start=1):
        i = player if isinstance(game.discount, tuple) else "i"
        times = f"(1 - {g}) " if form.normalise == "average" else ""
        lines.append(f"V_{i} = {times}p0' (I - {_bracketed(g)} P)^-1 r_{i}")
    return "\n".join(dict.fromkeys(lines))


def _bracketed(number: object) -> str:
    text = str(number)
    return text if text.replace("/", "").isalnum() else f"({text})"


def derivation(out: Console, form: ClosedForm) -> None:
    """States, transition matrix and formula."""
    game, first = form.game, form.structure.first
    plain = Plain(form)
    special = rules(game)
    if special is not None:
        out.print(f"  rules     {special}", soft_wrap=True)
    out.print(f"  states    {_shortened(game.states)}", soft_wrap=True)
    for player, own in enumerate(plain.policies):
        _print_player(out, game, player, own)
    out.print()
    columns = game.states[first:]
    if not _print_matrix(out, plain, columns):
        _print_rows(out, plain)
    if first:
        out.print("  The row of the start is p0, the others are P.", soft_wrap=True)
        out.print(f"  r_i holds the payoffs of player i in {_shortened(columns)}.", soft_wrap=True)
    else:
        _print_acting(out, plain)
    out.print()
    for line in formula(form).splitlines():
        out.print("  " + line, style="bold", soft_wrap=True)


def _print_player(
    out: Console, game: DynamicGame, player: int, symbols: Sequence[Sequence[str]]
) -> None:
    """What a player sees, if that is not the state, and what its probabilities are called."""
    labels = game.observations[player]
    sees = "" if labels == game.states else f"sees {_shortened(labels)}; "
    if len(symbols[0]) < 2:
        return
    shown = [
        f"{row[0]} {when(game, label)}" for row, label in zip(symbols[:2], labels, strict=False)
    ]
    more = ", ..." if len(symbols) > len(shown) else ""
    out.print(
        f"  player {player + 1}  {sees}plays {game.actions[player][0]} with probability "
        f"{', '.join(shown)}{more}",
        soft_wrap=True,
    )


def when(game: DynamicGame, observation: str) -> str:
    """An observation as one says it: `at the start`, `after CC`, `in the state green`."""
    if observation == "start":
        return "at the start"
    if observation == "always":
        return "always"
    return f"{'after' if isinstance(game, IteratedGame) else 'in'} {observation}"


def _print_matrix(out: Console, plain: Plain, columns: Sequence[str]) -> bool:
    """The transition matrix; False, and nothing, where it is too wide."""
    if len(columns) > _WIDEST_MATRIX:
        return False
    rows = [
        [state, *(algebra(row.get(target, 0)) for target in columns)]
        for state, row in zip(plain.form.game.states, plain.transitions, strict=True)
    ]
    headers = ["from \\ to", *columns]
    if not _fits(out, headers, rows):
        return False
    output.table(out, headers, rows)
    out.print()
    return True


def _print_rows(out: Console, plain: Plain) -> None:
    """Where the first states lead, as many as there is room for; the other rows are alike."""
    states = plain.form.game.states
    entries: list[tuple[str, str, str]] = []
    done = more = 0
    for state, name in enumerate(states):
        row = plain.row(state)
        if state and len(entries) + len(row) > _MOST_ROWS:
            break
        shown = list(row.items())[:_MOST_ROWS]
        entries += [(name, target, algebra(entry)) for target, entry in shown]
        done, more = state + 1, len(row) - len(shown)
    output.table(out, ["from", "to", "probability"], entries)
    out.print()
    left = len(states) - done
    if left or more:
        further = f"{more} more from {states[0]}, and " if more else ""
        rows = "row" if left == 1 else "rows"
        output.prose(out, f"{further}{left} more {rows} alike: --json has them all.", indent=2)


def _print_acting(out: Console, plain: Plain) -> None:
    """Where play begins, and what is paid in each state, where payoffs are received for acting."""
    import sympy

    game = plain.form.game
    begins = [
        (state, p)
        for state, p in zip(game.states, game.initial_distribution, strict=True)
        if p != 0
    ]
    shown = ", ".join(f"{state} {p}" for state, p in begins[:_MOST_ROWS])
    more = f", ... ({len(begins)} in all)" if len(begins) > _MOST_ROWS else ""
    out.print(f"  The rows are P; p0, where play begins, is {shown}{more}.", soft_wrap=True)
    output.prose(
        out,
        "Payoffs are received for acting: r_i(s) is what the joint actions pay player i in state s, each as "
        "likely as the players make it there.",
        indent=2,
    )
    if len(game.states) > _WIDEST_MATRIX + 1:
        return
    headers = ["in", *(f"r_{i + 1}" for i in range(game.num_players))]
    rows = [
        [state, *(algebra(sympy.expand(own[s])) for own in plain.rewards)]
        for s, state in enumerate(game.states)
    ]
    if _fits(out, headers, rows):
        out.print()
        output.table(out, headers, rows)


def _fits(out: Console, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether a table of plain text is no wider than the window, or than a line of print."""
    columns = zip(headers, *rows, strict=True)
    width = sum(2 + max(map(len, column)) for column in columns)
    return width <= max(out.width, _LINE)


def _shortened(names: Sequence[str]) -> str:
    if len(names) <= 2 * _MOST_ROWS:
        return ", ".join(names)
    return ", ".join(names[:_MOST_ROWS]) + f", ... ({len(names)} in all)"


def quotients(form: ClosedForm) -> tuple[list[Any], list[Any]]:
    """The values as numerators, one per player, and denominators: one, unless discounts differ."""
    import sympy

    players = range(form.game.num_players)
    if not isinstance(form.game.discount, tuple):
        return [form.numerator(i) for i in players], [form.denominator]
    # What players share of their denominators cancels, as factors.
    parts = [sympy.fraction(value) for value in form.values]
    return [top for top, _ in parts], [bottom for _, bottom in parts]


def sizes(form: ClosedForm) -> dict[str, Any] | None:
    """Terms of the expanded numerators and of their denominator (one per player, where discounts
    differ); None where it is too large."""
    from resolvent.analytic import TooLargeToExpandError

    try:
        tops, bottoms = quotients(form)
    except TooLargeToExpandError:
        return None
    below = [_terms(form, bottom) for bottom in bottoms]
    return {
        "numerator_terms": [_terms(form, top) for top in tops],
        "denominator_terms": below[0] if len(below) == 1 else below,
    }


def _terms(form: ClosedForm, expression: sympy.Expr) -> int:
    import sympy

    # Without symbols in the game numerators and denominators are expanded already.
    expanded = sympy.expand(expression) if form.game.symbols else expression
    return len(sympy.Add.make_args(expanded))


def rule_name(rule: Mapping[str, Any]) -> str:
    """A learner as one says it: `LOLA (taylor), rate 1`."""
    name = rule["learner"] + (f" ({rule['variant']})" if "variant" in rule else "")
    settings = [
        f"{key.replace('lookahead', 'look-ahead')} {value:g}"
        for key, value in rule.items()
        if isinstance(value, float)
    ]
    return ", ".join([name, *settings])


def operations(program: ProgramReport) -> int | None:
    """Operations of the program of the values; None where it is too large to be derived for that."""
    from resolvent.analytic.report import SHOWN_LIMIT

    return len(program) if program.products <= SHOWN_LIMIT else None


def program_record(form: ClosedForm) -> dict[str, Any]:
    """The straight-line program, for JSON."""
    program = form.program
    count = operations(program)
    return {
        "operations": count,
        "counts": None if count is None else dict(program.counts),
        "step_operations": program.step_operations,
        "backend": program.backend,
    }


def size_lines(out: Console, form: ClosedForm) -> None:
    """How large the two exact forms of the value are."""
    measured = sizes(form)
    if measured is None:
        quotient = "too large to expand; the program below is exact too"
    else:
        tops, below = measured["numerator_terms"], measured["denominator_terms"]
        same = str(tops[0]) if len(set(tops)) == 1 else ", ".join(map(str, tops))
        common = isinstance(below, int)
        over = f"a common denominator of {below}" if common else ", ".join(map(str, below))
        quotient = f"numerators of {same} terms over {over}"
    program = form.program
    size = f"about {2 * program.products:.2g} operations for the values"
    if operations(program) is not None:
        counts = ", ".join(
            f"{count} {_KINDS.get(kind, kind)}" for kind, count in program.counts.items() if count
        )
        size = f"{len(program)} operations for the values ({counts})"
    out.print(f"  expanded  {quotient}", soft_wrap=True)
    out.print(f"  program   {size}", soft_wrap=True)
    out.print(
        f"            about {program.step_operations} for a shaping step of all players, "
        f"so it is compiled by the {program.backend} backend",
        soft_wrap=True,
    )


def per_round(form: ClosedForm, values: Sequence[Fraction]) -> list[Fraction]:
    """Exact values per round."""
    if form.normalise == "average":
        return list(values)
    return [value * delta for value, delta in zip(values, remainders(form.game), strict=True)]


def discounted_sum(form: ClosedForm, values: Sequence[Fraction]) -> list[Fraction]:
    """Exact values as discounted sums."""
    if form.normalise == "sum":
        return list(values)
    return [value / delta for value, delta in zip(values, remainders(form.game), strict=True)]


def remainders(game: DynamicGame) -> list[Fraction]:
    """1 - discount, of every player of a game without symbols."""
    return [1 - Fraction(str(g)) for g in game.discounts]


def policy_record(policies: Sequence[ExactPolicy]) -> list[list[list[str]]]:
    """Exact policies for JSON: strings by player, state and action."""
    return [[[str(p) for p in row] for row in policy] for policy in policies]
