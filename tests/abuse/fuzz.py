"""Thousands of bad requests at a server whose good answers must not change."""

import collections
import json
import signal
import socket
import threading

import server_state
from fuzzed_requests import GOOD, KEY, case
from http_messages import BadResponse, problem_of, responses

HEADERS = {"Authorization": "Bearer " + KEY}
# No answer takes as long: who waits until then has got none.
CLIENT_TIME_S = 600
NO_ANSWER_S = 120


def exchange(port, case):
    """What comes back for a case's bytes."""
    received = []
    with socket.create_connection(("127.0.0.1", port), timeout=NO_ANSWER_S) as peer:
        def send():
            at = 0
            try:
                for size in case.pieces or (len(case.data),):
                    peer.sendall(case.data[at:at + size])
                    at += size
                if case.ends:
                    peer.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # the server has answered and closed already
        if case.leaves:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            send()
            return b""
        sender = threading.Thread(target=send) if len(case.data) > 1_000_000 else None
        sender.start() if sender else send()
        try:
            while part := peer.recv(65536):
                received.append(part)
        except ConnectionResetError:
            pass  # after its answer, the server does not read for ever
        except TimeoutError:
            raise BadResponse(f"no answer and no end; {b''.join(received)[:200]!r}") from None
        finally:
            if sender:
                sender.join()
    return b"".join(received)


def problem_with(case, data, good):
    """What is wrong with what came back, or None; and the statuses."""
    found = responses(data, case.methods)
    statuses = [response.status for response in found]
    if len(found) < len(case.expected) and not case.leaves:
        return f"{len(case.expected)} answers are due; there are {statuses}", statuses
    if len(found) > case.at_most:
        return f"{case.at_most} answers at most; there are {statuses}", statuses
    for index, response in enumerate(found):
        head_only = index < len(case.methods) and case.methods[index] == "HEAD"
        if problem := problem_of(response, head_only):
            return f"answer {index}: {problem}", statuses
        if index < len(case.expected) and response.status not in case.expected[index]:
            return (f"answer {index}: status {response.status}, not {case.expected[index]}: "
                    f"{response.body[:300]!r}"), statuses
        if index in case.same and choices_of(response.body) != good:
            return f"answer {index} is another one: {response.body[:300]!r}", statuses
    if case.param is not None:
        param = json.loads(found[0].body)["error"]["param"]
        if param is None or not param.startswith(case.param):
            return f"the error is about {param!r}, not {case.param!r}: {found[0].body!r}", statuses
    return None, statuses


def choices_of(body):
    return json.loads(body)["choices"]


def run(served, model, *, requests, seed, threads=4, check_every=100, first=0):
    """Sends the seed's cases; `served` starts a server. Returns statuses with their counts and how
    often the good request was asked. Ends the server."""
    server = served(model, "--api-key", KEY, "--client-time", CLIENT_TIME_S,
                    headers=HEADERS).wait_until_ready()
    failures, counts, kinds = [], collections.Counter(), collections.Counter()
    lock, cases, checks = threading.Lock(), iter(range(first, first + requests)), [0]
    try:
        good = server.complete(**GOOD).json["choices"]

        def work():
            while True:
                with lock:
                    index = next(cases, None)
                    if index is None or len(failures) >= 10:
                        return
                name, each = "unmade", None
                try:
                    name, each = case(seed, index)
                    problem, statuses = problem_with(each, exchange(server.port, each), good)
                except Exception as error:
                    problem, statuses = f"{type(error).__name__}: {error}", []
                if not problem and index % check_every == 0:
                    answer = server.complete(**GOOD)
                    if answer.status != 200 or answer.json["choices"] != good:
                        problem = f"afterwards the good request has another answer: {answer.body}"
                with lock:
                    kinds[name] += 1
                    counts.update(statuses or ["none"])
                    checks[0] += index % check_every == 0
                    if problem:
                        failures.append(f"case {index} ({name}): {problem}\n    sent "
                                        f"{each.data[:300] if each else None!r}")
        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not failures, f"seed {seed}:\n" + "\n".join(failures)
        assert kinds.total() == requests
        server_state.until_idle(server)
        assert server.complete(**GOOD).json["choices"] == good
    except BaseException:
        server.process.kill()
        print(server.wait()[1][-6000:])
        raise
    server_state.expect_clean_end(server, signal.SIGTERM)
    return {"statuses": counts, "kinds": kinds, "good": checks[0] + 2}
