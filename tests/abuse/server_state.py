"""What the system and /metrics tell of a running server: memory, threads, descriptors, counters."""

import pathlib
import re
import time

REPORTS = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|octet: error|"
                     r"terminate called|check failed")
PATIENCE_S = 120


def threads(server):
    return len(list(pathlib.Path(f"/proc/{server.process.pid}/task").iterdir()))


def descriptors(server):
    return len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))


def memory_mb(server, name):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+)", status)[1]) / 1024


def rss_mb(server):
    return memory_mb(server, "VmRSS")


def sanitized(server):
    """Whether a sanitizer's shadow is there, which keeps what is freed."""
    return memory_mb(server, "VmSize") > 1 << 20


def metrics(server):
    text = server.get("/metrics").body.decode()
    return {name: float(value)
            for name, value in re.findall(r"^octet_(\S+) (\S+)$", text, re.MULTILINE)}


def until(reached, what):
    """Waits for what must come in the end; how soon is not the matter."""
    deadline = time.monotonic() + PATIENCE_S
    while not reached():
        assert time.monotonic() < deadline, f"not reached: {what}"
        time.sleep(.05)


def until_idle(server):
    """Nothing is computed, nothing waits and no running request holds a page; the metrics then."""
    last = {}

    def idle():
        last.update(metrics(server))
        return not (last["requests_running"] or last["requests_queued"] or last["kv_pages_used"])
    until(idle, "an idle server")
    return last


def expect_clean_end(server, number=None):
    """Ends it; its exit status is 0 and it has reported nothing."""
    status, errors = server.wait() if number is None else server.stop(number)
    report = REPORTS.search(errors)
    assert status == 0 and not report, f"exit status {status}: {errors[-6000:]}"
