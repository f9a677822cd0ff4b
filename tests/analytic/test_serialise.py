"""Documents: what is read equals what was written, lies and malformed files are refused by field."""

import json
import random
from fractions import Fraction
from typing import Any

import flint
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvent.analytic import Graph, Program, closed_form, serialise
from resolvent.analytic.serialise import (
    Loaded,
    check,
    document,
    parse,
    polynomials_from_data,
    polynomials_to_data,
    program_from_data,
    program_to_data,
    read_document,
    write_document,
)
from resolvent.games import NormalForm, prisoners_dilemma, to_text

F = Fraction
FORM = closed_form(prisoners_dilemma().iterated("24/25"))


def parts(form):
    """What a closed form hands over to be saved."""
    polynomials = tuple((tuple(tops), bottom) for tops, bottom in form._expanded.polynomials)
    program = None if form.game.symbols else form.value_program
    return form.game, form.normalise, program, polynomials


def valid():
    return json.loads(json.dumps(document(*parts(FORM))))


# Round trips.


@st.composite
def programs(draw):
    inputs = draw(st.integers(0, 3))
    constants = tuple(draw(st.lists(st.fractions(), max_size=3)))
    known = inputs + len(constants)
    count = draw(st.integers(0, 12)) if known else 0
    instructions = tuple(
        (
            draw(st.sampled_from("+-*/")),
            draw(st.integers(0, known + k - 1)),
            draw(st.integers(0, known + k - 1)),
        )
        for k in range(count)
    )
    known += count
    outputs = draw(st.lists(st.integers(0, known - 1), max_size=3)) if known else []
    return Program(inputs, constants, instructions, tuple(outputs))


@given(programs())
def test_programs_round_trip(program):
    data = json.loads(json.dumps(program_to_data(program)))
    assert program_from_data(data) == program


@st.composite
def polynomial_groups(draw):
    size = draw(st.integers(0, 3))
    context = flint.fmpz_mpoly_ctx.get([f"x_{k}" for k in range(size)], flint.Ordering.lex)
    powers = st.tuples(*[st.integers(0, 2**16)] * size)
    coefficients = st.one_of(st.integers(-9, 9), st.integers(-(10**60), 10**60))
    tables = st.dictionaries(powers, coefficients.filter(bool), max_size=4)
    tops = [context.from_dict(draw(tables)) for _ in range(draw(st.integers(0, 2)))]
    return tuple(tops), context.from_dict(draw(tables.filter(bool)))


@given(st.lists(polynomial_groups(), max_size=2))
def test_polynomials_round_trip(groups):
    data = json.loads(json.dumps(polynomials_to_data(groups)))
    assert polynomials_from_data(data) == tuple(groups)


def test_numbers_of_any_length_round_trip():
    """Python's own conversions stop at 4,300 digits."""
    huge = F(7**9000, 3**9001)
    program = Program(0, (huge, -huge), (), (0,))
    assert program_from_data(program_to_data(program)) == program
    context = flint.fmpz_mpoly_ctx.get(["x"], flint.Ordering.lex)
    group = ((context.constant(-(7**9000)),), context.gens()[0])
    assert polynomials_from_data(polynomials_to_data([group])) == (group,)


def games():
    g, b = sympy.symbols("gamma b")
    symbolic = NormalForm([[[b, 0], [2, 1]], [[1, 2], [0, b / 2]]])
    return [
        prisoners_dilemma().iterated("24/25"),
        prisoners_dilemma().iterated(["1/2", "9/10"]),
        prisoners_dilemma().iterated("1/2", observe="reactive", implementation_noise="1/20"),
        prisoners_dilemma().iterated("1/2", observation_noise="1/10", initial="uniform"),
        NormalForm([[[1, 2, 0]], [[0, 3, 1]]]).iterated("1/3").as_stochastic(),
        prisoners_dilemma().iterated(g),
        prisoners_dilemma().iterated(1 / (1 + g)),
        symbolic.iterated(1 - b),
    ]


