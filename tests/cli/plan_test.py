#!/usr/bin/env python3
"""octet plan, and octet inspect of a config alone: sizes by closed formulas, placement, errors.

usage: tests/cli/plan_test.py [--octet build/release/octet] [unittest arguments]
"""

import json
import unittest

from cli import CliTest, needs, octet, ROOT, STORIES

CONFIGS = ROOT / "bench" / "configs"


def opt(layers, hidden):
    """Parameters of OPT: in the layers' matrices, in everything else, and the matrices' outputs."""
    matrices = layers * 12 * hidden ** 2
    outputs = layers * 9 * hidden
    rest = (50272 * hidden + 2050 * hidden  # embeddings; positions, two rows of which come before 0
            + outputs                       # a bias for every output
            + layers * 4 * hidden + 2 * hidden)  # two norms in each layer, one behind them
    return matrices, rest, outputs


def bloom(layers, hidden):
    matrices = layers * 12 * hidden ** 2
    outputs = layers * 9 * hidden
    rest = 250880 * hidden + outputs + layers * 4 * hidden + 2 * 2 * hidden
    return matrices, rest, outputs


def llama_2_70b():
    hidden, inner, key_value = 8192, 28672, 8 * 128
    matrices = 80 * (2 * hidden * hidden + 2 * hidden * key_value + 3 * hidden * inner)
    outputs = 80 * (2 * hidden + 2 * key_value + 2 * inner + hidden)
    rest = 2 * 32000 * hidden + 80 * 2 * hidden + hidden
    return matrices, rest, outputs


SHAPES = {"opt-30b": opt(48, 7168), "opt-66b": opt(64, 9216), "opt-175b": opt(96, 12288),
          "bloom-176b": bloom(70, 14336), "llama-2-70b": llama_2_70b()}


class Sizes(CliTest):
    def plan(self, name, *arguments):
        return self.json_of("plan", "--config", CONFIGS / f"{name}.json", *arguments)

    def test_inspect_of_a_config_counts_exactly(self):
        for name, (matrices, rest, outputs) in SHAPES.items():
            with self.subTest(name):
                result = self.json_of("inspect", "-m", CONFIGS / f"{name}.json")
                self.assertEqual(result["parameters"], matrices + rest)
                self.assertEqual(result["bytes"], {"float32": 4 * (matrices + rest),
                                                   "float16": 2 * (matrices + rest),
                                                   "int8": matrices + 4 * outputs + 2 * rest})
                self.assertEqual(result["tensors"], [])
                self.assertEqual(result["format"], "config")

    def test_published_parameter_counts(self):
        for name, parameters in [("bloom-176b", 176_247_271_424), ("llama-2-70b", 68_976_648_192)]:
            self.assertEqual(sum(SHAPES[name][:2]), parameters)

    def test_packed_weights_of_bloom_consist_of_what_the_formula_says(self):
        hidden, layers = 14336, 70
        outputs = SHAPES["bloom-176b"][2]
        weights = self.plan("bloom-176b", "--memory", "80GiB", "--kept-share", "0")["weights"]
        self.assertEqual(weights, {
            "int8_codes": SHAPES["bloom-176b"][0],
            "column_scales": 3 * 4 * outputs,  # scale, factor and sum of every output
            "kept_columns": 0,
            "sixteen_bit": 2 * 250880 * hidden,  # the embeddings, which are the lm_head too
            "thirty_two_bit": 0,
            "biases": 4 * outputs,
            "norms_and_positions": 4 * (layers * 4 * hidden + 4 * hidden)})

    def test_kept_columns_are_a_line_of_their_own(self):
        without = self.plan("bloom-176b", "--memory", "80GiB", "--kept-share", "0")
        kept = self.plan("bloom-176b", "--memory", "80GiB")
        self.assertEqual(kept["kept_share"], 0.01)
        self.assertEqual(kept["weights_bytes"] - without["weights_bytes"],
                         kept["weights"]["kept_columns"])
        columns, wide = 160, 576  # 1% of 14336 and of 57344, rounded up to a multiple of 32
        inputs = 14336
        weights = 70 * 2 * (columns * (3 + 1 + 4) * inputs + wide * inputs)
        indices = 70 * 4 * (3 * 144 + 574)
        masks = 70 * 4 * (3 * inputs + 4 * inputs)
        self.assertEqual(kept["weights"]["kept_columns"], weights + indices + masks)

    def test_bloom_in_int8_is_1_96_times_smaller_than_in_16_bits(self):
        """The paper's Table 6. Embeddings stay in 16 bits on both sides; no outlier column counts."""
        numbers = self.json_of("inspect", "-m", CONFIGS / "bloom-176b.json")["bytes"]
        self.assertEqual(round(numbers["float16"] / numbers["int8"], 2), 1.96)
        plan = self.plan("bloom-176b", "--memory", "80GiB", "--kept-share", "0")
        weights = {method["method"]: method["weights_bytes"] for method in plan["methods"]}
        self.assertEqual(round(weights["fp16"] / weights["llm-int8"], 2), 1.96)
        # Octet's layout: 1% of kept columns costs 2% more.
        with_kept = self.plan("bloom-176b", "--memory", "80GiB")["weights_bytes"]
        self.assertEqual(round(weights["fp16"] / with_kept, 2), 1.92)
        text = octet("inspect", "-m", CONFIGS / "bloom-176b.json").stdout.decode()
        self.assertIn("(1.96 times smaller than in 16)", text)

    @needs(STORIES)
    def test_a_loaded_model_has_the_weights_that_were_foretold(self):
        run = ("--prompt-ids", "1,2", "-n", "98")
        for flags in (["--method", "fp32"], ["--method", "bf16"], ["--outliers", "token"],
                      ["--method", "zeropoint"], ["--outliers", "token", "--skip-modules", "none"]):
            with self.subTest(flags=flags):
                memory = self.json_of("generate", "-m", STORIES, *run, *flags)["memory"]
                plan = self.json_of("plan", "-m", STORIES, "-c", "100", "--memory", "1G", *flags)
                self.assertEqual(plan["weights_bytes"], memory["weights_bytes"])
                self.assertEqual(plan["devices"][0]["kv_cache_bytes"], memory["kv_cache_bytes"])


