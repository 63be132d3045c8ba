"""lm-evaluation-harness scores a task through octet serve and finds what octet eval finds.

usage: tests/clients/lm_eval_test.py MODEL --octet OCTET [--limit N]
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from cli import OCTET, SHARED, octet  # noqa: E402
from served import Served  # noqa: E402

TASK = """task: local_arc_easy
dataset_path: json
dataset_kwargs:
  data_files: {{test: {data}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{query}}}}\\nAnswer:"
doc_to_target: "{{{{gold}}}}"
doc_to_choice: "{{{{choices}}}}"
metric_list:
  - metric: acc
  - metric: acc_norm
metadata: {{version: 1}}
"""


def harness(model, folder, limit, bits):
    """The harness's results by its own command; nothing is fetched."""
    server = Served(model, "--activation-bits", bits).wait_until_ready()
    try:
        name = server.get("/v1/models").json["data"][0]["id"]
        url = f"http://127.0.0.1:{server.port}/v1/completions"
        subprocess.run(
            [sys.executable, "-m", "lm_eval", "--model", "local-completions", "--model_args",
             f"model={name},base_url={url},num_concurrent=4", "--tasks", "local_arc_easy",
             "--include_path", folder, "--limit", str(limit), "--output_path", folder / "out"],
            check=True, env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1",
                             "HF_HOME": str(folder / "hf"), "OPENAI_API_KEY": "none"})
    finally:
        server.stop()
    results, = (folder / "out").rglob("results_*.json")
    return json.loads(results.read_text())["results"]["local_arc_easy"]


def main():
    model = sys.argv[1]
    limit = int(sys.argv[sys.argv.index("--limit") + 1]) if "--limit" in sys.argv else 100
    data = SHARED / "data/tasks/arc-easy.jsonl"
    if not data.exists():
        raise SystemExit(f"lm_eval_test: {data} is not here; OCTET_SHARED names its folder")
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "task.yaml").write_text(TASK.format(data=data))
        theirs = harness(model, folder, limit, 16)
    own = json.loads(octet("eval", "-m", model, "--task", "arc-easy", "--data", data, "--limit",
                           limit, "--json").stdout)
    pairs = [(theirs["acc,none"], own["accuracy"]), (theirs["acc_norm,none"], own["accuracy_norm"])]
    print(f"lm_eval_test: {OCTET}, {limit} documents: (harness, octet eval) {pairs}")
    if any(abs(harness_says - octet_says) > 1e-9 for harness_says, octet_says in pairs):
        raise SystemExit("lm_eval_test: they differ")


if __name__ == "__main__":
    main()
