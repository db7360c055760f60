"""Times a replay: speed.py RUNS OBSERVATIONS COMMAND…. Each child is measured alone, by what the kernel says of it."""
import os
import statistics
import subprocess
import sys
import tempfile
import time

runs, observations, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
with open(observations, "rb") as handle:
    rows = sum(1 for _ in handle) - 1

walls, cpus, peaks = [], [], []
with tempfile.TemporaryDirectory() as folder:
    full = command + ["replay", "--observations", observations, "--events", f"{folder}/events.jsonl"]
    for _ in range(runs):
        begun = time.monotonic()
        child = subprocess.Popen(full)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            sys.exit(f"the replay failed with {child.returncode}")
        walls.append(time.monotonic() - begun)
        cpus.append(usage.ru_utime + usage.ru_stime)
        peaks.append(usage.ru_maxrss / 1024)


def show(title, values, unit):
    print(f"{title:<24} {min(values):>12,.1f} {statistics.median(values):>12,.1f} {max(values):>12,.1f}  {unit}")


print(f"{rows:,} rows, {runs} runs")
print(f"{'':<24} {'minimum':>12} {'median':>12} {'maximum':>12}")
show("speed", [rows / wall for wall in walls], "rows/s")
show("speed by processor time", [rows / cpu for cpu in cpus], "rows/s")
show("wall clock", [1000 * wall for wall in walls], "ms")
show("peak memory", peaks, "MiB (ru_maxrss)")