class Plan(CliTest):
    def test_devices_hold_every_layer_and_say_what_fits(self):
        config = CONFIGS / "opt-175b.json"
        plan = self.json_of("plan", "--config", config, "--memory", "24GiB", "--devices", "8")
        self.assertTrue(plan["fits"])
        self.assertEqual(plan["devices_needed"], 8)
        self.assertEqual([device["index"] for device in plan["devices"]], list(range(8)))
        self.assertEqual(sum(device["layers"] for device in plan["devices"]), 96)
        self.assertEqual(len(plan["layers"]), 96)
        self.assertEqual(sum(device["bytes"] for device in plan["devices"]), plan["bytes_needed"])
        for device in plan["devices"]:
            self.assertEqual(device["bytes"], device["weights_bytes"] + device["kv_cache_bytes"] +
                             device["buffer_bytes"])
            self.assertEqual(device["bytes_left"], 24 * 2 ** 30 - device["bytes"])
            self.assertGreaterEqual(device["bytes_left"], 0)
        self.assertEqual({method["method"]: method["fits"] for method in plan["methods"]},
                         {"fp32": False, "fp16": False, "llm-int8": True})

        fewer = self.json_of("plan", "--config", config, "--memory", "24GiB", "--devices", "7")
        self.assertFalse(fewer["fits"])
        self.assertGreater(max(device["bytes"] for device in fewer["devices"]), 24 * 2 ** 30)
        none = self.json_of("plan", "--config", config, "--memory", "1GiB", "--devices", "8")
        self.assertIsNone(none["devices_needed"])

    def test_context_and_batch_cost_cache(self):
        config = CONFIGS / "llama-2-70b.json"
        def cache(*arguments):
            plan = self.json_of("plan", "--config", config, "--memory", "80GiB", *arguments)
            return plan["devices"][0]["kv_cache_bytes"]
        position = 80 * 2 * 8 * 128 * 2  # layers, keys and values, heads, dimensions, bytes
        self.assertEqual(cache("-c", "4096"), 4096 * position)
        self.assertEqual(cache(), 2048 * position)
        self.assertEqual(cache("-c", "100", "-b", "3"), 3 * 128 * position)  # pages of 64
        self.assertEqual(cache("--method", "fp32"), 2 * 2048 * position)

    def test_text_says_what_the_json_says(self):
        arguments = ("plan", "--config", CONFIGS / "opt-66b.json", "--memory", "24GB", "--devices")
        fits = octet(*arguments, 4, "-v").stdout.decode()
        self.assertIn("llm-int8 fits", fits)
        self.assertIn("4 devices of 22.35 GiB", fits)
        self.assertIn("assumed: 1% ", fits)
        self.assertIn("| 63 ", fits)
        lacking = octet(*arguments, 2).stdout.decode()
        self.assertRegex(lacking, r"llm-int8 does not fit: .*; \d such devices would do")
        self.assertNotIn("| 63 ", lacking)
        self.assertNotIn("assumed", octet(*arguments, 2, "--method", "bf16").stdout.decode())

    def test_a_gpu_has_other_layouts_and_its_own_buffers(self):
        config = CONFIGS / "opt-66b.json"
        arguments = ("plan", "--config", config, "--memory-limit", "80GiB")
        cpu = self.json_of(*arguments)
        gpu = self.json_of(*arguments, "--device", "cuda:7")
        self.assertEqual((cpu["device"], gpu["device"], gpu["gpu"]["index"]), ("cpu", "cuda", 7))
        for part in ("int8_codes", "sixteen_bit", "biases", "norms_and_positions"):
            self.assertEqual(gpu["weights"][part], cpu["weights"][part])
        # Of each output a factor, where a CPU has a scale, a factor and a sum.
        self.assertEqual(3 * gpu["weights"]["column_scales"], cpu["weights"]["column_scales"])
        self.assertEqual(gpu["devices"][0]["kv_cache_bytes"], cpu["devices"][0]["kv_cache_bytes"])
        self.assertGreater(gpu["devices"][0]["buffer_bytes"], 64 << 20)  # products' partial sums
        self.assertTrue(gpu["fits"])
        self.assertFalse(self.json_of(*arguments, "--device", "cuda", "--method", "fp16")["fits"])
        self.assertEqual(gpu["gpu"]["layers"], 64)
        text = octet(*arguments, "--device", "cuda").stdout.decode()
        self.assertIn("as cuda:0", text)
        self.assertNotIn("--device auto", text)

    def test_a_gpu_too_small_runs_the_last_layers(self):
        arguments = ("plan", "--config", CONFIGS / "opt-66b.json", "--device", "cuda", "--memory")
        plan = self.json_of(*arguments, "40GiB")
        self.assertFalse(plan["fits"])
        layers = plan["gpu"]["layers"]
        self.assertGreater(layers, 64 * 40 // 72)
        self.assertLess(layers, 64 * 40 // 60)
        self.assertIn(f"--device auto would run {layers} of 64 layers there",
                      octet(*arguments, "40GiB").stdout.decode())
        self.assertEqual(self.json_of(*arguments, "1GiB")["gpu"]["layers"], 0)

    def test_a_gpu_must_run_the_model_and_have_a_memory(self):
        config = ("--config", CONFIGS / "opt-66b.json")
        self.expect_error(octet("plan", *config, "--device", "cuda:63"), 1, "cuda:63", "--memory")
        self.expect_error(octet("plan", *config, "--device", "tpu"), 2, "tpu")
        self.expect_error(octet("plan", *config, "--device", "cuda", "--memory", "80GiB",
                                "--method", "zeropoint"), 1, "--method zeropoint")

    def test_memory_has_units(self):
        config = CONFIGS / "llama-1.17b.json"
        for text, size in [("24GiB", 24 << 30), ("24G", 24 << 30), ("24gb", 24 * 10 ** 9),
                           ("1.5 TiB", 3 << 39), ("512M", 512 << 20), ("1000000B", 10 ** 6),
                           ("25769803776", 24 << 30)]:
            for flag in ("--memory", "--memory-limit"):
                plan = self.json_of("plan", "--config", config, flag, text)
                self.assertEqual(plan["memory_bytes"], size)
        self.expect_error(octet("plan", "--config", config, "--memory", "1G", "--memory-limit", "1G"),
                          2, "--memory-limit")
        for text in ("24", "GiB", "-1GiB", "0GiB", "nanGiB", "1e30GiB", "24GiBs", "24Gb/s"):
            with self.subTest(text):
                self.expect_error(octet("plan", "--config", config, "--memory", text), 2,
                                  "--memory", "--help")

    def test_a_directory_without_weights_is_described_too(self):
        model = self.scratch / "model"
        model.mkdir()
        config = json.loads((CONFIGS / "llama-1.17b.json").read_text())
        (model / "config.json").write_text(json.dumps(config))
        self.assertEqual(self.json_of("inspect", "-m", model)["parameters"], 1170302976)
        self.assertTrue(self.json_of("plan", "-m", model, "--memory", "24GiB")["fits"])
        # A download that broke off is no such directory.
        (model / "model.safetensors.index.json").write_text('{"weight_map": {"x": "a.safetensors"}}')
        self.expect_error(octet("inspect", "-m", model), 1, "a.safetensors")

    def test_bad_configs_and_arguments(self):
        bad = self.scratch / "bad.json"
        for content in ("", "[1]", "{", '{"model_type": "perceptron"}', '{"model_type": "opt"}'):
            bad.write_text(content)
            self.expect_error(octet("plan", "--config", bad, "--memory", "1G"), 1, bad)
            self.expect_error(octet("inspect", "-m", bad), 1, bad)
        self.expect_error(octet("plan", "--config", self.scratch / "absent.json"), 1, "absent.json")
        huge = {"model_type": "opt", "vocab_size": 1 << 24, "hidden_size": 1 << 24,
                "ffn_dim": 1 << 24, "num_hidden_layers": 10000, "num_attention_heads": 1 << 16,
                "max_position_embeddings": 2048}
        bad.write_text(json.dumps(huge))
        self.expect_error(octet("plan", "--config", bad, "--memory", "1024TiB"), 1, bad, "weights")
        config = ("--config", CONFIGS / "opt-66b.json")
        self.expect_error(octet("plan", *config, "--memory", "1G", "-c", "4096"), 1, "2048")
        for arguments in [(), ("-m", "x", *config), (*config, "--devices", "0"),
                          (*config, "--devices", "x"), (*config, "-b", "0"),
                          (*config, "--kept-share", "2"), (*config, "--method", "int4")]:
            with self.subTest(arguments=arguments):
                self.expect_error(octet("plan", *arguments), 2, "--help")


if __name__ == "__main__":
    unittest.main(verbosity=2)
