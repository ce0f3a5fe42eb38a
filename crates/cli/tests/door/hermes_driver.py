"""Drives the unmodified SSH backend of hermes-agent, one JSON request a line on stdin, one JSON answer a line on
stdout. The first argument is the folder that the package is in; HERMES_HOME, TMPDIR and PATH are the caller's.

    {"do": "connect", "host": …, "user": …, "port": …, "key": …}   → {"cwd", "home", "ready"}
    {"do": "execute", "command": …, "timeout": …, "stdin": …}      → {"output", "returncode", "cwd", "seconds"}
    {"do": "background", "command": …}                             → {"exited", "exit_code", "pid", "output"}
    {"do": "cleanup"}                                              → {}

Every answer also has "warnings": what the package logged meanwhile, from WARNING on.
"""
import json
import logging
import sys
import tarfile
import time

sys.path.insert(0, sys.argv[1])

from tools.environments.ssh import SSHEnvironment  # noqa: E402
from tools.process_registry import ProcessRegistry  # noqa: E402

if not hasattr(tarfile, "data_filter"):  # Python before 3.11.4, which the package would fail on with any host
    ORIGINAL = tarfile.TarFile.extractall
    tarfile.TarFile.extractall = lambda self, path, filter=None: ORIGINAL(self, path)

WARNINGS = []


class Keep(logging.Handler):
    def emit(self, record):
        WARNINGS.append(record.getMessage())


def connect(ask, _):
    backend = SSHEnvironment(host=ask["host"], user=ask["user"], port=ask["port"], key_path=ask["key"], timeout=60)
    return backend, {"cwd": backend.cwd, "home": backend._remote_home, "ready": backend._snapshot_ready}


def execute(ask, backend):
    begun = time.monotonic()
    result = backend.execute(ask["command"], timeout=ask.get("timeout"), stdin_data=ask.get("stdin"))
    return backend, {**result, "cwd": backend.cwd, "seconds": time.monotonic() - begun}


def background(ask, backend):
    session = ProcessRegistry().spawn_via_env(backend, ask["command"], cwd=backend.cwd)
    return backend, {
        "exited": session.exited,
        "exit_code": session.exit_code,
        "pid": session.pid,
        "output": session.output_buffer,
    }


def cleanup(_, backend):
    backend.cleanup()
    return backend, {}


STEPS = {"connect": connect, "execute": execute, "background": background, "cleanup": cleanup}


def main():
    logging.getLogger().addHandler(Keep(logging.WARNING))
    backend = None
    for line in sys.stdin:
        ask = json.loads(line)
        backend, answer = STEPS[ask["do"]](ask, backend)
        answer["warnings"], WARNINGS[:] = list(WARNINGS), []
        print(json.dumps(answer), flush=True)


main()
