"""The commands and their options, as typer reads them, and how they end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from resolvent.cli.errors import BAD_INPUT, FAILED, INTERRUPTED, OK, BadInputError, FailedError
from resolvent.cli.inputs import Asked

app: typer.Typer = typer.Typer(
    name="resolvent",
    help=(
        "Exact values, gradients and learning dynamics of iterated games.\n\n"
        "GAME is a name that `resolvent games` lists, with options after a colon (chicken:payoffs=mild), or a "
        "file in TOML or Gambit's .nfg.\n\n"
        "Results go to standard output, progress to standard error. Exit status: 0 done, 1 the computation failed "
        "(such as a run that was not finite), 2 wrong input, 130 interrupted."
    ),
    add_completion=False,
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


class Scale(StrEnum):
    """What values are measured in."""

    average = "average"
    sum = "sum"


class Order(StrEnum):
    """Which limit is taken first."""

    discount_first = "discount_first"
    noise_first = "noise_first"


class Tracing(StrEnum):
    """Which path is followed."""

    logarithmic = "logarithmic"
    linear = "linear"
    logit = "logit"


class Method(StrEnum):
    """How equilibria are found."""

    auto = "auto"
    linear = "linear"
    logarithmic = "logarithmic"
    logit = "logit"
    vertices = "vertices"
    supports = "supports"
    lemke_howson = "lemke_howson"
    pure = "pure"


class Parameters(StrEnum):
    """What learners change."""

    logits = "logits"
    policies = "policies"


Game = Annotated[str, typer.Argument(metavar="GAME", help="A name of the catalogue, or a file.")]
Discount = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBERS",
        help="Discount factor in [0, 1), such as 24/25 or 0.96; one for all players, or one each: 1/2,0.9. "
        "Default: the file's; 24/25 for the catalogue.",
        show_default=False,
    ),
]
Memory = Annotated[
    str | None,
    typer.Option(
        metavar="ROUNDS",
        help="Rounds remembered, by all players or by each: 2,1. Default: the file's, or 1.",
        show_default=False,
    ),
]
Observe = Annotated[
    str | None,
    typer.Option(
        metavar="WHAT",
        help="Of what is remembered, players see the others' actions (reactive), their own (own) or all. "
        "For all players or each.",
        show_default=False,
    ),
]
Initial = Annotated[
    str | None,
    typer.Option(
        metavar="STATE",
        help="Begin as if this had just been played, such as CC, or uniform: without a start.",
        show_default=False,
    ),
]
ImplementationNoise = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBERS",
        help="Chance that another action is realised than the one meant; for all players or each.",
        show_default=False,
    ),
]
ObservationNoise = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBERS",
        help="Chance to misread another player's last action; for all players or each.",
        show_default=False,
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="A number for a symbol of the game; repeatable."
    ),
]
Rate = Annotated[
    str, typer.Option(metavar="NUMBERS", help="Step size: one for all players, or one each: 1,0.5.")
]
Lookahead = Annotated[
    str | None,
    typer.Option(
        metavar="NUMBERS",
        help="Step size that the others are believed to use. Default: the rate.",
        show_default=False,
    ),
]
Once = Annotated[
    bool, typer.Option("--once", help="The matrix game, played once, instead of the iterated one.")
]
Certify = Annotated[
    bool,
    typer.Option("--certify", help="Also prove that there is an exact equilibrium at the result."),
]
Save = Annotated[
    Path | None,
    typer.Option(metavar="FILE.npz", help="Save the equilibrium.", show_default=False),
]
Plot = Annotated[
    Path | None,
    typer.Option(metavar="FILE.png", help="Draw it (also .pdf, .svg).", show_default=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON; exact numbers are strings.")]


def _version(asked: bool) -> None:
    if asked:
        from resolvent import __version__

        print(f"resolvent {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(short_help="Value, exact LOLA gradient and learning, on the prisoner's dilemma.")
def demo(
    runs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Pairs of players that learn.")
    ] = 256,
    steps: Annotated[int, typer.Option(min=0, metavar="N", help="Steps they learn.")] = 100,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the random starts.")] = 0,
) -> None:
    """The main job in one go: a game in; its value, its exact LOLA gradient and a learning run out."""
    from resolvent.cli.demo import demo as command

    command(runs, steps, seed)


@app.command(short_help="List the catalogue of games, or show one.")
def games(
    game: Annotated[str | None, typer.Argument(metavar="GAME", help="Show this one.")] = None,
    as_json: Json = False,
) -> None:
    """List the catalogue of games, or show one: payoffs, options and source.

    \b
    resolvent games
    resolvent games chicken
    """
    from resolvent.cli.games import games as command

    command(game, as_json)


@app.command(short_help="Derive a value: Markov chain, formula, program.")
def derive(
    game: Game,
    discount: Discount = None,
    memory: Memory = None,
    observe: Observe = None,
    initial: Initial = None,
    implementation_noise: ImplementationNoise = None,
    observation_noise: ObservationNoise = None,
    settings: Settings = None,
    normalise: Annotated[
        Scale, typer.Option(help="Values per round, or discounted sums.")
    ] = Scale.average,
    policies: Annotated[
        str | None,
        typer.Option(
            metavar="POLICIES",
            help="Also evaluate exactly: tit_for_tat,always:D. One for all players, or one each.",
            show_default=False,
        ),
    ] = None,
    expanded: Annotated[
        bool, typer.Option("--expanded", help="Print the values as quotients of polynomials.")
    ] = False,
    symmetric: Annotated[
        bool,
        typer.Option("--symmetric", help="Print the value where all play player 1's policy."),
    ] = False,
    average: Annotated[
        bool,
        typer.Option(
            "--average",
            help="Average payoffs, the limit of discount 1: with --policies or --expanded.",
        ),
    ] = False,
    trembling: Annotated[
        str | None,
        typer.Option(
            metavar="NOISE",
            help="With --average: a chance of a random action, or uniform for one that goes to 0.",
            show_default=False,
        ),
    ] = None,
    order: Annotated[
        Order | None,
        typer.Option(
            help="With --trembling uniform: which limit is taken first. Default: discount_first.",
            show_default=False,
        ),
    ] = None,
    enclose: Annotated[
        int | None,
        typer.Option(
            metavar="BITS",
            help="With --policies: values as intervals that contain them, of so many bits.",
            show_default=False,
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the closed form as LaTeX (.tex), source (.py, .c), or to load again (.json).",
            show_default=False,
        ),
    ] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Print LaTeX.")] = False,
    as_json: Json = False,
) -> None:
    """Derive the value of an iterated or stochastic game: Markov chain, formula, program.

    \b
    resolvent derive prisoners_dilemma --policies tit_for_tat,always:D
    resolvent derive prisoners_dilemma:symbolic --discount g --latex
    resolvent derive game.toml --set b=3 --set c=1 --expanded --json
    resolvent derive prisoners_dilemma --observe reactive --symmetric
    resolvent derive prisoners_dilemma --average --policies grim --trembling uniform
    resolvent derive chicken --memory 2,1 --export chicken.c

    A discount or noise that is a name stays a symbol. Policies: uniform, always:ACTION, tit_for_tat,
    win_stay_lose_shift, grim, memory_one:START:CC:CD:DC:DD (chances of cooperating, own action first).
    """
    from resolvent.cli.derive import Wanted
    from resolvent.cli.derive import derive as command

    asked = Asked(
        game,
        discount,
        memory,
        observe,
        initial,
        implementation_noise,
        observation_noise,
        settings or (),
    )
    wanted = Wanted(
        _scale(normalise),
        policies=policies,
        expanded=expanded,
        average=average,
        trembling=trembling,
        order=None if order is None else cast("Any", order.value),
        enclose=enclose,
        symmetric=symmetric,
        export=export,
        as_latex=latex,
        as_json=as_json,
    )
    command(asked, wanted)


@app.command(short_help="One exact update, term by term.")
def gradient(
    game: Game,
    learner: Annotated[
        str,
        typer.Option(metavar="NAMES", help="One for all players, or one each. See below."),
    ] = "lola",
    rate: Rate = "1",
    lookahead: Lookahead = None,
    policies: Annotated[
        str | None,
        typer.Option(
            metavar="POLICIES",
            help="Where: one for all players, or one each, as in `derive`. Default: uniform.",
            show_default=False,
        ),
    ] = None,
    logits: Annotated[
        str | None,
        typer.Option(
            "--logits",
            "--at",
            metavar="NUMBERS",
            help="Or where, by logits: 0,0,1,0,0;1,0,0,0,0. Parameters, of a differentiable game: 1/2;1/2; "
            "default 0.",
            show_default=False,
        ),
    ] = None,
    parameters: Annotated[
        Parameters, typer.Option(help="What is differentiated by, and changed.")
    ] = Parameters.logits,
    normalise: Annotated[
        Scale, typer.Option(help="Values per round, or discounted sums (as in most papers).")
    ] = Scale.sum,
    discount: Discount = None,
    memory: Memory = None,
    observe: Observe = None,
    initial: Initial = None,
    implementation_noise: ImplementationNoise = None,
    observation_noise: ObservationNoise = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """One update of every player, term by term: exact rationals, and what the compiled rule gives.

    \b
    resolvent gradient prisoners_dilemma
    resolvent gradient stag_hunt --learner lola:original,naive --rate 0.1
    resolvent gradient chicken --policies memory_one:1/2:9/10:1/10:9/10:1/10 --json
    resolvent gradient chicken --observe reactive --discount 1/2,9/10

    Learners: naive, look_ahead, lola (or lola:taylor), lola:original, lola:exact, sos, sga, loqa:model, coala, and
    more: see the guide to learners.
    """
    from resolvent.cli.gradient import gradient as command

    command(
        Asked(
            game,
            discount,
            memory,
            observe,
            initial,
            implementation_noise,
            observation_noise,
            settings or (),
        ),
        learner,
        rate,
        lookahead,
        policies,
        logits,
        cast("Literal['logits', 'policies']", parameters.value),
        _scale(normalise),
        as_json,
    )


@app.command(short_help="Let players learn from random starts.")
def learn(
    game: Game,
    learners: Annotated[
        str,
        typer.Option("--learners", "-l", metavar="NAMES", help="One for all players, or one each."),
    ] = "lola",
    steps: Annotated[int, typer.Option(min=0, metavar="N", help="Steps of every run.")] = 100,
    runs: Annotated[int, typer.Option(min=1, metavar="N", help="Independent runs.")] = 256,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the random starts.")] = 0,
    rate: Rate = "1",
    lookahead: Lookahead = None,
    scale: Annotated[
        str, typer.Option(metavar="NUMBER", help="Standard deviation of the logits at the start.")
    ] = "1",
    normalise: Annotated[
        Scale,
        typer.Option(help="What the rate multiplies: values per round, or discounted sums."),
    ] = Scale.sum,
    discount: Discount = None,
    memory: Memory = None,
    observe: Observe = None,
    initial: Initial = None,
    implementation_noise: ImplementationNoise = None,
    observation_noise: ObservationNoise = None,
    settings: Settings = None,
    save: Annotated[
        Path | None, typer.Option(metavar="FILE.npz", help="Save the run.", show_default=False)
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw it (also .pdf, .svg).", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let players learn from random starts, and see what they end up with.

    \b
    resolvent learn prisoners_dilemma
    resolvent learn prisoners_dilemma --learners lola,naive --runs 1000
    resolvent learn chicken:payoffs=mild -l lola:exact --rate 0.1 --save run.npz --plot run.png
    resolvent learn stag_hunt --observe reactive --implementation-noise 1/100

    Learners: naive, look_ahead, lola (or lola:taylor), lola:original, lola:exact, sos, sga, loqa:model, coala, mfos
    (trained first) and more: see the guide to learners. Rates in the papers are for discounted sums, the default
    here; payoffs are printed per round.
    """
    from resolvent.cli.learn import learn as command

    finished = command(
        Asked(
            game,
            discount,
            memory,
            observe,
            initial,
            implementation_noise,
            observation_noise,
            settings or (),
        ),
        learners,
        steps,
        runs,
        seed,
        rate,
        lookahead,
        scale,
        _scale(normalise),
        save,
        plot,
        as_json,
    )
    if not finished:
        raise KeyboardInterrupt


