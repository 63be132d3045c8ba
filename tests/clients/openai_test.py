"""OpenAI's Python client speaks to octet serve.

usage: tests/clients/openai_test.py MODEL --octet OCTET
"""

import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from served import Served  # noqa: E402

import openai  # noqa: E402

MODEL = sys.argv.pop(1)
KEY = "a secret key"
QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


class Client(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Served(MODEL, "--api-key", KEY).wait_until_ready()
        cls.addClassCleanup(cls.server.stop)
        cls.client = openai.OpenAI(base_url=f"http://127.0.0.1:{cls.server.port}/v1", api_key=KEY,
                                   max_retries=0)
        cls.model = cls.client.models.list().data[0].id

    def complete(self, **fields):
        return self.client.completions.create(model=self.model, **fields)

    def chat(self, **fields):
        return self.client.chat.completions.create(model=self.model, messages=QUESTION, **fields)

    def test_models(self):
        self.assertEqual(self.client.models.retrieve(self.model).object, "model")

    def test_completions(self):
        answer = self.complete(prompt="The capital of France is", max_tokens=8, temperature=0)
        self.assertEqual(answer.choices[0].finish_reason, "length")
        self.assertEqual(answer.usage.completion_tokens, 8)
        streamed = self.complete(prompt="The capital of France is", max_tokens=8, temperature=0,
                                 stream=True)
        self.assertEqual("".join(chunk.choices[0].text for chunk in streamed),
                         answer.choices[0].text)

    def test_several_prompts_choices_and_seeds(self):
        fields = {"prompt": ["One", "Two"], "n": 2, "max_tokens": 10, "seed": 3}
        first = [choice.text for choice in self.complete(**fields).choices]
        self.assertEqual(len(first), 4)
        self.assertEqual([choice.text for choice in self.complete(**fields).choices], first)

    def test_chat(self):
        answer = self.chat(temperature=0, max_tokens=20)
        self.assertEqual(answer.choices[0].message.role, "assistant")
        stream = self.chat(temperature=0, max_tokens=20, stream=True,
                           stream_options={"include_usage": True})
        chunks = list(stream)
        self.assertEqual("".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]),
                         answer.choices[0].message.content)
        self.assertEqual(chunks[-1].usage, answer.usage)

    def test_logprobs(self):
        choice, = self.chat(temperature=0, max_tokens=5, logprobs=True, top_logprobs=3).choices
        for token in choice.logprobs.content:
            self.assertEqual(token.top_logprobs[0].token, token.token)
            self.assertEqual(len(token.top_logprobs), 3)
        choice, = self.complete(prompt="a b c", max_tokens=0, echo=True, logprobs=1).choices
        self.assertIsNone(choice.logprobs.token_logprobs[0])
        self.assertEqual("".join(choice.logprobs.tokens), "a b c")

    def test_stop(self):
        text = self.complete(prompt="Count: 1, 2, 3,", max_tokens=30, temperature=0).choices[0].text
        stop = text[5:9]
        choice, = self.complete(prompt="Count: 1, 2, 3,", max_tokens=30, temperature=0,
                                stop=[stop]).choices
        self.assertEqual(choice.text, text[:text.find(stop)])
        self.assertEqual(choice.finish_reason, "stop")

    def test_fields_beside_openais(self):
        answer = self.complete(prompt="Hello", max_tokens=12, extra_body={
            "top_k": 1, "ignore_eos": True, "min_p": 0.1, "repeat_penalty": 1.1,
            "activation_bits": 8})
        self.assertEqual(answer.usage.completion_tokens, 12)

    def test_penalties_and_biases(self):
        asked = {"prompt": "1, 1, 1, 1,", "max_tokens": 20, "temperature": 0, "logprobs": 0}
        plain = self.complete(**asked).choices[0].logprobs.tokens
        spread = self.complete(**asked, presence_penalty=2, frequency_penalty=2)
        self.assertGreater(len(set(spread.choices[0].logprobs.tokens)), len(set(plain)))
        only = self.complete(**asked, logit_bias={"28": 100}).choices[0].logprobs.tokens
        self.assertEqual(len(set(only)), 1)

    def test_errors(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.complete(prompt="a", temperature=-1)
        self.assertEqual(caught.exception.param, "temperature")
        with self.assertRaises(openai.BadRequestError) as caught:
            self.complete(prompt=[1] * 100_000)
        self.assertEqual(caught.exception.code, "context_length_exceeded")
        with self.assertRaises(openai.NotFoundError):
            self.client.completions.create(model="none", prompt="a")
        with self.assertRaises(openai.AuthenticationError):
            self.client.with_options(api_key="wrong").models.list()

    def test_timeouts_and_cancellation(self):
        with self.assertRaises(openai.APITimeoutError):
            self.complete(prompt="a", max_tokens=2000, timeout=0.2, extra_body={"ignore_eos": True})
        stream = self.complete(prompt="a", max_tokens=2000, stream=True,
                               extra_body={"ignore_eos": True})
        next(iter(stream))
        stream.close()
        headers = {"Authorization": "Bearer " + KEY}
        deadline = time.monotonic() + 30
        while b"octet_requests_running 0" not in self.server.get("/metrics", headers=headers).body:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)


if __name__ == "__main__":
    unittest.main(verbosity=2)
