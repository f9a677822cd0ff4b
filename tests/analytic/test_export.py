"""Exported source against the program it came from: exactly in Fractions, bit for bit in doubles."""

import ctypes
import random
import runpy
import shutil
import struct
import subprocess
import sys
from fractions import Fraction
from math import isfinite

import flint
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resolvent.analytic import Graph, Program, export
from resolvent.analytic.export import c_identifier, c_source, python_source

F = Fraction
COMPILER = shutil.which("cc")
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O2", "-ffp-contract=off"]
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no C compiler (cc) on this machine")


def names(count):
    return [f"p_{k}" for k in range(count)]


def load_python(source, folder):
    path = folder / "generated.py"
    path.write_text(source, encoding="utf-8")
    return runpy.run_path(str(path))


def load_c(source, folder, name, outputs):
    code, library = folder / f"{name}.c", folder / f"{name}.so"
    code.write_text(source, encoding="ascii")
    command = [str(COMPILER), *FLAGS, "-Wmissing-prototypes", "-shared", "-fPIC"]
    done = subprocess.run(
        [*command, "-o", str(library), str(code)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[:2000]
    assert done.stderr == ""
    function = ctypes.CDLL(str(library))[f"{name}_values"]

    def values(flat):
        results = (ctypes.c_double * outputs)()
        function((ctypes.c_double * len(flat))(*flat), results)
        return list(results)

    return values


def bits(numbers):
    return [struct.pack("<d", x) for x in numbers]


def split(flat, shapes):
    entries = iter(flat)
    return [
        [[next(entries) for _ in range(actions)] for _ in range(rows)] for rows, actions in shapes
    ]


SHAPES = ((2, 2), (1, 3))


def made_up_program():
    """Every operation, every kind of operand in every place, outputs of every kind."""
    graph = Graph()
    x = graph.inputs(7)
    third, minus = graph.constant(F(1, 3)), graph.constant(F(-24, 25))
    a = (x[0] + third) / (x[1] - minus)
    b = (minus * a) - (third / x[6])
    return graph.program([a * b + x[4], b / a])


def random_program(seed, inputs, length, outputs=2):
    """A program whose every instruction matters, with operands from near and far."""
    rng = random.Random(seed)
    graph = Graph()
    numbers = graph.inputs(inputs)
    numbers += [graph.constant(F(rng.randint(1, 99), rng.randint(1, 99))) for _ in range(5)]
    for _ in range(length):
        near = numbers[-rng.choice((1, 3, 30, 300)) :][0]
        far = rng.choice(numbers)
        # Averages and products of positive numbers: nothing overflows, nothing is lost.
        numbers.append(
            (near + far) * numbers[inputs] if rng.random() < 0.5 else near / (near + far)
        )
    total = numbers[-1]
    for number in numbers[:-1]:
        total = total + number
    return graph.program([total] * (outputs - 1) + [numbers[-1]])


def exact_run(program, flat):
    def fmpq(x):
        return flint.fmpq(x.numerator, x.denominator)

    results = program.run([fmpq(x) for x in flat], constant=fmpq)
    return tuple(F(int(x.p), int(x.q)) for x in results)


POLICIES = [F(k, 13) for k in (3, 10, 5, 8, 2, 4, 7)]


# Python.


def test_python_source_in_fractions_and_floats(tmp_path):
    program = made_up_program()
    source = python_source(program, name="test", input_names=names(7), shapes=SHAPES)
    values = load_python(source, tmp_path)["values"]
    assert values(split(POLICIES, SHAPES), number=F) == exact_run(program, POLICIES)
    floats = [float(x) for x in POLICIES]
    result = values(split(floats, SHAPES))
    assert isinstance(result, tuple)
    assert bits(result) == bits(program.run(floats))


@given(st.integers(0, 10**6))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_programs_in_python(tmp_path, seed):
    program = random_program(seed, 7, 20)
    source = python_source(program, name="test", input_names=names(7), shapes=SHAPES)
    values = load_python(source, tmp_path)["values"]
    assert values(split(POLICIES, SHAPES), F) == exact_run(program, POLICIES)


def test_generated_python_needs_the_standard_library_only(tmp_path):
    path = tmp_path / "alone.py"
    source = python_source(made_up_program(), name="t", input_names=names(7), shapes=SHAPES)
    path.write_text(source + f"print(values({split([0.5] * 7, SHAPES)}))\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tuple(made_up_program().run([0.5] * 7)))


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        (0.5, "policies: expected a sequence of 2 arrays, one per player"),
        ([[[1, 0]] * 2], "policies: expected a sequence of 2 arrays, one per player"),
        ([[[1, 0]], [[1, 0, 0]]], r"policies\[0\]: expected 2 rows of 2 probabilities"),
        ([[[1, 0]] * 2, [[1, 0]]], r"policies\[1\]: expected 1 rows of 3 probabilities"),
        ([[1, 0], [[1, 0, 0]]], r"policies\[0\]: expected 2 rows of 2 probabilities"),
    ],
)
def test_generated_python_refuses_other_shapes(tmp_path, policies, message):
    source = python_source(made_up_program(), name="t", input_names=names(7), shapes=SHAPES)
    with pytest.raises(ValueError, match=message):
        load_python(source, tmp_path)["values"](policies)


def test_constants_of_any_size_are_exact_in_python(tmp_path):
    graph = Graph()
    x = graph.input()
    huge = F(7**9000, 3**9001)
    program = graph.program([x * graph.constant(huge)])
    source = python_source(program, name="t", input_names=["p"], shapes=[(1, 1)])
    assert load_python(source, tmp_path)["values"]([[[F(1)]]], F) == (huge,)


def test_a_hundred_thousand_instructions_in_python(tmp_path):
    program = random_program(3, 7, 34_000)
    assert len(program) > 100_000
    source = python_source(program, name="t", input_names=names(7), shapes=SHAPES)
    values = load_python(source, tmp_path)["values"]
    floats = [float(x) for x in POLICIES]
    expected = program.run(floats)
    assert all(map(isfinite, expected))
    assert bits(values(split(floats, SHAPES))) == bits(expected)


# C.


@needs_compiler
def test_c_source_bit_for_bit(tmp_path):
    program = made_up_program()
    source = c_source(program, name="small", input_names=names(7), shapes=SHAPES)
    values = load_c(source, tmp_path, "small", 2)
    rng = random.Random(0)
    for _ in range(200):
        floats = [rng.uniform(0.001, 1) for _ in range(7)]
        assert bits(values(floats)) == bits(program.run(floats))


@needs_compiler
@pytest.mark.parametrize("limit", [1, 7, 50, 1000])
def test_programs_in_several_functions(tmp_path, monkeypatch, limit):
    """However the program is cut, with numbers that outlive any number of parts."""
    monkeypatch.setattr(export, "MAX_FUNCTION", limit)
    program = random_program(limit, 7, 150, outputs=3)
    source = c_source(
        program, name="cut", input_names=names(7), shapes=[*SHAPES[:1], (1, 2), (1, 1)]
    )
    assert source.count("static void") == (0 if limit == 1000 else -(-len(program) // limit))
    values = load_c(source, tmp_path, "cut", 3)
    floats = [float(x) for x in POLICIES]
    assert bits(values(floats)) == bits(program.run(floats))


@needs_compiler
@pytest.mark.parametrize("length", [2_000, pytest.param(34_000, marks=pytest.mark.slow)])
def test_many_instructions_in_c(tmp_path, length):
    """6,000 of them, and 100,000."""
    program = random_program(4, 7, length)
    source = c_source(program, name="large", input_names=names(7), shapes=SHAPES)
    values = load_c(source, tmp_path, "large", 2)
    floats = [float(x) for x in POLICIES]
    assert bits(values(floats)) == bits(program.run(floats))


@needs_compiler
@pytest.mark.parametrize("limit", [1, 2000])
def test_programs_without_instructions_inputs_or_use(tmp_path, monkeypatch, limit):
    """Constants and inputs as outputs, inputs that nobody reads, instructions that nobody needs."""
    monkeypatch.setattr(export, "MAX_FUNCTION", limit)
    cases = {
        "leaf": Program(2, (F(-1, 3),), (), (1, 2)),
        "fixed": Program(2, (F(-1, 3), F(2)), (("+", 2, 3), ("*", 4, 4)), (5, 3)),
        "dead": Program(2, (F(5),), (("+", 0, 2), ("*", 0, 1), ("/", 0, 3)), (4, 4)),
    }
    for name, program in cases.items():
        source = c_source(program, name=name, input_names=names(2), shapes=[(1, 1), (1, 1)])
        values = load_c(source, tmp_path, name, 2)
        assert bits(values([0.25, 0.7])) == bits(program.run([0.25, 0.7]))


@needs_compiler
def test_constants_are_the_nearest_doubles(tmp_path):
    constants = (
        F(1, 3),
        F(-24, 25),
        F(2**53 + 1),
        F(1, 10**320),  # subnormal
        F(1, 10**400),  # rounds to 0
        F(10**308),
        F(0),
    )
    program = Program(1, constants, (), tuple(range(1, 8)))
    source = c_source(program, name="constants", input_names=["p"], shapes=[(1, 1)] + [(0, 0)] * 6)
    values = load_c(source, tmp_path, "constants", 7)
    assert bits(values([0.5])) == bits([float(c) for c in constants])


def test_constants_beyond_doubles_are_refused():
    program = Program(1, (F(1), F(10**400)), (), (1,))
    with pytest.raises(ValueError, match="constant number 1 is too large for a double"):
        c_source(program, name="a", input_names=["p"], shapes=[(1, 1)])


# Text from outside.

HOSTILE = [
    "*/ int main(void) { return 1; } /*",
    "line\nbreak\r\nand\x0b\x0cmore\u2028\u2085",
    'quote " and \\',
    "trigraph ??/",
    "/*/ ??/??",
    '"""\nimport os\n"""',
    "\u202e right to left \ud800 lone \x00",
    "é p_{CC}^{A}",
    "",
]


@needs_compiler
def test_hostile_text_stays_in_c_comments(tmp_path):
    program = made_up_program()
    texts = [HOSTILE[k] for k in range(7)]
    source = c_source(
        program, name="h", input_names=texts, shapes=SHAPES, header="\n".join(HOSTILE)
    )
    assert source.isascii()
    assert source.count("*/") == 1
    assert source.index("*/") < source.index("void h_values", source.index("*/"))
    values = load_c(source, tmp_path, "h", 2)
    assert bits(values([0.5] * 7)) == bits(program.run([0.5] * 7))


def test_hostile_text_stays_in_python_comments(tmp_path):
    program = made_up_program()
    texts = [HOSTILE[k] for k in range(7)]
    header = "\n".join(HOSTILE)
    source = python_source(
        program, name=HOSTILE[5], header=header, input_names=texts, shapes=SHAPES
    )
    module = load_python(source, tmp_path)
    assert "os" not in module
    assert "é p_{CC}^{A}" in source
    assert bits(module["values"](split([0.5] * 7, SHAPES))) == bits(program.run([0.5] * 7))
    plain = python_source(program, name="t", input_names=names(7), shapes=SHAPES)

    without = "\n".join(line.split("  #")[0] for line in source.splitlines() if line[:1] != "#")
    expected = "\n".join(line.split("  #")[0] for line in plain.splitlines() if line[:1] != "#")
    assert without == expected


@given(st.text(max_size=60))
@settings(max_examples=200)
def test_no_text_ends_a_c_comment(text):
    program = Program(1, (), (), (0,))
    source = c_source(program, name="a", input_names=[text], shapes=[(1, 1)], header=text)
    comment, _, rest = source.partition("*/")
    assert comment.isascii()
    assert comment.count("/*") == 1
    assert "??" not in comment
    assert "\\" not in comment
    plain = c_source(program, name="a", input_names=[""], shapes=[(1, 1)])
    assert rest == plain.partition("*/")[2]


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("pd", "pd"),
        ("A_1", "A_1"),
        ("Prisoner's dilemma", "prisoner_s_dilemma"),
        ("2x2; drop", "game_2x2_drop"),
        ("", "game"),
        ("über", "ber"),
        ("_hidden", "hidden"),
        ("x" * 80, "x" * 40),
    ],
)
def test_identifiers(text, identifier):
    assert c_identifier(text) == identifier
    assert c_identifier(identifier) == identifier


def test_a_name_that_is_no_identifier_is_refused():
    with pytest.raises(ValueError, match="name: expected a C identifier such as 'a_system'"):
        c_source(Program(1, (), (), (0,)), name="a; system", input_names=["p"], shapes=[(1, 1)])


@pytest.mark.parametrize("write", [python_source, c_source])
def test_what_does_not_fit_the_program_is_refused(write):
    program = made_up_program()
    with pytest.raises(ValueError, match="shapes: expected 7 policy entries.* got 4"):
        write(program, name="a", input_names=names(7), shapes=[(2, 2)])
    with pytest.raises(ValueError, match="input_names: expected 7.* got 6"):
        write(program, name="a", input_names=names(6), shapes=SHAPES)
    with pytest.raises(ValueError, match=r"one output per player \(1\), got 2"):
        write(program, name="a", input_names=names(7), shapes=[(7, 1)])
