#!/usr/bin/env python3
"""Prints compare.py's figures as markdown tables, and draws them with gnuplot."""
from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

import plan

MOST_OTHERS = 0.05  # share of the CPUs' time that others may have for a verdict

Values = list[float | None]


class Results:
    def __init__(self, results: dict) -> None:
        self.results = results
        self.values: dict[tuple[str, str, str, str], Values] = {
            (one["part"], one["subject"], one["case"], one["contender"]): one["values"]
            for one in results["figures"]}

    def of(self, part: str, subject: str, case: str, contender: str) -> Values:
        return self.values.get((part, subject, case, contender), [])

    def median(self, *key: str) -> float | None:
        values = [value for value in self.of(*key) if value is not None]
        return statistics.median(values) if values else None

    def subjects(self, part: str) -> list[str]:
        return list(dict.fromkeys(key[1] for key in self.values if key[0] == part))


def ratios(above: Values, below: Values) -> list[float]:
    """Round by round, of the rounds that have both."""
    return [one / other for one, other in zip(above, below) if one and other]


def ratio_cell(found: list[float]) -> str:
    if not found:
        return "–"
    return f"{statistics.median(found):.2f} ({min(found):.2f}–{max(found):.2f})"


def verdict(found: list[float], goal: float, results: dict) -> str:
    if not found:
        return "not measured"
    if not quiet(results):
        return "no verdict: busy machine"
    return "reached" if statistics.median(found) >= goal else "not reached"


def quiet(results: dict) -> bool:
    """Whether others left the CPUs alone: contenders do not suffer alike when they do not."""
    return results["others_share"] is not None and results["others_share"] <= MOST_OTHERS


def figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def table(rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]]) + "\n"


def case_label(case: str) -> str:
    return f"prompt of {plan.PROMPT_TOKENS}" if case == "prompt" else \
        case.replace("decode", "decode, batch")


def command(part: str, models: str, results: dict) -> str:
    flags = f" --models {models}" if models else ""
    return f"`tools/peers/compare.py --parts {part}{flags} -t {results['threads']}`"


def others(results: dict) -> str:
    share = results["others_share"]
    return "unknown, the run was interrupted" if share is None else f"{share:.0%}"


def head(results: dict) -> str:
    text = (f"{results['date']}, {results['cpu']}, {results['cpus']} CPUs, {results['threads']} "
            f"threads each; {results['rounds']} rounds in alternating order, "
            f"{results['minutes']:.0f} minutes, others' share of the CPUs: {others(results)}.\n"
            f"{', '.join(results['versions'])}.\n")
    for where, why in results["failures"].items():
        text += f"Left out: {where}: {why}\n"
    for printed in results["octet"].values():
        if roofline := printed.get("roofline"):
            return text + (f"octet used {printed['isa']}; ceilings measured in its first run: int8 "
                           f"{roofline['int8_tops']:.2f} TOPS, bf16 {roofline['bf16_tflops']:.2f} "
                           f"TFLOPS, DRAM {roofline['dram_gb_per_s']:.1f} GB/s.\n")
    return text


def goals_table(results: Results) -> str:
    rows = [["octet's speed over", "median of ratios (lowest–highest)", "goal", "", "command"]]
    for goal in plan.GOALS:
        ours = results.of(goal.part, goal.model, goal.case, goal.ours)
        found = ratios(ours, results.of(goal.part, goal.model, goal.case, goal.against))
        if not found:
            continue
        rows.append([f"{plan.MODELS[goal.model]}, {case_label(goal.case)}: "
                     f"{plan.CONTENDERS[goal.ours].label} over "
                     f"{plan.CONTENDERS[goal.against].label}",
                     ratio_cell(found), f"{goal.ratio:g}",
                     verdict(found, goal.ratio, results.results),
                     command(goal.part, goal.model, results.results)])
    return table(rows) if len(rows) > 1 else ""