@app.command(short_help="Let every learner meet every other.")
def tournament(
    game: Game,
    learners: Annotated[
        str,
        typer.Option(
            "--learners", "-l", metavar="NAMES", help="Those who take part, by commas, or all."
        ),
    ] = "naive,lola",
    steps: Annotated[int, typer.Option(min=0, metavar="N", help="Steps of every run.")] = 200,
    runs: Annotated[
        int, typer.Option(min=1, metavar="N", help="Runs of every seating, from the same starts.")
    ] = 256,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the random starts.")] = 0,
    rate: Annotated[
        str,
        typer.Option(metavar="NUMBERS", help="Step size: one for all learners, or one each."),
    ] = "1",
    lookahead: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="Step size that others are believed to use: for all learners, or each. Default: the rate.",
            show_default=False,
        ),
    ] = None,
    scale: Annotated[
        str, typer.Option(metavar="NUMBER", help="Standard deviation of the logits at the start.")
    ] = "1",
    limit: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Norm of a player's logits beyond which a run counts as diverged.",
            show_default=False,
        ),
    ] = None,
    normalise: Annotated[
        Scale,
        typer.Option(help="What the rate multiplies: values per round, or discounted sums."),
    ] = Scale.sum,
    discount: Discount = None,
    memory: Memory = None,
    observe: Observe = None,
    initial: Initial = None,
    implementation_noise: ImplementationNoise = None,
    observation_noise: ObservationNoise = None,
    settings: Settings = None,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz", help="Save it (.npz), or the means (.csv).", show_default=False
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw it (also .pdf, .svg).", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let every learner meet every other in every seat, from the same random starts.

    \b
    resolvent tournament prisoners_dilemma
    resolvent tournament prisoners_dilemma --learners naive,lola:original,sos --runs 256 --steps 200
    resolvent tournament chicken:payoffs=mild -l lola,lola --rate 0.1,1 --save cross.csv --plot cross.png

    Learners: as in `learn`, or `all` that need no training. Both (a, b) and (b, a) are played. Payoffs are
    printed per round.
    """
    from resolvent.cli.tournament import tournament as command

    finished = command(
        Asked(
            game,
            discount,
            memory,
            observe,
            initial,
            implementation_noise,
            observation_noise,
            settings or (),
        ),
        learners,
        steps,
        runs,
        seed,
        rate,
        lookahead,
        scale,
        limit,
        _scale(normalise),
        save,
        plot,
        as_json,
    )
    if not finished:
        raise KeyboardInterrupt


@app.command(short_help="The equilibrium to which a prior leads.")
def trace(
    game: Game,
    prior: Annotated[
        str,
        typer.Option(
            metavar="NAMES",
            help="What players expect at first: one for all players, or one each. See below.",
        ),
    ] = "uniform",
    method: Annotated[Tracing, typer.Option(help="Which path is followed.")] = Tracing.logarithmic,
    mixed: Annotated[
        str, typer.Option(metavar="SHARE", help="Mix the prior with the uniform one.")
    ] = "0",
    once: Once = False,
    discount: Discount = None,
    memory: Memory = None,
    observe: Observe = None,
    initial: Initial = None,
    implementation_noise: ImplementationNoise = None,
    observation_noise: ObservationNoise = None,
    settings: Settings = None,
    certify: Certify = False,
    save: Save = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Follow a tracing procedure, or the logit branch, from a prior to an equilibrium.

    \b
    resolvent trace stag_hunt --once
    resolvent trace prisoners_dilemma --prior grim --discount 9/10
    resolvent trace prisoners_dilemma --prior run.npz:0 --plot path.png
    resolvent trace stag_hunt --once --method linear --json

    Priors: uniform, grim, win_stay_lose_shift, tit_for_tat, generous_tit_for_tat, equalizer, extortion; policies as
    of `derive`; mixed:1/3:2/3; or a run or an equilibrium that was saved (run.npz:7 is its run 7). From a prior that
    is the same in all states, iterated games end in an equilibrium of the stage game.
    """
    from resolvent.cli.trace import trace as command

    command(
        Asked(
            game,
            discount,
            memory,
            observe,
            initial,
            implementation_noise,
            observation_noise,
            settings or (),
        ),
        once,
        prior,
        mixed,
        method.value,
        certify,
        save,
        plot,
        as_json,
    )


