"""Includes point down: in octet's own tree, and the checker itself refuses made-up wrong ones."""

import pathlib
import tempfile
import unittest

import rooms

ROOT = pathlib.Path(__file__).resolve().parents[2]

MADE_UP_CMAKE = """
octet_room(base LIBRARIES fmt::fmt)
octet_room(tensor LIBRARIES octet_base)
octet_room(device LIBRARIES octet_tensor
                            Threads::Threads)
octet_room(quant LIBRARIES octet_tensor)
octet_room(ops LIBRARIES octet_quant octet_device)
octet_room(api LIBRARIES octet_ops)
"""


def made_up_tree(folder, files):
    root = pathlib.Path(folder)
    (root / "CMakeLists.txt").write_text(MADE_UP_CMAKE)
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


class OwnTree(unittest.TestCase):
    def test_every_include_points_down(self):
        self.assertEqual(rooms.wrong_includes(ROOT), [])

    def test_the_order_of_the_foundations_is_read_from_cmake(self):
        order = list(rooms.read_rooms((ROOT / "CMakeLists.txt").read_text()))
        for lower, upper in [("base", "tensor"), ("tensor", "device"), ("quant", "ops"),
                             ("ops", "linear"), ("linear", "model"), ("model", "runtime"),
                             ("runtime", "api"), ("api", "cli")]:
            self.assertLess(order.index(lower), order.index(upper), f"{lower} and {upper}")

    def test_the_check_sees_the_includes_of_this_tree(self):
        seen = sum(len(rooms.INCLUDE.findall(path.read_text()))
                   for path in (ROOT / "src").rglob("*.cc"))
        self.assertGreater(seen, 10)


class MadeUpTrees(unittest.TestCase):
    def wrong(self, files):
        with tempfile.TemporaryDirectory() as folder:
            return rooms.wrong_includes(made_up_tree(folder, files))

    def assert_refused(self, name, include, reason):
        wrong = self.wrong({name: f"// x\n{include}\n"})
        self.assertEqual(len(wrong), 1, wrong)
        self.assertIn(name, wrong[0])
        self.assertIn(reason, wrong[0])

    def test_includes_of_rooms_below_pass(self):
        self.assertEqual(self.wrong({
            "src/ops/a/avx2.cc": '#include <vector>\n#include "base/x.h"\n#include "ops/a/a.h"\n',
            "src/ops/a/a_test.cc": '#include "quant/x.h"\n#include "support/y.h"\n',
            "src/base/a.cc": '#include "octet/error.h"\n',
            "src/api/model.cc": '#include "octet/model.h"\n#include "ops/a/a.h"\n',
            "src/cli/main.cc": '#include "api/x.h"\n#include "base/x.h"\n#include "octet/model.h"\n',
            "include/octet/model.h": '#include "octet/error.h"\n',
        }), [])

    def test_an_upward_include_is_refused(self):
        self.assert_refused("src/base/a.cc", '#include "tensor/x.h"', "does not stand below base")
        self.assert_refused("src/ops/a/a.h", '  # include "api/x.h"', "does not stand below ops")
        self.assert_refused("src/api/a.cc", '#include "cli/x.h"', "does not stand below api")

    def test_a_sideways_include_is_refused(self):
        # quant stands after device but is not linked with it.
        self.assert_refused("src/quant/a.cc", '#include "device/x.h"', "does not stand below quant")

    def test_a_test_may_not_look_up_either(self):
        self.assert_refused("src/tensor/a_test.cc", '#include "ops/x.h"', "does not stand below")

    def test_the_public_api_is_not_for_the_rooms_below(self):
        self.assert_refused("src/ops/a.cc", '#include "octet/model.h"', "rooms on top")

    def test_a_public_header_includes_no_room(self):
        self.assert_refused("include/octet/model.h", '#include "base/x.h"', "includes no room")

    def test_includes_without_a_room_are_refused(self):
        self.assert_refused("src/base/a.cc", '#include "x.h"', "not of the form")
        self.assert_refused("src/base/a.cc", '#include "../tensor/x.h"', "not of the form")
        self.assert_refused("src/base/a.cc", '#include "support/x.h"', "for tests")

    def test_a_folder_that_is_no_room_is_refused(self):
        self.assert_refused("src/helpers/a.cc", "", "is not a room")

    def test_a_room_linked_with_one_above_its_line_is_refused(self):
        with self.assertRaisesRegex(ValueError, "base is linked with tensor"):
            rooms.read_rooms("octet_room(base LIBRARIES octet_tensor)\n"
                             "octet_room(tensor LIBRARIES octet_base)\n")


if __name__ == "__main__":
    unittest.main(verbosity=2)
