#!/usr/bin/env python3
"""Prints README's tables of memory from what `octet plan` says, or checks that README has them.

usage: tools/memory-table.py [--octet build/release/octet] [--check | --write]

--check fails when README.md does not hold, between its marks, what would be printed; --write puts it
there. A plan is for one sequence of 2048 positions (or the model's own, if fewer).
"""

import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- tools/memory-table.py -->\n", "<!-- end -->\n"

MODELS = {"OPT-175B": "opt-175b", "BLOOM-176B": "bloom-176b", "LLaMA-2-70B": "llama-2-70b"}
DEVICES = {"RTX 3090, 24 GiB": "24GiB", "A100, 40 GiB": "40GiB", "A100, 80 GiB": "80GiB",
           "H200, 141 GB": "141GB"}

# The paper's Table 2: devices, then the largest model in 8 and in 16 bits.
TABLE_2 = [("8 × A100, 80 GiB", "80GiB", 8, "OPT-175B", "OPT-175B"),
           ("8 × A100, 40 GiB", "40GiB", 8, "OPT-175B", "OPT-66B"),
           ("8 × RTX 3090, 24 GiB", "24GiB", 8, "OPT-175B", "OPT-66B"),
           ("4 × RTX 3090, 24 GiB", "24GiB", 4, "OPT-66B", "OPT-30B"),
           ("Colab Pro (T4), 15 GiB", "15GiB", 1, "OPT-13B", "GPT-J-6B"),
           ("Colab (K80), 12 GB", "12GB", 1, "T5-11B", "GPT-2 1.3B")]
# From the largest to the smallest.
TABLE_2_MODELS = {"OPT-175B": "opt-175b", "OPT-66B": "opt-66b", "OPT-30B": "opt-30b",
                  "OPT-13B": "opt-13b", "T5-11B": "t5-11b", "GPT-J-6B": "gpt-j-6b",
                  "GPT-2 1.5B": "gpt2-xl"}


class Plans:
    def __init__(self, octet):
        self.octet = octet

    def methods(self, config, memory, devices=1):
        """{"fp16": {...}, "llm-int8": {...}} of `octet plan --json`."""
        command = [self.octet, "plan", "--config", ROOT / f"bench/configs/{config}.json",
                   "--memory", memory, "--devices", str(devices), "--json"]
        plan = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return {method["method"]: method for method in plan["methods"]}

    def largest(self, memory, devices, method):
        for name, config in TABLE_2_MODELS.items():
            if self.methods(config, memory, devices)[method]["fits"]:
                return name
        return "none"


def table(rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---|" + "---:|" * (len(rows[0]) - 1))
    return "\n".join(lines) + "\n"


def devices_needed(plans):
    rows = [["16-bit → int8", "weights", *DEVICES]]
    for name, config in MODELS.items():
        row, weights = [name], ""
        for memory in DEVICES.values():
            methods = plans.methods(config, memory)
            sixteen, eight = methods["fp16"], methods["llm-int8"]
            weights = " → ".join(f"{each['weights_bytes'] / 2 ** 30:.0f}"
                                 for each in (sixteen, eight)) + " GiB"
            row.append(f"{sixteen['devices_needed']} → {eight['devices_needed']}")
        rows.append([row[0], weights, *row[1:]])
    return table(rows)


def table_2(plans):
    rows = [["largest model", "int8, the paper", "int8, octet", "16-bit, the paper",
             "16-bit, octet"]]
    for name, memory, devices, eight, sixteen in TABLE_2:
        rows.append([name, eight, plans.largest(memory, devices, "llm-int8"), sixteen,
                     plans.largest(memory, devices, "fp16")])
    return table(rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--octet", default=ROOT / "build/release/octet")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()

    plans = Plans(arguments.octet)
    printed = devices_needed(plans) + "\n" + table_2(plans)
    if not (arguments.check or arguments.write):
        print(printed, end="")
        return
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(BEGIN)
    there, after = rest.split(END)
    if arguments.write:
        readme.write_text(before + BEGIN + printed + END + after)
    elif there != printed:
        sys.exit(f"README.md has other tables of memory; run tools/memory-table.py --write\n{printed}")


if __name__ == "__main__":
    main()