@app.command(short_help="An equilibrium, or all that can be found.")
def nash(
    game: Game,
    every: Annotated[
        bool, typer.Option("--all", help="All equilibria that the method finds.")
    ] = False,
    method: Annotated[
        Method, typer.Option(help="How; auto chooses by the kind of game.")
    ] = Method.auto,
    once: Once = False,
    discount: Discount = None,
    memory: Memory = None,
    observe: Observe = None,
    initial: Initial = None,
    implementation_noise: ImplementationNoise = None,
    observation_noise: ObservationNoise = None,
    settings: Settings = None,
    certify: Certify = False,
    save: Save = None,
    plot: Plot = None,
    as_json: Json = False,
) -> None:
    """Find an equilibrium of a game, or all that can be found.

    \b
    resolvent nash stag_hunt --once
    resolvent nash stag_hunt --once --all
    resolvent nash prisoners_dilemma --discount 9/10 --all --method pure
    resolvent nash game.nfg --method lemke_howson --certify

    Of a matrix game of two players, --all lists all extreme equilibria, exactly. Of other games it lists those that
    paths from many priors reach; --method pure lists all pure stationary ones that are subgame perfect.
    """
    from resolvent.cli.nash import nash as command

    command(
        Asked(
            game,
            discount,
            memory,
            observe,
            initial,
            implementation_noise,
            observation_noise,
            settings or (),
        ),
        once,
        every,
        method.value,
        certify,
        save,
        plot,
        as_json,
    )


