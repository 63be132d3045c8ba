#!/usr/bin/env python3
"""octet chat: from a pipe and in a terminal, its commands, Ctrl-C and Ctrl-D.

usage: tests/cli/chat_test.py [--octet build/release/octet] [unittest arguments]
"""

import json
import os
import pty
import re
import subprocess
import time
import unittest

from cli import CliTest, needs, OCTET, octet, SMOLLM2, STORIES, TIMEOUT_S


class Terminal:
    """octet chat with a terminal of its own; what it shows is in `text`."""

    def __init__(self, *arguments):
        master, slave = pty.openpty()
        self.master = master
        self.text = ""
        self.process = subprocess.Popen([OCTET, "chat", "-m", str(SMOLLM2), *map(str, arguments)],
                                        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                        preexec_fn=self.take_terminal)
        os.close(slave)

    @staticmethod
    def take_terminal():
        import fcntl
        import termios
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def wait_for(self, pattern):
        """What is shown up to a match, which is consumed."""
        end = time.monotonic() + TIMEOUT_S
        while not (match := re.search(pattern, self.text)):
            if time.monotonic() > end:
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
            try:
                self.text += os.read(self.master, 65536).decode("utf-8", "replace")
            except OSError as error:  # its other end is closed
                raise AssertionError(f"ended without {pattern!r}: {self.text!r}") from error
        shown, self.text = self.text[:match.end()], self.text[match.end():]
        return shown

    def type(self, text):
        os.write(self.master, text.encode())

    def end(self):
        status = self.process.wait(timeout=TIMEOUT_S)
        os.close(self.master)
        return status


class Chat(CliTest):
    def chat(self, text, *arguments):
        return octet("chat", "-m", SMOLLM2, "--temp", 0, *arguments, stdin=None, input=text.encode())

    def answers(self, text, *arguments):
        result = self.chat(text, "--json", *arguments)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        return [json.loads(line) for line in result.stdout.decode().splitlines()]

    @needs(SMOLLM2)
    def test_every_line_of_a_pipe_is_a_message_of_one_conversation(self):
        result = self.chat("What is the capital of France?\r\n\nAnd of Italy?", "-n", 40)
        self.assertEqual(result.returncode, 0, result.stderr.decode())
        lines = result.stdout.decode().splitlines()
        self.assertEqual(len(lines), 2)
        self.assertIn("Paris", lines[0])
        self.assertIn("Rome", lines[1])  # which only the first message says is asked for
        self.assertNotIn("> ", result.stderr.decode())

    @needs(SMOLLM2)
    def test_the_first_answer_is_that_of_generate(self):
        words = ("--system", "Answer briefly.", "-n", 30)
        first = self.answers("Name a colour — “any”.\n", *words)[0]
        generated = self.json_of("generate", "-m", SMOLLM2, "--chat", "--temp", 0, *words,
                                 "-p", "Name a colour — “any”.")
        self.assertEqual(first["text"], generated["text"])
        self.assertEqual(first["stopped"], generated["stopped"])
        self.assertEqual(first["prompt_tokens"], len(generated["prompt_ids"]))

    @needs(SMOLLM2)
    def test_commands_change_and_save_the_conversation(self):
        file = self.scratch / "saved.json"
        answers = self.answers(f"Hello.\nHello.\n/reset\nHello.\n/system Be brief.\n//x\n/save {file}\n"
                               "/quit\nnever read\n", "-n", 5, "--ignore-eos")
        self.assertEqual(len(answers), 4)
        self.assertEqual(answers[0]["stopped"], "length")
        self.assertGreater(answers[1]["prompt_tokens"], answers[0]["prompt_tokens"])
        self.assertEqual(answers[2]["text"], answers[0]["text"])
        self.assertEqual(answers[2]["prompt_tokens"], answers[0]["prompt_tokens"])
        messages = json.loads(file.read_text())["messages"]
        self.assertEqual([message["role"] for message in messages],
                         ["system", "user", "assistant", "user", "assistant"])
        self.assertEqual(messages[0]["content"], "Be brief.")
        self.assertEqual(messages[3]["content"], "/x")
        self.assertEqual(messages[4]["content"], answers[3]["text"])
        self.assertEqual(self.chat(f"/save {file}\n").returncode, 1)

    @needs(SMOLLM2)
    def test_what_goes_wrong_in_a_pipe_is_an_error(self):
        self.expect_error(self.chat("/nonsense\n"), 1, "/nonsense", "/help")
        self.expect_error(self.chat("word " * 100 + "\n", "-c", 64), 1, "the context 64", "/reset", "-c")
        self.expect_error(self.chat("/save\n"), 1, "/save")

    @needs(SMOLLM2)
    def test_an_answer_ends_where_the_context_does(self):
        result = self.chat("Count to a thousand.\n", "-c", 60, "--ignore-eos", "--json")
        self.assertEqual(json.loads(result.stdout)["stopped"], "context")
        self.assertIn("context of 60 tokens is full", result.stderr.decode())

    @needs(STORIES)
    def test_a_model_without_a_chat_template_is_refused(self):
        self.expect_error(octet("chat", "-m", STORIES), 1, "chat template", "octet generate")

    @needs(SMOLLM2)
    def test_in_a_terminal_ctrl_c_stops_an_answer_and_ctrl_d_ends(self):
        terminal = Terminal("--ignore-eos", "-n", 3000, "--temp", 0)
        terminal.wait_for("> $")
        terminal.type("Hello.\n")
        terminal.wait_for("Hello.*\n.*\\w{3}")  # the answer has begun
        terminal.type("\x03")
        terminal.wait_for("octet: stopped\r\n> $")
        terminal.type("/nonsense\n")
        terminal.wait_for("no command /nonsense.*\r\n> $")
        terminal.type("/help\n")
        terminal.wait_for("/reset")
        terminal.wait_for("> $")
        terminal.type("Hello.\n")  # Ctrl-C works more than once
        terminal.wait_for("Hello.*\n.*\\w{3}")
        terminal.type("\x03")
        terminal.wait_for("octet: stopped\r\n> $")
        terminal.type("\x04")
        self.assertEqual(terminal.end(), 0)

    @needs(SMOLLM2)
    def test_ctrl_c_at_the_prompt_ends(self):
        terminal = Terminal()
        terminal.wait_for("> $")
        terminal.type("\x03")
        self.assertEqual(terminal.end(), 130)


if __name__ == "__main__":
    unittest.main(verbosity=2)