def speeds_table(results: Results) -> str:
    columns = list(dict.fromkeys(key[:3] for key in results.values if key[0] not in
                                 ("matmul", "load")))
    if not columns:
        return ""
    rows = [["tokens/s", *(f"{plan.MODELS[model]}, {case_label(case)}"
                           for _, model, case in columns)]]
    for contender in plan.CONTENDERS.values():
        cells = [figure(results.median(*column, contender.key)) for column in columns]
        if set(cells) != {"–"}:
            rows.append([contender.label, *cells])
    return table(rows)


def shares_table(results: Results) -> str:
    """octet's last run of each measurement, beside the ceilings that it measured itself."""
    rows = [["octet beside its ceilings (last round)", "tokens/s", "of the ceiling",
             "weights of a step"]]
    for name, printed in results.results["octet"].items():
        part, model, key = name.split("/")
        if part not in ("decode", "batch", "prompt"):
            continue
        label = f"{plan.MODELS[model]}, {plan.CONTENDERS[key].label}"
        weights = f"{printed['step_weight_bytes'] / 1e6:.0f} MB, " \
            f"{'fit' if printed['weights_fit_cache'] else 'do not fit'} the cache"
        if part == "prompt":
            rows.append([f"{label}, {case_label('prompt')}",
                         figure(printed["prompt_tokens_per_s"]),
                         f"{printed['prompt_share_of_peak']:.0%} of the peak", weights])
            continue
        rows += [[f"{label}, decode, batch {one['batch']}", figure(one["tokens_per_s"]),
                  f"{one['share_of_dram']:.0%} of DRAM ({one['gb_per_s']:.1f} GB/s)", weights]
                 for one in printed["decode"]]
    return table(rows) if len(rows) > 1 else ""


def matmul_table(results: Results) -> str:
    sizes = results.subjects("matmul")
    if not sizes:
        return ""
    bf16, eight, sixteen = plan.MATMUL_VARIANTS.values()
    names = {bf16: bf16, "torch": plan.CONTENDERS["torch"].label, eight: eight, sixteen: sixteen,
             "bnb": plan.CONTENDERS["bnb"].label}
    rows = [["d → 4d, µs", "rows", *names.values(), "8 bits over the faster bf16",
             "16 bits over it", "goal", "8 / 16 bits"]]
    for size in sizes:
        for row in map(str, plan.MATMUL_ROWS):
            goal = plan.matmul_goal(int(size), int(row))
            faster = faster_of(results.of("matmul", size, row, bf16),
                               results.of("matmul", size, row, "torch"))
            found = [ratios(faster, results.of("matmul", size, row, one))
                     for one in (eight, sixteen)]
            rows.append([size, row,
                         *(figure(results.median("matmul", size, row, name)) for name in names),
                         *map(ratio_cell, found), f"{'≥' if goal > 1 else '>'} {goal:g}",
                         " / ".join(verdict(one, goal, results.results) for one in found)])
    text = command("matmul", "", results.results)
    return f"{table(rows)}\nLinear layers with three outlier columns: {text}\n"


def faster_of(one: Values, other: Values) -> Values:
    """The smaller time of each round."""
    length = max(len(one), len(other))
    padded = [values + [None] * (length - len(values)) for values in (one, other)]
    return [min((value for value in pair if value is not None), default=None)
            for pair in zip(*padded)]


def load_table(results: Results) -> str:
    model = "llama-1.17b"
    key = ("load", model, "load")
    rows = [["loading the 1.17B shape, f16 safetensors in the page cache", "s", "GB/s"]]
    for name in ("octet", "bnb"):
        if seconds := results.median(*key, name):
            rate = results.results["checkpoint_bytes"] / seconds / 1e9
            rows.append([plan.CONTENDERS[name].label, f"{seconds:.2f}", f"{rate:.2f}"])
    if len(rows) == 1:
        return ""
    octet = results.of(*key, "octet")
    size = results.results["checkpoint_bytes"] / 1e9
    goals = [["", "median (lowest–highest)", "goal", "", "command"]]
    for label, found, goal in (
            ("bitsandbytes' time over octet's", ratios(results.of(*key, "bnb"), octet),
             plan.LOAD_GOAL),
            ("octet's GB/s", [size / seconds for seconds in octet if seconds],
             plan.LOAD_GB_PER_S)):
        goals.append([label, ratio_cell(found), f"{goal:g}", verdict(found, goal, results.results),
                      command("load", "", results.results)])
    return f"{table(rows)}\n{table(goals)}"