@app.command(short_help="Whether policies are an equilibrium.")
def verify(
    game: Game,
    policies: Annotated[
        str,
        typer.Argument(
            metavar="POLICIES", help="One for all players, or one each, as in `derive`; or a file."
        ),
    ],
    subgame_perfect: Annotated[
        bool, typer.Option("--subgame-perfect", help="Ask it of every state.")
    ] = False,
    tolerance: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="The gain to overlook, as a share of the payoff range. Default: 0, and 1e-9 for floats.",
            show_default=False,
        ),
    ] = None,
    once: Once = False,
    discount: Discount = None,
    memory: Memory = None,
    observe: Observe = None,
    initial: Initial = None,
    implementation_noise: ImplementationNoise = None,
    observation_noise: ObservationNoise = None,
    settings: Settings = None,
    certify: Certify = False,
    save: Save = None,
    as_json: Json = False,
) -> None:
    """Say what each player could gain by any other strategy, in rationals; status 1 unless it is an equilibrium.

    \b
    resolvent verify prisoners_dilemma grim --subgame-perfect
    resolvent verify prisoners_dilemma tit_for_tat,always:D
    resolvent verify stag_hunt mixed:2/3:1/3 --once
    resolvent verify prisoners_dilemma run.npz:0 --tolerance 1e-3
    """
    from resolvent.cli.verify import verify as command

    command(
        Asked(
            game,
            discount,
            memory,
            observe,
            initial,
            implementation_noise,
            observation_noise,
            settings or (),
        ),
        once,
        policies,
        subgame_perfect,
        tolerance,
        certify,
        save,
        as_json,
    )


