"""An account, a folder and the services, as the measurements beside this file need them. Never run by itself."""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/doorward"
ACCOUNT = f"dwbench{os.getpid()}"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def policy(rules, limits=""):
    """A policy with one worker, whose limits are none that a measurement meets."""
    return f"""version = 1
[worker.bench]
user = "{ACCOUNT}"
roles = ["bench"]
[worker.bench.limits]
lines = {{ concurrent = 8, per_minute = 1000000{limits} }}
[role.bench]
about = "What the measurement runs."
{rules}
"""


@contextlib.contextmanager
def folder():
    """A folder with the program in it, and the account with that as its shell; both are removed at the end."""
    if os.geteuid() != 0 or not PROGRAM.exists():
        sys.exit("needs root and `cargo build --release`")
    made = pathlib.Path(tempfile.mkdtemp(prefix="doorward-bench-", dir="/var/lib"))
    try:
        made.chmod(0o755)
        shutil.copy(PROGRAM, made / "doorward")
        subprocess.run(["useradd", "--system", "--no-create-home", "--shell", made / "doorward", ACCOUNT], check=True)
        try:
            yield made
        finally:
            # By force: somebody else's process may run under its number.
            subprocess.run(["userdel", "-f", ACCOUNT], check=True)
    finally:
        shutil.rmtree(made)


class House:
    """The services while they are wanted, and what a worker asks of them."""

    def __init__(self, folder, text):
        self.folder = folder
        (folder / "policy.toml").write_text(text)

    def __enter__(self):
        folders = ["--policy", "policy.toml", "--state-dir", "state", "--runtime-dir", "run"]
        words = [word if word.startswith("--") else self.folder / word for word in folders]
        self.serve = subprocess.Popen([self.folder / "doorward", "serve", *words], stderr=subprocess.DEVNULL)
        for _ in range(600):
            if self.ask("whoami").returncode == 0:
                return self
            time.sleep(0.05)
        self.__exit__()
        sys.exit("the services did not start")

    def __exit__(self, *_):
        self.serve.send_signal(signal.SIGTERM)
        self.serve.wait(30)

    def session(self, line):
        """What sshd would start for a line: the words, and the environment."""
        words = [self.folder / "doorward", "-c", f"{self.folder / 'doorward'} session --runtime-dir {self.folder / 'run'}"]
        return words, ENVIRONMENT | {"SSH_ORIGINAL_COMMAND": line}

    def ask(self, line, **to):
        words, environment = self.session(line)
        return subprocess.run(words, user=ACCOUNT, env=environment, **(to or {"capture_output": True}))


def timed(words, environment=ENVIRONMENT):
    """Seconds that a command takes as the account, and its stdout. One that fails or complains ends the measurement."""
    start = time.perf_counter()
    done = subprocess.run(words, user=ACCOUNT, env=environment, capture_output=True)
    took = time.perf_counter() - start
    if done.returncode != 0 or done.stderr:
        sys.exit(f"{words}: {done.returncode}: {done.stderr.decode()}")
    return took, done.stdout


def p95(values):
    return sorted(values)[int(len(values) * 0.95)]
