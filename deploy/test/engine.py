"""A Docker engine of the test's own, from Debian's packages: its own folder, socket and, while containers run, its own
network namespace with no way out. Nothing of an engine that the machine may have is touched.

It is started twice: to build, in the machine's network (apt must reach its mirror) but without a bridge and without a
change to the firewall; then to run, inside the namespace."""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

DOCKER = "/usr/bin/docker"  # the client of Debian's package, also where another stands first in PATH


def why_not():
    """What this machine lacks to run containers, None when nothing."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("dockerd", "docker-compose", "mmdebstrap", "iptables", "ip", "nsenter"):
        if shutil.which(program) is None:
            return f"needs {program}"
    controllers = pathlib.Path("/sys/fs/cgroup/cgroup.controllers")
    if not controllers.exists() and not pathlib.Path("/sys/fs/cgroup/memory").exists():
        return "needs control groups"
    for command, what in (
        (["unshare", "--net", "--mount", "true"], "namespaces"),
        (["unshare", "--net", "iptables", "-t", "nat", "-L", "-n"], "netfilter's nat table in a namespace"),
        (["unshare", "--net", "ip", "link", "add", "probe0", "type", "bridge"], "network bridges"),
    ):
        if subprocess.run(command, capture_output=True).returncode != 0:
            return f"needs {what}"
    filesystems = pathlib.Path("/proc/filesystems").read_text()
    return None if "overlay" in filesystems else "needs overlayfs"


class CannotRun(Exception):
    """The engine does not start here, or cannot run a container."""


class Engine:
    def __init__(self, keep=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="evently-deploy."))
        self.data = pathlib.Path(keep) if keep else self.folder / "data"
        self.namespace = f"evently-{os.getpid()}"
        self.process = None
        self.host = f"unix://{self.folder}/docker.sock"
        self.environment = {
            **os.environ,
            "PATH": "/usr/bin:" + os.environ["PATH"],
            "DOCKER_HOST": self.host,
            "DOCKER_CONFIG": str(self.folder / "config"),
            "DOCKER_BUILDKIT": "1",
        }

    # ---- the daemon ----

    def start_to_build(self):
        self._start([], ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"])

    def start_to_run(self):
        if not self._namespace_file().exists():
            subprocess.run(["ip", "netns", "add", self.namespace], check=True)
            subprocess.run([*self.inside(), "ip", "link", "set", "lo", "up"], check=True)
        # A pool of its own, so that the containers' networks are the same on every machine.
        self._start(self.inside(), ["--default-address-pool=base=10.251.0.0/16,size=24"])

    def inside(self):
        """The words in front of a command that is to run in the containers' network. Not `ip netns exec`, which would
        hide /sys/fs/cgroup."""
        return ["nsenter", f"--net={self._namespace_file()}"]

    def _namespace_file(self):
        return pathlib.Path("/run/netns") / self.namespace

    def _start(self, prefix, options):
        log = open(self.folder / "dockerd.log", "ab")
        self.process = subprocess.Popen(
            [*prefix, "dockerd", "--data-root", self.data, "--exec-root", self.folder / "run", "--pidfile",
             self.folder / "docker.pid", "-H", self.host, *options],
            stdout=log, stderr=log, start_new_session=True)  # fmt: skip
        deadline = time.monotonic() + 60
        while self.docker("info", check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise CannotRun("dockerd did not start:\n" + (self.folder / "dockerd.log").read_text()[-3000:])
            time.sleep(0.2)

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)  # ends its containerd as well
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def remove(self):
        self.stop()
        if self._namespace_file().exists():
            subprocess.run(["ip", "netns", "del", self.namespace], check=False)
        for line in reversed(pathlib.Path("/proc/mounts").read_text().splitlines()):
            place = line.split()[1]
            if place.startswith(str(self.folder)):
                subprocess.run(["umount", "-l", place], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- its client ----

    def docker(self, *words, check=True, timeout=600):
        done = subprocess.run([DOCKER, *words], env=self.environment, capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise RuntimeError(f"docker {' '.join(map(str, words))}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
        return done

    def build(self, tag, folder, *options):
        self.docker("build", "--network=host", "-t", tag, *options, folder)

    def try_out(self, image):
        """Raises CannotRun unless a first container runs: a kernel or a container around us may forbid it late."""
        done = self.docker("run", "--rm", "--network=none", image, "true", check=False)
        if done.returncode != 0:
            raise CannotRun("a first container did not run: " + done.stderr.strip()[-1000:])

    def inspect(self, name, form):
        return self.docker("inspect", "-f", form, name).stdout.strip()