@app.command(short_help="Fixed points, and what each learning rule makes of them.")
def stability(
    game: Annotated[
        str | None, typer.Argument(metavar="GAME", help="A name of the catalogue, or a file.")
    ] = None,
    learner: Annotated[
        str,
        typer.Option(
            "--learner", "-l", metavar="NAMES", help="Rules to compare, each for all players."
        ),
    ] = "naive,look_ahead,lola,sos",
    rate: Rate = "1/10",
    lookahead: Lookahead = None,
    region: Annotated[
        str,
        typer.Option(metavar="LOW,HIGH", help="Between which all parameters are looked for."),
    ] = "-3,3",
    starts: Annotated[
        int, typer.Option(min=1, metavar="N", help="Starts of Newton's method.")
    ] = 256,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="One point in place of a region: 1/2;1/2, players apart by semicolons.",
            show_default=False,
        ),
    ] = None,
    normalise: Annotated[
        Scale,
        typer.Option(help="What the rate multiplies: values per round, or discounted sums."),
    ] = Scale.sum,
    discount: Discount = None,
    memory: Memory = None,
    observe: Observe = None,
    initial: Initial = None,
    implementation_noise: ImplementationNoise = None,
    observation_noise: ObservationNoise = None,
    settings: Settings = None,
    theorems: Annotated[
        bool, typer.Option("--theorems", help="Run the checks of theorems in place of a game.")
    ] = False,
    theorem: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Run the check of one theorem.", show_default=False),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE.md", help="Write the table.", show_default=False),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Draw the multipliers (also .pdf, .svg).", show_default=False
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Find the fixed points of a game, say what they are, and which learning rule keeps, adds or loses which.

    \b
    resolvent stability tandem --learner lola,sos
    resolvent stability hamiltonian --learner naive,lola:exact,optimistic_gradient --rate 1/2
    resolvent stability balduzzi --at "0;0" --learner consensus_optimization --json
    resolvent stability --theorems
    resolvent stability --theorem lola_loses

    In floating point, by margins beyond rounding; what is within it is undecided. Learners: as in `learn`. With
    logits, deterministic policies are at infinity, and are not among the fixed points.
    """
    from resolvent.cli.stability import Wanted
    from resolvent.cli.stability import stability as command
    from resolvent.cli.stability import theorems as check

    if theorems or theorem is not None:
        if game is not None:
            raise BadInputError(f"GAME: theorems come with games of their own; leave out {game!r}")
        check(theorem, as_json)
        return
    if game is None:
        raise BadInputError("GAME: expected a game, or --theorems")
    command(
        Asked(
            game,
            discount,
            memory,
            observe,
            initial,
            implementation_noise,
            observation_noise,
            settings or (),
        ),
        Wanted(learner, rate, lookahead, region, starts, at, _scale(normalise)),
        markdown,
        plot,
        as_json,
    )


@app.command(short_help="Sampled estimators against the exact derivatives.")
def benchmark(
    game: Game,
    estimators: Annotated[
        str,
        typer.Option("--estimators", "-e", metavar="NAMES", help="Which, by commas, or all."),
    ] = "reinforce,actor_critic,dice,loaded_dice",
    quantities: Annotated[
        str,
        typer.Option("--quantities", metavar="NAMES", help="Some of gradient, hessian, lola."),
    ] = "gradient,hessian,lola",
    batches: Annotated[
        str, typer.Option(metavar="NUMBERS", help="Trajectories per estimate, by commas.")
    ] = "64,512",
    horizon: Annotated[
        int, typer.Option(min=1, metavar="ROUNDS", help="Rounds of a trajectory.")
    ] = 150,
    repeats: Annotated[
        int, typer.Option(min=2, metavar="N", help="Estimates of each kind at each point.")
    ] = 10,
    points: Annotated[
        int, typer.Option("--points", min=1, metavar="N", help="Random policies to estimate at.")
    ] = 1,
    scale: Annotated[
        str, typer.Option(metavar="NUMBER", help="Standard deviation of their logits.")
    ] = "1",
    player: Annotated[int, typer.Option(metavar="NUMBER", help="Whose value, from 1.")] = 1,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of all randomness.")] = 0,
    normalise: Annotated[
        Scale, typer.Option(help="Values per round, or discounted sums.")
    ] = Scale.sum,
    discount: Discount = None,
    memory: Memory = None,
    observe: Observe = None,
    initial: Initial = None,
    implementation_noise: ImplementationNoise = None,
    observation_noise: ObservationNoise = None,
    settings: Settings = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Save it, .json or .csv.", show_default=False
        ),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE.md", help="Write the table.", show_default=False),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw errors (also .pdf, .svg).", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure bias, variance, correlation and error of sampled estimators against the exact value, and their time.

    \b
    resolvent benchmark prisoners_dilemma
    resolvent benchmark prisoners_dilemma -e dice,mao,loaded_dice,lvc --batches 64,512,4096 --points 3
    resolvent benchmark stag_hunt -e all --quantities gradient --output result.csv --plot result.png

    Estimators: reinforce, reinforce_whole_return, reinforce_baseline, actor_critic, dice, dice_baseline, mao,
    loaded_dice, lvc, lola_pg, finite_differences, evolution_strategies; with exact critics but for reinforce and
    dice. The quantity lola is the shaping term at a look-ahead of 1.
    """
    from resolvent.cli.benchmark import Wanted
    from resolvent.cli.benchmark import benchmark as command

    finished = command(
        Asked(
            game,
            discount,
            memory,
            observe,
            initial,
            implementation_noise,
            observation_noise,
            settings or (),
        ),
        Wanted(
            estimators,
            quantities,
            batches,
            horizon,
            repeats,
            points,
            scale,
            player,
            seed,
            _scale(normalise),
        ),
        save,
        markdown,
        plot,
        as_json,
    )
    if not finished:
        raise KeyboardInterrupt


