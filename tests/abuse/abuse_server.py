#!/usr/bin/env python3
"""Shows what octet serve does with bad requests, slow clients, a stop under load and long prompts.

usage: tests/abuse/abuse_server.py [SCENE …] [--octet build/debug/octet] [--model MODEL] [--seed 1]
                                   [--requests N] [--repeats N]

SCENE is one of fuzz, slow, stop, long, steady, leave; all but long when none is named. The model is
a tiny one made for it unless one is given; long needs one with a context of 4096.
"""

import argparse
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
import fuzz  # noqa: E402
import long_prompts  # noqa: E402
import slow_clients  # noqa: E402
import steady  # noqa: E402
import stopping  # noqa: E402
from made_model import write_model  # noqa: E402
from served import Served  # noqa: E402  (takes --octet out of the command line)


def show_fuzz(model, arguments):
    found = fuzz.run(Served, model, requests=arguments.requests or 10_000, seed=arguments.seed,
                     first=arguments.first)
    print(f"fuzz: {sum(found['kinds'].values())} bad connections of {len(found['kinds'])} kinds, seed "
          f"{arguments.seed}: every answer right, the good one the same {found['good']} times, exit 0")
    print("  answers by status: " + ", ".join(f"{status}: {count}" for status, count in
                                              sorted(found["statuses"].items(), key=str)))


def show_slow(model, arguments):
    found = slow_clients.run(Served, model, each=100, stalled=20, seed=arguments.seed)
    shape = "{threads} threads, {descriptors} descriptors, {MB:.1f} MB"
    print("slow: before: " + shape.format(**found["before"]) +
          f"; 8 clients' answers in {found['seconds alone']:.3f} s")
    for wave in found["waves"]:
        print("  {connections} slow connections, {open together} open at once; 8 clients' answers in "
              "{seconds:.3f} s, beside unread streams in {seconds beside streams:.3f} s; "
              "after: ".format(**wave) + shape.format(**wave))


def show_stop(model, arguments):
    for each in stopping.run(Served, model, repeats=arguments.repeats, seed=arguments.seed):
        stop_time, second, later_s = each["way"]
        print(f"stop: --stop-time {stop_time}" +
              (f" and {second.name} {later_s} s later" if second else "") +
              f": {dict(sorted(each['outcomes'].items()))}, exit 0 after {each['seconds']:.2f} s")


def show_long(model, arguments):
    found = long_prompts.run(Served, model)
    print("long: " + ", ".join(f"{name} {value:.4f}" if isinstance(value, float) else
                               f"{name} {value}" for name, value in found.items()))


def show_steady(model, arguments):
    requests = arguments.requests or 2000
    found = steady.run_many(Served, model, requests=requests,
                            marks=[requests // 4, requests // 2])
    print("steady: " + ", ".join(f"{mb:.1f} MB after {count}" for count, mb in sorted(found.items())))


def show_leave(model, arguments):
    found = steady.run_leaving(Served, model, tokens=64 if arguments.model else 400)
    print("leave: " + ", ".join(f"{name} {count}" for name, count in found.items()))


SCENES = {"fuzz": show_fuzz, "slow": show_slow, "stop": show_stop, "long": show_long,
          "steady": show_steady, "leave": show_leave}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=", ".join(SCENES))
    parser.add_argument("--model")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--requests", type=int, help="of fuzz (10000) and of steady (2000)")
    parser.add_argument("--first", type=int, default=0, help="index of fuzz's first request")
    parser.add_argument("--repeats", type=int, default=20, help="of stop")
    arguments = parser.parse_args()
    if unknown := set(arguments.scenes) - set(SCENES):
        parser.error(f"no such scene: {', '.join(sorted(unknown))}")
    scenes = arguments.scenes or [name for name in SCENES if name != "long"]
    suppressions = pathlib.Path(__file__).with_name("tsan.suppressions")
    os.environ.setdefault("TSAN_OPTIONS", f"suppressions={suppressions}")
    with tempfile.TemporaryDirectory(prefix="octet-abuse-") as folder:
        model = arguments.model or write_model(pathlib.Path(folder) / "tiny")
        for scene in scenes:
            SCENES[scene](model, arguments)
            sys.stdout.flush()


if __name__ == "__main__":
    main()