@pytest.mark.parametrize("game", games(), ids=lambda game: f"{game.num_states} {game.discount}")
@pytest.mark.parametrize("normalise", ["average", "sum"])
def test_closed_forms_round_trip_and_are_true(tmp_path, game, normalise):
    path = tmp_path / "form.json"
    saved = parts(closed_form(game, normalise))
    write_document(path, *saved)
    loaded = read_document(path)
    assert loaded == Loaded(*saved)
    check(loaded)


def test_a_document_may_hold_less(tmp_path):
    path = tmp_path / "form.json"
    write_document(path, FORM.game, "sum", None, None)
    loaded = read_document(path)
    assert loaded == Loaded(FORM.game, "sum", None, None)
    check(loaded)


def test_a_program_in_the_symbols_of_the_game():
    """Inputs beyond the policies are the game's symbols by name."""
    b, g = sympy.symbols("b g")
    game = NormalForm([[[b]], [[b + 1]]]).iterated(g, memory=1)
    graph = Graph()
    entries = sum(rows * actions for rows, actions in game.policy_shapes)
    *_, benefit, discount = graph.inputs(entries + 2)
    one = graph.constant(1)
    right = graph.program([benefit / (one - discount), (benefit + one) / (one - discount)])
    check(Loaded(game, "sum", right, None))
    with pytest.raises(ValueError, match=r"program\.outputs\[0\]: not the value of player 0"):
        check(Loaded(game, "average", right, None))
    swapped = graph.program([discount, discount + one])
    with pytest.raises(ValueError, match=r"program\.outputs\[0\]: not the value of player 0"):
        check(Loaded(game, "average", swapped, None))


def test_documents_are_text_with_a_line_per_field(tmp_path):
    path = tmp_path / "form.json"
    game = prisoners_dilemma().iterated("1/2")
    write_document(path, *parts(closed_form(game)))
    lines = path.read_text(encoding="ascii").splitlines()
    assert lines[1] == '"format": "resolvent closed form",'
    assert lines[2] == '"version": 1,'
    assert [line.split('"')[1] for line in lines[1:-1]] == list(valid())


# Lies.


def replaced(**fields):
    loaded = parse(valid())
    return Loaded(
        **{name: fields.get(name, getattr(loaded, name)) for name in loaded.__dataclass_fields__}
    )


def test_a_program_of_another_game_is_refused():
    other = closed_form(prisoners_dilemma().iterated("23/25")).value_program
    with pytest.raises(ValueError, match=r"program\.outputs\[0\]: not the value of player 0"):
        check(replaced(program=other))
    with pytest.raises(ValueError, match="not the value"):
        check(replaced(normalise="sum", polynomials=None))


def test_every_constant_and_every_instruction_matters():
    program = FORM.value_program
    assert len(program) > 50
    for k, constant in enumerate(program.constants):
        # A prime that a careless check might work modulo.
        changed = (*program.constants[:k], constant + 2**61 - 1, *program.constants[k + 1 :])
        wrong = Program(program.inputs, changed, program.instructions, program.outputs)
        with pytest.raises(ValueError, match="program"):
            check(replaced(program=wrong))
    for k, (operation, left, right) in enumerate(program.instructions):
        other = "-" if operation in "+*" else "*"
        changed = list(program.instructions)
        changed[k] = (other, left, right)
        wrong = Program(program.inputs, program.constants, tuple(changed), program.outputs)
        with pytest.raises(ValueError, match="program"):
            check(replaced(program=wrong, polynomials=None))


def test_every_coefficient_matters():
    [(tops, bottom)] = polynomials_from_data(valid()["polynomials"])
    context = bottom.context()
    wrong = [
        ((tops[0] + 1, tops[1]), bottom),
        ((tops[0], tops[1] - context.gens()[3]), bottom),
        (tops, bottom + 1),
        ((tops[1], tops[0]), bottom),
        ((2 * tops[0], 2 * tops[1]), bottom),
    ]
    for group in wrong:
        with pytest.raises(ValueError, match=r"polynomials\[0\]\.numerators: not the value"):
            check(replaced(polynomials=(group,)))
    check(replaced(polynomials=(((2 * tops[0], 2 * tops[1]), 2 * bottom),)))