@app.command(short_help="What kind of policy a policy is, and at which discounts.")
def classify(
    game: Game,
    policy: Annotated[
        str,
        typer.Argument(
            metavar="POLICY",
            help="A name (grim, tit_for_tat, always:D), or chances START,CC,CD,DC,DD, own action first.",
        ),
    ],
    player: Annotated[int, typer.Option(metavar="N", help="Whose policy it is, from 1.")] = 1,
    discount: Discount = None,
    memory: Memory = None,
    initial: Initial = None,
    implementation_noise: ImplementationNoise = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Say what kind of policy a policy is: nice, partner, rival, equalizer, zero-determinant, Nash, at which discounts.

    \b
    resolvent classify prisoners_dilemma tit_for_tat
    resolvent classify prisoners_dilemma 1,1,0,0,1 --discount 9/10
    resolvent classify prisoners_dilemma:T=5,R=3,P=1,S=0 1,8/9,4/9,4/9,2/9 --discount 9/10
    resolvent classify public_goods always:D --json

    Exact, against every strategy of the others: sets of discounts in [0, 1) have algebraic ends. Four chances
    leave out the first round's, which is then the one after mutual cooperation.
    """
    from resolvent.cli.classify import classify as command

    command(
        Asked(game, discount, memory, None, initial, implementation_noise, None, settings or ()),
        policy,
        player,
        as_json,
    )


@app.command(short_help="Run a published table again: published, ours, difference.")
def reproduce(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The experiment. Default: list them.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A short version: fewer runs, or part of the table.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the random starts.")] = 0,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE.md", help="Write protocol and table.", show_default=False),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw it (also .pdf, .svg).", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a published table again, and print the published numbers, ours and the difference.

    \b
    resolvent reproduce
    resolvent reproduce lola_ipd --quick
    resolvent reproduce sos_ipd --markdown sos_ipd.md --plot sos_ipd.png
    """
    from resolvent.cli.reproduce import reproduce as command

    command(name, quick, seed, markdown, plot, as_json)


def _scale(scale: Scale) -> Literal["average", "sum"]:
    return cast("Literal['average', 'sum']", scale.value)


def run(arguments: Sequence[str]) -> int:
    """Run one command; return its exit status. What goes wrong is one line on standard error."""
    command: Any = typer.main.get_command(app)
    try:
        status = command.main(
            list(arguments) or ["--help"], prog_name="resolvent", standalone_mode=False
        )
        sys.stdout.flush()
        # Some versions of typer turn Ctrl-C into this status themselves.
        if status == INTERRUPTED:
            raise KeyboardInterrupt
        return status if isinstance(status, int) else OK
    except BadInputError as error:
        return _end(str(error), BAD_INPUT)
    except FailedError as error:
        return _end(str(error), FAILED)
    except (KeyboardInterrupt, typer.Abort):
        return _end("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # The reader has seen enough (`| head`). Nothing may be flushed to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except _USAGE_ERROR as error:
        return _end(f"{error.format_message()} (resolvent --help)", BAD_INPUT)


# The base of everything that is wrong with the options: click's, or typer's own copy of it.
_USAGE_ERROR: Any = typer.BadParameter.__mro__[2]


def _end(message: str, status: int) -> int:
    print(f"resolvent: {message}", file=sys.stderr)
    return status
