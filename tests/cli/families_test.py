#!/usr/bin/env python3
"""octet families, and README's table of them.

usage: tests/cli/families_test.py [--octet build/release/octet] [unittest arguments]
"""

import json
import unittest

from cli import ROOT, CliTest, octet

BEGIN = "<!-- printed by: octet families -->\n"
END = "<!-- end -->\n"


class Families(CliTest):
    def test_readme_has_the_table_that_the_command_prints(self):
        printed = octet("families").stdout.decode()
        readme = (ROOT / "README.md").read_text()
        self.assertEqual(readme.count(BEGIN), 1)
        table, end, _ = readme.split(BEGIN)[1].partition(END)
        self.assertEqual(end, END)
        self.assertEqual(table, printed)

    def test_json_names_each_family_once_with_its_gguf_architecture(self):
        families = self.json_of("families")["families"]
        gguf = {each["model_type"]: each["gguf_architecture"] for each in families}
        self.assertEqual(len(gguf), len(families))
        self.assertEqual((gguf["mixtral"], gguf["gpt_bigcode"], gguf["gptj"]),
                         ("llama", "starcoder", None))

    def test_the_error_for_an_unknown_family_lists_them(self):
        (self.scratch / "config.json").write_text(json.dumps({"model_type": "mamba"}))
        result = octet("bench", "--config", self.scratch / "config.json")
        self.expect_error(result, 1, "mamba", *self.known())

    def known(self):
        return [each["model_type"] for each in json.loads(octet("families", "--json").stdout)["families"]]


if __name__ == "__main__":
    unittest.main(verbosity=2)
