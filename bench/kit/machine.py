"""The machine under the bench: its packages, its cores, how busy they are, and what processes cost."""
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """Something that the user has to know of; the message says what to do."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def find_sbin():
    """Servers of Debian's packages lie where a user's PATH does not lead."""
    path = os.environ.get("PATH", "")
    if "/usr/sbin" not in path.split(":"):
        os.environ["PATH"] = path + ":/usr/sbin:/sbin"


def allow_many_files(wanted=150_000):
    """Raises the limit of descriptors, for us and what we start, as far as we may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in (max(wanted, hard), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return
        except (ValueError, OSError):
            pass


def install_missing(programs):
    """Installs the Debian packages of the programs that are not there. `programs`: program -> package."""
    find_sbin()
    wanted = sorted({package for program, package in programs.items() if not shutil.which(program)})
    if not wanted:
        return
    if not shutil.which("apt-get"):
        raise BenchError(f"not installed: {', '.join(wanted)}")
    say(f"installing {', '.join(wanted)}")
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    quiet = dict(stdout=subprocess.DEVNULL, check=True, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))
    # The packages start their own servers; a policy of 101 keeps them from doing so in a container. A server that
    # runs all the same idles on its own port and is not touched.
    install = sudo + ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *wanted]
    try:
        subprocess.run(install, **quiet)
    except subprocess.CalledProcessError:
        subprocess.run(sudo + ["apt-get", "update", "-qq"], **quiet)
        subprocess.run(install, **quiet)


def compile_tool(name):
    """bench/NAME.cpp as build/bench/NAME, compiled when the source or a header is newer."""
    source = ROOT / "bench" / f"{name}.cpp"
    newest = max(f.stat().st_mtime for f in (source, *source.parent.glob("*.hpp")))
    binary = ROOT / "build" / "bench" / name
    if binary.exists() and binary.stat().st_mtime >= newest:
        return binary
    binary.parent.mkdir(parents=True, exist_ok=True)
    compiler = os.environ.get("CXX", "c++")
    fresh = binary.with_suffix(f".{os.getpid()}")
    subprocess.run([compiler, "-std=c++20", "-O2", "-Wall", "-Wextra", str(source), "-o", str(fresh)], check=True)
    fresh.replace(binary)
    return binary


def cores():
    """(core of the servers, core of the load): the last two that we may run on."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise BenchError("the bench needs two cores: one for the servers, one for the load")
    return allowed[-1], allowed[-2]


def busy_seconds(core):
    """CPU time that a core has spent on anything, since the machine started."""
    with open("/proc/stat") as stat:
        for line in stat:
            if line.startswith(f"cpu{core} "):
                user, nice, system, _idle, _wait, irq, softirq, steal = map(int, line.split()[1:9])
                return (user + nice + system + irq + softirq + steal) / TICKS
    raise BenchError(f"no core {core} in /proc/stat")


def cpu_seconds(pids):
    """(user, system) CPU time of these processes, all their threads and ended threads included."""
    user = system = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        except FileNotFoundError:
            continue
        user += int(fields[11])
        system += int(fields[12])
    return user / TICKS, system / TICKS


def thread(pid, name):
    """The thread of that name, as cpu_seconds() takes it."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        if (task / "comm").read_text().strip() == name[:15]:
            return f"{pid}/task/{task.name}"
    raise BenchError(f"process {pid} has no thread {name}")


def session_pids(leader):
    """The processes of the session that `leader` began: a server and all that it forked."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(") ")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry))
    return found


def wait_until_quiet(limit, threshold=.06, window=1):
    """Waits until all cores have been idle for a second, for at most `limit` seconds. True if they were."""
    everything = sorted(os.sched_getaffinity(0))
    end = time.monotonic() + limit
    while True:
        before = [busy_seconds(core) for core in everything]
        time.sleep(window)
        share = max((busy_seconds(core) - was) / window for core, was in zip(everything, before))
        if share <= threshold:
            return True
        if time.monotonic() >= end:
            say(f"the machine is not quiet: a core is {share:.0%} busy with other things")
            return False


def tmpfs_dir():
    """Where a directory on tmpfs can be made."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _device, where, kind = line.split()[:3]
        if kind == "tmpfs" and where in ("/dev/shm", "/run/shm", "/tmp") and os.access(where, os.W_OK):
            return where
    raise BenchError("no tmpfs at /dev/shm or /tmp to write to")


def describe():
    """What a table should say of the machine."""
    model = "unknown CPU"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        system = platform.system()
    return {"cores": os.cpu_count(), "cpu": model, "system": system, "kernel": platform.release()}