def test_what_has_another_shape_than_the_game_is_refused():
    [(tops, bottom)] = polynomials_from_data(valid()["polynomials"])
    small = flint.fmpz_mpoly_ctx.get(["x"], flint.Ordering.lex).constant(1)
    cases: list[tuple[dict[str, Any], str]] = [
        ({"program": Program(3, (), (), (0, 0))}, r"program\.inputs: expected 20, .* got 3"),
        ({"program": Program(20, (), (), (0,))}, r"program\.outputs: expected 2, .* got 1"),
        ({"polynomials": ()}, "polynomials: expected 1, one per discount, got 0"),
        ({"polynomials": (((small,) * 2, small),)}, r"\[0\]\.generators: expected 10 .* got 1"),
        ({"polynomials": ((tops[:1], bottom),)}, r"\[0\]\.numerators: expected 2, got 1"),
    ]
    for fields, message in cases:
        with pytest.raises(ValueError, match=message):
            check(replaced(**fields))


def test_a_program_that_divides_by_zero_is_refused():
    zero = Program(20, (F(0),), (("/", 0, 20),), (21, 21))
    with pytest.raises(ValueError, match="got divisions by zero"):
        check(replaced(program=zero))


# Malformed files.


def edited(*path_and_value):
    *path, last, value = path_and_value
    data = valid()
    at = data
    for key in path:
        at = at[key]
    if value is KeyError:
        del at[last]
    else:
        at[last] = value
    return data


