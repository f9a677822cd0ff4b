"""Every learner against every other in five games: `python -m benchmarks.field [--runs N] [--steps N] [--out docs]`.

Writes the page `field.md`, a heat map of each game (`images/field-GAME.svg`) and its cross table
(`data/field-GAME.csv`). Learners are those that the command line knows by name, with one rate for all, on discounted
sums, and for each game an M-FOS meta-policy that was trained against naive learners first. Nothing is sampled but the
starts, and the weights that training begins with.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
GAMES = (
    "prisoners_dilemma",
    "matching_pennies",
    "chicken",
    "stag_hunt",
    "battle_of_the_sexes",
)
PAYOFFS = {"chicken": ("mild",)}
DISCOUNT = "24/25"
RATE = 1.0
# Rules that solve a problem in every step, and would solve another at a general default.
SETTINGS: Mapping[str, Mapping[str, object]] = {
    "pola": {"solver": "newton", "max_steps": 50},
    "best_response_dynamics": {"rate": 0.1},
}


def field_of(values, starts) -> tuple[dict, dict[str, str]]:
    """The learners that can play these values, by name, and what the others say."""
    import inspect

    from resolvent.numeric import LEARNERS, MFOS, Naive, affine_policy, meta_game, train

    able, unable = {}, {}
    for name, build in LEARNERS.items():
        given = {"rate": RATE} if "rate" in inspect.signature(build).parameters else {}
        rule = build(**given | dict(SETTINGS.get(name, {})))
        try:
            for player in range(values.num_players):
                rule.check(values, player)
        except ValueError as error:
            unable[name] = str(error).removeprefix("values: ")
            continue
        able[name] = rule
    policies = []
    for player in range(values.num_players):
        among = meta_game(values, Naive(RATE), starts, 100, player=player, truncate=10)
        policies.append(train(among, affine_policy(values, player), 300, rate=0.02).policy)
    able["mfos"] = MFOS(tuple(policies))
    return able, unable


def play(name: str, runs: int, steps: int, seed: int):
    """The tournament of one game, and who could not take part."""
    import jax

    from resolvent import games
    from resolvent.analytic import closed_form
    from resolvent.numeric import tournament

    game = games.CATALOGUE[name](*PAYOFFS.get(name, ())).iterated(DISCOUNT)
    values = closed_form(game, normalise="sum").compile()
    first, second = jax.random.split(jax.random.key(seed))
    keys = jax.random.split(second, values.num_players)
    shapes = zip(keys, values.shapes, strict=True)
    starts = tuple(jax.random.normal(key, (64, *shape)) for key, shape in shapes)
    learners, unable = field_of(values, starts)
    print(f"{name}: {len(learners)} learners", file=sys.stderr, flush=True)
    cross = tournament(values, learners, first, steps, batch=runs, progress=sys.stderr.isatty())
    return cross, unable


def draw(cross, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    mean = cross.table()[0]
    size = 2 + 0.33 * len(cross.names)
    figure, ax = pyplot.subplots(figsize=(size + 1, size), layout="constrained")
    image = ax.imshow(np.ma.masked_invalid(mean), cmap="viridis")
    figure.colorbar(image, ax=ax, label="payoff of player 1 per round", shrink=0.8)
    ax.set_xticks(range(len(cross.names)), cross.names, rotation=90)
    ax.set_yticks(range(len(cross.names)), cross.names)
    ax.set(xlabel="player 2", ylabel="player 1", title=cross.provenance["name"])
    with matplotlib.rc_context({"svg.hashsalt": "field", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def page(found: Mapping[str, tuple], runs: int, steps: int, seconds: float) -> str:
    """The text of `docs/field.md`."""
    names = list(dict.fromkeys(own for cross, _ in found.values() for own in cross.names))
    lines = [
        "# The whole field",
        "",
        "Every learner of the library against every other in five games, computed exactly: "
        f"{runs} starts of standard normal logits, {steps} steps, discount {DISCOUNT}, rate {RATE:g} on discounted "
        "sums for everybody, and each other's default settings. Payoffs are per round. Written by",
        "",
        "```console",
        "$ python -m benchmarks.field",
        "```",
        "",
        f"in a clone, here in {seconds / 60:.0f} minutes on two busy cores, two thirds of it for compiling. "
        "`mfos` is an affine meta-policy that was trained in the game against naive learners, for each seat; all "
        "others know nothing of whom they meet. Chicken is played with its mild payoffs. One rate for all is the only "
        "fair choice that needs no choosing, and it is no rule's best: read the tables as what the rules do, not as a "
        "ranking.",
        "",
        "## Means over all opponents, and against itself",
        "",
        "| learner | " + " | ".join(f"{game.replace('_', ' ')}" for game in found) + " |",
        "| --- |" + " ---: |" * len(found),
    ]
    for name in names:
        cells = []
        for cross, _ in found.values():
            if name not in cross.names:
                cells.append("–")
                continue
            k, mean = cross.names.index(name), cross.table()[0]
            # A seating without a run that ended well has no mean, and is left out.
            over = np.nanmean(mean[k]) if np.isfinite(mean[k]).any() else np.nan
            cells.append(f"{over:.3f}, {mean[k, k]:.3f}")
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    for game, (cross, unable) in found.items():
        title = cross.provenance["name"]
        lines += ["", f"## {title[0].upper()}{title[1:]}", ""]
        lines += [
            f"![Payoffs of player 1 in every seating](images/field-{game}.svg)",
            "",
            f"The numbers, of both players and with standard errors: [field-{game}.csv](data/field-{game}.csv).",
            "",
            *extremes(cross),
        ]
        lines += ["", *failures(cross)]
        if unable:
            lines += [
                "",
                "Not here: " + "; ".join(f"`{k}` ({own})" for k, own in unable.items()) + ".",
            ]
    return "\n".join(lines).rstrip() + "\n"


def numbers(cross) -> str:
    """The cross table as text, payoffs per round to six digits."""
    mean, error = cross.per_round * cross.mean, cross.per_round * cross.error
    lines = ["player_1,player_2,payoff_1,error_1,payoff_2,error_2"]
    for (a, first), (b, second) in itertools.product(enumerate(cross.names), repeat=2):
        cells = np.stack([mean[a, b], error[a, b]], axis=1).ravel()
        lines.append(",".join([first, second, *(f"{own:.6g}" for own in cells)]))
    return "\n".join(lines) + "\n"


def extremes(cross) -> list[str]:
    """Who gets most from whom."""
    mean = cross.table()[0]
    order = [
        divmod(int(k), len(mean)) for k in np.argsort(-np.nan_to_num(mean, nan=-np.inf), axis=None)
    ]
    rows = [
        f"| `{cross.names[a]}` | `{cross.names[b]}` | {mean[a, b]:.3f} | {cross.table(1)[0][b, a]:.3f} |"
        for a, b in order[:5]
    ]
    return ["| player 1 | player 2 | payoff 1 | payoff 2 |", "| --- | --- | ---: | ---: |", *rows]


def failures(cross) -> list[str]:
    """Learners some of whose runs came to no end."""
    bad = ~cross.counted
    if not bad.any():
        return ["All runs ended well."]
    share = [(bad[k].mean(), name) for k, name in enumerate(cross.names) if bad[k].any()]
    worst = ", ".join(f"`{name}` {own:.1%}" for own, name in sorted(share, reverse=True)[:6])
    return [f"Runs that diverged, and are in no mean, by the learner of player 1: {worst}."]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=32)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--games", nargs="+", default=GAMES, choices=GAMES)
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    asked = parser.parse_args(arguments)

    import resolvent

    resolvent.tune()
    import jax

    jax.config.update("jax_enable_x64", True)
    began = time.perf_counter()
    found = {}
    for folder in ("images", "data"):
        (asked.out / folder).mkdir(parents=True, exist_ok=True)
    for game in asked.games:
        cross, unable = play(game, asked.runs, asked.steps, asked.seed)
        found[game] = (cross, unable)
        draw(cross, asked.out / "images" / f"field-{game}.svg")
        (asked.out / "data" / f"field-{game}.csv").write_text(numbers(cross), encoding="utf-8")
        print(f"{game}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    text = page(found, asked.runs, asked.steps, time.perf_counter() - began)
    (asked.out / "field.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
