"""Habits of the sources that a compiler does not see; each rule is tried on wrong files too."""

import pathlib
import re
import subprocess
import tempfile
import unittest

import rooms

ROOT = pathlib.Path(__file__).resolve().parents[2]
CODE = (".h", ".cc", ".cu", ".cuh", ".py", ".cmake")
PLACES = ("src", "include", "tests", "examples", "fuzz", "bench", "tools", "cmake")
EMPTY_NAMES = re.compile(r"^(utils?|common|misc|helpers?)(\.|_test\.|$)")
LOOSE_END = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
ISA_FILES = ("avx2.cc", "avxvnni.cc", "avx512.cc", "avx512bf16.cc", "amx.cc")


def code_files(root):
    for place in PLACES:
        for path in sorted((root / place).rglob("*")):
            if path.suffix in CODE and "__pycache__" not in path.parts:
                yield path


def unexplained(root):
    """Files that do not open with a comment saying what they are for."""
    openings = {".py": ('"""', "#"), ".cmake": ("#",)}
    return [str(path.relative_to(root)) for path in code_files(root)
            if not path.read_text().startswith(openings.get(path.suffix, ("// ", "/*")))]


def empty_names(root):
    """Files and folders whose name says nothing."""
    found = set()
    for path in code_files(root):
        name = path.relative_to(root)
        found |= {str(name) for part in name.parts if EMPTY_NAMES.match(part)}
    return sorted(found)


def loose_ends(root):
    """Marks of unfinished work, as file:line."""
    return [f"{path.relative_to(root)}:{number}" for path in code_files(root)
            for number, line in enumerate(path.read_text().splitlines(), 1)
            if LOOSE_END.search(line)]


def unregistered_kernels(root):
    """Kernel files src/ops/<op>/<isa>.cc that the operation's registry.cc does not name."""
    found = []
    for path in sorted((root / "src" / "ops").rglob("*.cc")):
        if path.name in ISA_FILES:
            registry = path.parent / "registry.cc"
            named = rf"(?<![a-z0-9]){path.stem}(?![a-z0-9])"
            if not registry.exists() or not re.search(named, registry.read_text()):
                found.append(str(path.relative_to(root)))
    return found


RULES = (unexplained, empty_names, loose_ends, unregistered_kernels)


class OwnTree(unittest.TestCase):
    def test_rules_hold(self):
        for rule in RULES:
            with self.subTest(rule.__doc__):
                self.assertEqual(rule(ROOT), [])

    def test_the_developers_guide_names_every_room_from_the_top_down(self):
        guide = (ROOT / "DEVELOPING.md").read_text()
        order = list(rooms.read_rooms((ROOT / "CMakeLists.txt").read_text()))
        places = [guide.find(f"`src/{room}`") for room in reversed(order)]
        self.assertNotIn(-1, places, list(reversed(order)))
        self.assertEqual(places, sorted(places))

    def test_every_script_of_tools_parses(self):
        for path in sorted((ROOT / "tools").iterdir()) + [ROOT / ".ci" / "run"]:
            if path.is_file() and path.read_bytes().startswith(b"#!/usr/bin/env bash"):
                subprocess.run(["bash", "-n", path], check=True)


class MadeUpTrees(unittest.TestCase):
    def found(self, rule, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return rule(root)

    def test_a_file_without_an_opening_comment_is_found(self):
        self.assertEqual(self.found(unexplained, {"src/base/a.h": "#pragma once\n",
                                                  "src/base/b.h": "// What it is.\n",
                                                  "tools/a.py": "import sys\n",
                                                  "tools/b.py": '"""What it is."""\n'}),
                         ["src/base/a.h", "tools/a.py"])

    def test_names_that_say_nothing_are_found(self):
        self.assertEqual(self.found(empty_names, {"src/base/utils.h": "", "src/base/utility.h": "",
                                                  "src/common/a.cc": "", "src/a/helper_test.cc": ""}),
                         ["src/a/helper_test.cc", "src/base/utils.h", "src/common/a.cc"])

    def test_loose_ends_are_found(self):
        mark = "TO" + "DO"
        self.assertEqual(self.found(loose_ends, {"src/a.cc": f"// x\n// {mark}: later\n",
                                                 "src/b.cc": f"// {mark}S are fine as a word\n"}),
                         ["src/a.cc:2"])

    def test_kernels_outside_the_registry_are_found(self):
        self.assertEqual(self.found(unregistered_kernels, {
            "src/ops/a/avx2.cc": "", "src/ops/a/amx.cc": "",
            "src/ops/a/registry.cc": "kernel(Isa::avx2, product_avx2)",
            "src/ops/b/avx512.cc": "", "src/ops/b/reference.cc": ""}),
            ["src/ops/a/amx.cc", "src/ops/b/avx512.cc"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