TEXT = to_text(FORM.game)
TERM = ("polynomials", 0, "denominator", 3)
MALFORMED = [
    ([1], "the document: expected an object, got [1]"),
    (edited("format", "other"), "format: expected 'resolvent closed form', got 'other'"),
    (edited("format", KeyError), "format: expected 'resolvent closed form', got None"),
    (
        edited("version", 2),
        "version: 2 is newer than what this release of Resolvent reads (1); update",
    ),
    (edited("version", "1"), "version: expected 1, got '1'"),
    (edited("version", True), "version: expected 1, got True"),
    (edited("version", 0), "version: expected 1, got 0"),
    (edited("extra", 1), "the document: expected the fields format, version, game"),
    (edited("normalise", KeyError), "normalise: missing"),
    (edited("normalise", "mean"), 'normalise: expected "average" or "sum", got \'mean\''),
    (edited("normalise", ["sum"]), 'normalise: expected "average" or "sum", got [\'sum\']'),
    (edited("game", 3), "game: expected the text of a game, got 3"),
    (edited("game", "payoffs = ["), "game: "),
    (edited("game", to_text(prisoners_dilemma())), "game: expected an iterated or stochastic game"),
    (edited("game", "[" * 100_000), "game: "),
    (
        edited("game", TEXT.replace("memory = 1", "memory = 11")),
        "game: memory must leave at",
    ),
    (
        edited("game", TEXT.replace("memory = 1", "memory = [9, 99]")),
        "game: memory must leave at most",
    ),
    (
        edited("game", TEXT.replace("24/25", "1e-99999999")),
        "game: ",
    ),
    (
        edited("game", TEXT.replace("-3", "1e99999999")),
        "game: payoffs[0][0][1] must have an exponent",
    ),
    (edited("program", 3), "program: expected an object, got 3"),
    (edited("program", "inputs", KeyError), "program.inputs: missing"),
    (edited("program", "more", 1), "program: expected the fields inputs, constants"),
    (edited("program", "inputs", -1), "program.inputs: expected an integer from 0"),
    (edited("program", "inputs", 1e3), "program.inputs: expected an integer from 0"),
    (edited("program", "inputs", True), "program.inputs: expected an integer from 0"),
    (edited("program", "inputs", 10**30), "program.inputs: expected an integer from 0"),
    (edited("program", "constants", {}), "program.constants: expected a list, got {}"),
    (edited("program", "constants", 0, 0.5), "program.constants[0]: expected a rational as text"),
    (edited("program", "constants", 0, "1/0"), "program.constants[0]: expected a rational as text"),
    (edited("program", "constants", 0, "0x1"), "program.constants[0]: expected a rational as text"),
    (edited("program", "constants", 0, "1/-2"), "program.constants[0]: expected a rational"),
    (edited("program", "constants", 0, " 1"), "program.constants[0]: expected a rational as text"),
    (edited("program", "constants", 0, "1e9"), "program.constants[0]: expected a rational as text"),
    (edited("program", "constants", 0, "\u0663"), "program.constants[0]: expected a rational"),
    (edited("program", "instructions", None), "program.instructions: expected a list, got None"),
    (
        edited("program", "instructions", 12, ["+", 1]),
        "program.instructions[12]: expected [operation, left, right], got ['+', 1]",
    ),
    (
        edited("program", "instructions", 12, 0, "**"),
        "program.instructions[12][0]: expected one of + - * /, got '**'",
    ),
    (
        edited("program", "instructions", 12, 0, ["+"]),
        "program.instructions[12][0]: expected one of + - * /, got ['+']",
    ),
    (
        edited("program", "instructions", 12, 1, -1),
        "program.instructions[12][1]: expected an integer",
    ),
    (
        edited("program", "instructions", 12, 2, 1.0),
        "program.instructions[12][2]: expected an integer",
    ),
    (
        edited("program", "instructions", 0, 1, 20 + len(FORM.value_program.constants)),
        f"program.instructions[0][1]: expected an integer from 0 to {19 + len(FORM.value_program.constants)}",
    ),
    (edited("program", "outputs", 1, 10**6), "program.outputs[1]: expected an integer from 0 to"),
    (edited("polynomials", {}), "polynomials: expected a list, got {}"),
    (edited("polynomials", 0, []), "polynomials[0]: expected an object, got []"),
    (edited("polynomials", 0, "denominator", KeyError), "polynomials[0].denominator: missing"),
    (
        edited("polynomials", 0, "denominator", []),
        "polynomials[0].denominator: expected a polynomial other than 0",
    ),
    (
        edited("polynomials", 0, "generators", 0, "__import__('os')"),
        "polynomials[0].generators[0]: expected a name such as",
    ),
    (
        edited("polynomials", 0, "generators", 0, "x_0_1_0"),
        "polynomials[0].generators: expected different names",
    ),
    (
        edited("polynomials", 0, "generators", ["x"]),
        "polynomials[0].numerators[0][0][1]: expected 1",
    ),
    (
        edited("polynomials", 0, "numerators", 3),
        "polynomials[0].numerators: expected a list, got 3",
    ),
    (
        edited("polynomials", 0, "numerators", 1, 0, {}),
        "polynomials[0].numerators[1][0]: expected [c",
    ),
    (edited(*TERM, 0, 5), "polynomials[0].denominator[3][0]: expected an integer other than 0 as"),
    (
        edited(*TERM, 0, "0"),
        "polynomials[0].denominator[3][0]: expected an integer other than 0 as",
    ),
    (edited(*TERM, 0, "1/2"), "polynomials[0].denominator[3][0]: expected an integer other than 0"),
    (edited(*TERM, 0, "9" * 10**6), "polynomials[0].denominator[3][0]: expected an integer other"),
    (edited(*TERM, 1, [1]), "polynomials[0].denominator[3][1]: expected 10 exponents, got [1]"),
    (
        edited(*TERM, 1, 2, -1),
        "polynomials[0].denominator[3][1][2]: expected an integer from 0 to 65536",
    ),
    (
        edited(*TERM, 1, 2, 2**70),
        "polynomials[0].denominator[3][1][2]: expected an integer from 0 to",
    ),
    (
        edited(*TERM, 1, 2, False),
        "polynomials[0].denominator[3][1][2]: expected an integer from 0 to",
    ),
    (
        edited(*TERM, valid()["polynomials"][0]["denominator"][0]),
        "polynomials[0].denominator[3][1]: expected every monomial once",
    ),
]