def markdown(results: dict) -> str:
    wrapped = Results(results)
    sections = [head(results), goals_table(wrapped), speeds_table(wrapped), shares_table(wrapped),
                matmul_table(wrapped), load_table(wrapped)]
    return "\n".join(section for section in sections if section)


def tic_step(highest: float) -> float:
    """A round step that cuts an axis into five parts at most."""
    power = 10 ** math.floor(math.log10(highest / 5))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= highest / 5)


def panel(results: Results, column: tuple[str, str, str]) -> str:
    """gnuplot's commands for one measurement: a bar for each contender, from lowest to highest."""
    bars = []
    highest = 0.0
    for contender in reversed(plan.CONTENDERS.values()):
        values = [value for value in results.of(*column, contender.key) if value is not None]
        if values:
            highest = max(highest, *values)
            color = "#c0392b" if contender in plan.OCTETS else "#7f8c8d"
            median = statistics.median(values)
            bars.append(f'"{contender.label}" {median} {min(values)} {max(values)} '
                        f'{int(color[1:], 16)} {len(bars)} "{figure(median)}"')
    _, model, case = column
    return "\n".join([
        "$data << END", *bars, "END",
        f'set title "{plan.MODELS[model]}, {case_label(case)}"',
        f"set yrange [-0.6:{len(bars) - 0.4}]",
        f"set xtics {tic_step(highest)}",
        "plot $data using ($2/2):6:($2/2):(0.35):5:ytic(1) with boxxyerrorbars lc rgb variable, "
        '"" using 2:6:3:4 with xerrorbars lc rgb "black" pt 0, "" using 4:6:7'
        " with labels left offset 1,0 font ',9'"])


def plot(results: dict, path: Path) -> None:
    wrapped = Results(results)
    columns = list(dict.fromkeys(key[:3] for key in wrapped.values if key[0] not in
                                 ("matmul", "load")))
    across = 2
    down = -(-len(columns) // across)
    terminal = "svg noenhanced background 'white'" if path.suffix == ".svg" else "pngcairo noenhanced"
    script = "\n".join([
        f"set terminal {terminal} size 1100,{max(1, down) * 230 + 40} font 'sans,11'",
        f"set output '{path}'",
        f"set multiplot layout {max(1, down)},{across} title \"tokens per second, "
        f"{results['threads']} threads, {results['cpu']}, {results['date'].split()[0]}\"",
        "unset key; set xrange [0:*]; set style fill solid 0.9; set grid xtics; set border 3",
        "set tics nomirror; set offsets 0,graph 0.15,0,0; set lmargin 28",
        *(panel(wrapped, column) for column in columns), "unset multiplot"])
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def write(results: dict, markdown_path: str, plot_path: str) -> int:
    text = markdown(results)
    print(text)
    if markdown_path:
        Path(markdown_path).write_text(text + "\n")
    if plot_path:
        if not shutil.which("gnuplot"):
            print("report: no gnuplot; run tools/peers/setup", file=sys.stderr)
            return 1
        plot(results, Path(plot_path))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, help="JSON of compare.py")
    parser.add_argument("--markdown", default="", help="write the report here, too")
    parser.add_argument("--plot", default="", help="draw the speeds here (.svg or .png)")
    options = parser.parse_args()
    return write(json.loads(options.results.read_text()), options.markdown, options.plot)


if __name__ == "__main__":
    sys.exit(main())
