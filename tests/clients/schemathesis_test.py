"""schemathesis asks octet serve what its OpenAPI document allows and what it does not.

usage: tests/clients/schemathesis_test.py MODEL --octet OCTET
"""

import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cli"))
from served import Served  # noqa: E402

# A request that the document allows may still be refused for what only the model knows (a token
# outside its vocabulary, another model's name), so that 4xx answers to it are right. Methods that
# httplib has never heard of (QUERY) are 400 rather than 405; tests/cli asks with the others.
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance," \
         "response_schema_conformance,negative_data_rejection"


def main():
    server = Served(sys.argv[1], "--ctx-size", 256, "--request-time", 20).wait_until_ready()
    try:
        status = subprocess.run(
            [pathlib.Path(sys.executable).parent / "schemathesis", "run",
             f"http://127.0.0.1:{server.port}/openapi.json", "--checks", CHECKS,
             "--max-examples", "200", "--request-timeout", "60", "--seed", "1",
             "--suppress-health-check", "all"]).returncode
        healthy = server.get("/health").status == 200
    finally:
        exit_status, errors = server.stop()
    if status != 0 or not healthy or exit_status != 0:
        raise SystemExit(f"schemathesis_test: failed ({status}, {exit_status}) {errors}")


if __name__ == "__main__":
    main()