@pytest.mark.parametrize(("data", "message"), MALFORMED, ids=[text[:60] for _, text in MALFORMED])
def test_malformed_documents_are_refused_by_field(tmp_path, data, message):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(data))
    with pytest.raises(ValueError) as caught:
        read_document(path)
    assert str(caught.value).startswith(f"{path}: {message}")
    assert len(str(caught.value)) < 400 + len(str(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a JSON document, which it is not"),
        (json.dumps(valid()).encode()[:-7], "expected a JSON document, which it is not"),
        (b'{"format": NaN}', "expected JSON without NaN"),
        (b'{"format": -Infinity}', "expected JSON without -Infinity"),
        (b'{"format": 1, "format": 2}', "expected every field once"),
        (b"[" * 200_000, "expected a JSON document, got one that is nested too deeply"),
        (b'{"a":' * 200_000, "expected a JSON document, got one that is nested too deeply"),
        (b"\xff\xfe", "expected a JSON document in UTF-8"),
        (b'{"version": ' + b"9" * 10_000 + b"}", ""),
    ],
)
def test_what_is_not_json_is_refused(tmp_path, content, message):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        read_document(path)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_files_beyond_the_limit_are_not_read(tmp_path, monkeypatch):
    path = tmp_path / "large.json"
    path.write_text(json.dumps(valid()))
    monkeypatch.setattr(serialise, "MAX_BYTES", 100)
    with pytest.raises(ValueError, match="expected at most 100 bytes"):
        read_document(path)


def test_a_missing_file_is_what_python_says(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_document(tmp_path / "none.json")


def mutated(content, rng):
    """A few bytes changed, removed, repeated or taken from elsewhere in the document."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(content))
        kind = rng.randrange(5)
        if kind == 0:
            content[at] = rng.randrange(256)
        elif kind == 1:
            content[at] = rng.choice(b'0123456789-+*/"[]{},:.eE')
        elif kind == 2:
            del content[at : at + rng.randrange(1, 20)]
        elif kind == 3:
            source = rng.randrange(len(content))
            content[at:at] = content[source : source + rng.randrange(1, 20)]
        else:
            del content[at:]
        if not content:
            return b""
    return bytes(content)


def fuzz(path, seeds):
    small = closed_form(NormalForm([[[1, 2]], [[3, "1/2"]]]).iterated("1/2"))
    write_document(path, *parts(small))
    content, original = path.read_bytes(), small.value_program
    survived = 0
    for seed in seeds:
        path.write_bytes(mutated(content, random.Random(seed)))
        try:
            loaded = read_document(path)
            check(loaded)
        except ValueError:
            continue
        survived += 1
        # What passes is a true statement, of this game or of one that reads like it.
        if loaded.game == small.game and loaded.program is not None:
            # (Off the simplex a program may say what it likes.)
            shapes = small.game.policy_shapes
            policies = [F(1, actions) for rows, actions in shapes for _ in range(rows * actions)]
            expected = original.run(policies, constant=F)
            assert loaded.program.run(policies, constant=F) == expected
    return survived


def test_mutated_documents_give_value_errors_only(tmp_path):
    assert fuzz(tmp_path / "fuzz.json", range(1500)) < 300


@pytest.mark.slow
def test_many_mutated_documents_give_value_errors_only(tmp_path):
    assert fuzz(tmp_path / "fuzz.json", range(10_000, 60_000)) < 10_000


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
    )
)
@settings(max_examples=100)
def test_any_json_in_any_field(value):
    for field in ("program", "polynomials", "normalise", "version", "format"):
        data = {**document(FORM.game, "sum", None, None), field: value}
        try:
            parse(data)
        except ValueError:
            pass
