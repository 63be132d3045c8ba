"""No inline function is compiled both for one instruction set and for another.

The linker keeps one copy of an inline function for the whole program. When the copy comes from a file
compiled for AVX-512, callers on a machine without AVX-512 die of an illegal instruction.

usage: isa_symbols_test.py BUILD_DIRECTORY COMPILER
"""

import collections
import pathlib
import subprocess
import sys
import tempfile
import unittest

ISAS = ("avx2", "avxvnni", "avx512", "avx512bf16", "amx")
BUILD, COMPILER = pathlib.Path(), "c++"


def flags_of(name):
    """The instruction set an object file's name stands for: avx2.cc.o → avx2; others: base."""
    stem = name.split(".")[0]
    return stem if stem in ISAS else "base"


def merged_symbols(object_file):
    """Functions and variables of which the linker keeps one copy among all object files."""
    listing = subprocess.run(["nm", "--defined-only", object_file], check=True, text=True,
                             stdout=subprocess.PIPE).stdout
    for line in listing.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1] in "WVu":
            yield fields[2]


def mixed_symbols(object_files):
    """Symbols whose one copy may come from files of different instruction sets."""
    compiled_for = collections.defaultdict(set)
    for object_file in object_files:
        for symbol in merged_symbols(object_file):
            compiled_for[symbol].add(flags_of(object_file.name))
    return {symbol: sorted(flags) for symbol, flags in compiled_for.items() if len(flags) > 1}


class InlineFunctions(unittest.TestCase):
    def test_each_is_compiled_for_one_instruction_set_only(self):
        objects = [path for folder in (BUILD / "CMakeFiles").glob("octet*.dir")
                   for path in folder.rglob("*.cc.o")]
        seen = {flags_of(path.name) for path in objects}
        self.assertEqual(seen, {"base", *ISAS})
        self.assertEqual(mixed_symbols(objects), {})

    def test_one_that_two_files_share_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            (root / "shared.h").write_text("__attribute__((noinline)) inline int twice(int x) "
                                           "{ return x + x; }\n")
            for name in ("avx512.cc", "scalar.cc"):
                (root / name).write_text(f'#include "shared.h"\nint {name[:-3]}(int x) '
                                         "{ return twice(x); }\n")
                subprocess.run([COMPILER, "-O2", "-c", name, "-o", name + ".o"], cwd=root, check=True)
            self.assertEqual(mixed_symbols(sorted(root.glob("*.o"))),
                             {"_Z5twicei": ["avx512", "base"]})


if __name__ == "__main__":
    BUILD, COMPILER = pathlib.Path(sys.argv[1]), sys.argv[2]
    unittest.main(argv=sys.argv[:1], verbosity=2)
