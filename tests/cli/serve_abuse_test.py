#!/usr/bin/env python3
"""octet serve against bad requests, slow clients and a stop under load: a few seconds of what
`make abuse` does for minutes.

usage: tests/cli/serve_abuse_test.py [--octet build/release/octet] [unittest arguments]
"""

import pathlib
import sys
import unittest

from cli import CliTest
from made_model import write_model
from served import Served

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "abuse"))
import fuzz  # noqa: E402
import slow_clients  # noqa: E402
import steady  # noqa: E402
import stopping  # noqa: E402


class Abuse(CliTest):
    def setUp(self):
        super().setUp()
        self.model = write_model(self.scratch / "tiny")

    def test_bad_requests_get_the_right_status_and_change_no_other_answer(self):
        found = fuzz.run(Served, self.model, requests=400, seed=7)
        self.assertGreater(found["statuses"][200], 20)
        self.assertGreater(found["statuses"][400], 100)

    def test_slow_clients_are_closed_and_leave_nothing_behind(self):
        slow_clients.run(Served, self.model, each=10, stalled=2, seed=7, waves=1, client_time_s=1)

    def test_a_stop_under_load_answers_or_tells_everyone(self):
        stopping.run(Served, self.model, repeats=len(stopping.WAYS), seed=7)

    def test_clients_that_leave_take_nothing_from_the_others(self):
        found = steady.run_leaving(Served, self.model, tokens=200)
        self.assertEqual(found["pages used"], 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
