"""The detection benchmark's tables. See detection.sh, which builds what this needs.

    detection.py COMMAND BENCH MADE LINKDOWN SEED…

COMMAND is score, sensitivity, reliability, cold, missing, parts, floor or worst. BENCH holds outage_bench.py, MADE the seeds' folders,
LINKDOWN is the program (for parts: a folder, in which a program is built for each part that is taken out).
"""
import csv
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

COMMAND, BENCH, MADE, LINKDOWN = sys.argv[1:5]
SEEDS = sys.argv[5:]
sys.path.insert(0, BENCH)
import numpy as np  # noqa: E402
import outage_bench as ob  # noqa: E402

HEADER = "received_at observed_at entity source signal value".split()
# Those that our own probes watch, and what they see most of: the blackouts of which minutes are owed.
PROBED = {name for name, _, _, _, probes, _, _ in ob.ENTITIES if probes}
BLACKOUTS = {"blackout", "short_blackout"}
IRAN = f"{BENCH}/real/iran-2019"


class Case:
    """Observations with their truth; `rows` says which of them a detector is given."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.truth = [dict(r, start=int(r["start"]), end=int(r["end"])) for r in csv.DictReader(open(f"{folder}/outages.csv"))]


def cases():
    return [Case(f"seed {seed}", f"{MADE}/seed-{seed}") for seed in SEEDS]


def short(observations, into):
    """The scorer wants the first and the last moment and the names of the entities: it need not read a million rows."""
    path = f"{into}/short.csv"
    with open(observations) as source, open(path, "w") as out:
        out.write(next(source))
        seen, first, last = {}, None, None
        for line in source:
            first = first or line
            seen.setdefault(line.split(",", 3)[2], line)
            last = line
        out.writelines([first, *seen.values(), last])
    return path


class Result:
    def __init__(self, case, score, events):
        self.case, self.score, self.events = case, score, events
        self.delays, self.dating, self.recover, self.probed, self.slow = [], [], [], [], []
        ends = {(e["entity"], e["incident"]): e for e in events if e["kind"] == "recovered"}
        for t in case.truth:
            hits = [e for e in events if e["kind"] == "started" and e["entity"] == t["entity"] and t["start"] <= e["at"] <= t["end"] + 5400]
            if t["expect"] != "must" or not hits:
                continue
            delay = hits[0]["at"] - t["start"]
            self.delays.append(delay)
            self.dating.append(abs(hits[0]["started_at"] - t["start"]))
            end = ends.get((t["entity"], hits[-1]["incident"]))
            if end:
                self.recover.append(max(0, end["at"] - t["end"]))
            if t["entity"] in PROBED and t["kind"] in BLACKOUTS:
                self.probed.append(delay)
            self.slow.append((delay, t, hits[0], end))


def run(case, linkdown=LINKDOWN, keep=None, sensitivity="balanced", truth=None):
    """Replays the case, or the rows of it that `keep(row)` holds for, and scores what is said."""
    with tempfile.TemporaryDirectory() as folder:
        observations = f"{case.folder}/observations.csv"
        if keep:
            kept = f"{folder}/observations.csv"
            with open(observations) as source, open(kept, "w") as out:
                out.write(next(source))
                out.writelines(line for line in source if keep(line.split(",", 5)))
            observations = kept
        outages = f"{case.folder}/outages.csv"
        if truth is not None:
            outages = f"{folder}/outages.csv"
            with open(outages, "w", newline="") as out:
                writer = csv.DictWriter(out, "entity start end kind depth expect".split())
                writer.writeheader()
                writer.writerows(truth)
        events = f"{folder}/events.jsonl"
        subprocess.run([linkdown, "replay", "--observations", observations, "--events", events, "--sensitivity", sensitivity], check=True)
        score = ob.score(outages, events, short(observations, folder))
        said = [json.loads(line) for line in open(events)]
    result = Result(case, score, said)
    return result


def all_of(work, items):
    """Two at a time: each takes a core."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))


def q(values, share):
    return float(np.percentile(values, share)) / 60 if len(values) else float("nan")


def pair(values):
    return f"{q(values, 50):.1f} / {q(values, 90):.1f}" if len(values) else "-"


def table(rows):
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for at, row in enumerate(rows):
        print("| " + " | ".join(str(cell).ljust(width) for cell, width in zip(row, widths)) + " |")
        if at == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    print(flush=True)


COLUMNS = ["", "recall", "false", "a month", "detect", "dating", "recover", "repeats", "early", "unresolved", "stray"]


def line(title, results):
    total = lambda key: sum(r.score[key] for r in results)
    joined = lambda name: [value for r in results for value in getattr(r, name)]
    must, found = total("must"), total("found")
    months = [r.score["false_alarms"] / r.score["false_per_entity_month"] for r in results if r.score["false_per_entity_month"]]
    month = f"{total('false_alarms') / (sum(months) / len(months) * len(results)):.3f}" if months else "0"
    return [title, f"{found / max(must, 1):.3f} ({found}/{must})", total("false_alarms"), month, pair(joined("delays")), pair(joined("dating")),
            pair(joined("recover")), total("repeats"), total("recovered_too_early"), total("unresolved"), total("stray")]


def score():
    results = all_of(run, cases())
    rows = [COLUMNS] + [line(r.case.name, [r]) for r in results]
    if len(results) > 1:
        rows.append(line("all", results))
    if os.path.isdir(IRAN):
        rows.append(line("Iran 2019", [run(Case("Iran 2019", IRAN))]))
    else:
        print(f"no {IRAN}: the real case is left out", file=sys.stderr)
    print("Minutes: median / 90th percentile. A month: false alarms in an entity-month.\n")
    table(rows)
    probed = [delay for r in results for delay in r.probed]
    print(f"Blackouts of entities with probes: {pair(probed)} min ({len(probed)})\n")
    kinds = sorted({kind for r in results for kind in r.score["found_by_kind"]})
    count = lambda kind: [sum(int(r.score["found_by_kind"].get(kind, "0/0").split("/")[i]) for r in results) for i in (0, 1)]
    delays = lambda kind, probed: [d for r in results for d, t, _, _ in r.slow if t["kind"] == kind and (t["entity"] in PROBED) == probed]
    table([["kind", "found", "detect, probed", "detect, not probed"]]
          + [[kind, "{}/{}".format(*count(kind)), pair(delays(kind, True)), pair(delays(kind, False))] for kind in kinds])


def sensitivity():
    print("What each word costs, by what a chat with it hears.\n")
    rows = [COLUMNS]
    for word in ("careful", "balanced", "eager"):
        rows.append(line(word, all_of(lambda case: run(case, sensitivity=word), cases())))
    table(rows)


def reliability():
    """Of each level and each word, how often something was wrong indeed."""
    counts = defaultdict(lambda: [0, 0])
    for result in all_of(run, cases()):
        for e in result.events:
            right = any(t["entity"] == e["entity"] and t["start"] <= e["at"] <= t["end"] + 5400 for t in result.case.truth)
            if e["kind"] in ("suspected", "started", "worsened"):
                counts[e["kind"], e["sure"]][0] += right
                counts[e["kind"], e["sure"]][1] += 1
    for result in all_of(lambda case: run(case, sensitivity="careful"), cases()):
        for e in (e for e in result.events if e["kind"] == "started"):
            right = any(t["entity"] == e["entity"] and t["start"] <= e["at"] <= t["end"] + 5400 for t in result.case.truth)
            counts["becomes high", "high"][0] += right
            counts["becomes high", "high"][1] += 1
    print("Of what was said so, how much was right: inside an outage, or up to 90 minutes after.\n")
    table([["said", "how sure", "right", "of", "share"]]
          + [[kind, sure, right, of, f"{right / of:.3f}"] for (kind, sure), (right, of) in sorted(counts.items())])


def cold():
    """The first outages after so many days of history."""
    day, end = ob.EPOCH + 14 * ob.DAY, ob.EPOCH + 21 * ob.DAY
    rows = [["days of history"] + COLUMNS[1:]]
    for days in (1, 2, 3, 7, 14):
        since = day - days * ob.DAY

        def one(case):
            # What goes on at the end is neither owed nor wrong.
            truth = [t if t["end"] < end else {**t, "expect": "may"} for t in case.truth if t["start"] < end]
            keep = lambda row, since=since: since <= int(row[1]) and int(row[0]) < end
            short_case = Case(case.name, case.folder)
            short_case.truth = truth
            return run(short_case, keep=keep, truth=truth)

        rows.append(line(str(days), all_of(one, cases())))
    print("The outages of the first week after the history, which goes on growing in it.\n")
    table(rows)


def missing():
    """Each source, and each signal, absent; each source alone."""
    sources = ["ioda", "ripestat", "radar", "probe"]
    signals = [f"{source} {signal}" for source, signal in ob.SIGNALS]
    trials = [("all", None)]
    trials += [(f"no {source}", lambda row, s=source: row[3] != s or row[4] == "control") for source in sources]
    trials += [(f"{source} alone", lambda row, s=source: row[3] == s or row[4] == "control") for source in sources]
    trials += [(f"no {name}", lambda row, n=name: f"{row[3]} {row[4]}" != n) for name in signals]
    rows = [COLUMNS]
    for title, keep in trials:
        rows.append(line(title, all_of(lambda case: run(case, keep=keep), cases())))
    table(rows)


def parts():
    """Each part of the detector off: LINKDOWN is a folder with a program for each."""
    rows = [COLUMNS]
    for title in ["whole", *sorted(name for name in os.listdir(LINKDOWN) if name != "whole")]:
        program = f"{LINKDOWN}/{title}"
        results = all_of(lambda case: run(case, linkdown=program), cases())
        rows.append(line(title.replace("-", " "), results))
    table(rows)


def floor():
    """Who knows the truth, and tells of an outage as soon as two signals have published one bin that is 30 % low."""
    found = []
    for case in cases():
        by_entity, first = defaultdict(list), defaultdict(dict)
        for t in case.truth:
            if t["expect"] == "must":
                by_entity[t["entity"]].append(t)
        for row in csv.reader(open(f"{case.folder}/observations.csv")):
            for t in by_entity.get(row[2], ()) if row[5] else ():
                signal, when = (row[3], row[4]), int(row[1])
                if signal in first[id(t)] or not t["start"] - ob.HOUR <= when < t["start"] + 2 * ob.HOUR:
                    continue
                step, _, _, layer = ob.SIGNALS[signal]
                outage = (t["start"], t["end"], t["kind"], float(t["depth"]), "")
                if ob.severity(np.array([when + step / 2]), [outage], layer)[0] >= 0.3:
                    first[id(t)][signal] = int(row[0])
        for outages in by_entity.values():
            for t in outages:
                published = sorted(first[id(t)].values())
                if len(published) > 1:
                    found.append(published[1] - t["start"])
    print(f"As soon as two signals have published one bin that is 30 % low: {pair(found)} min ({len(found)} outages)")


def worst():
    """The ten that took longest to be told, drawn: each signal against its usual hour, and what was said."""
    slow = sorted((s for result in all_of(run, cases()) for s in [(d, result.case, t, e, end) for d, t, e, end in result.slow]), key=lambda s: -s[0])[:10]
    print(drawing(slow))


WIDE, HIGH, LEFT = 880, 96, 118
COLOURS = {"bgp": "#1f77b4", "visibility": "#17becf", "ping-slash24": "#2ca02c", "merit-nt": "#bcbd22", "gtr": "#ff7f0e", "netflow": "#d62728",
           "dns": "#9467bd", "http": "#e377c2", "mail": "#8c564b"}


def drawing(slow):
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {len(slow) * (HIGH + 34) + 46}" font-family="sans-serif" font-size="11">',
           f'<rect width="{WIDE}" height="{len(slow) * (HIGH + 34) + 46}" fill="white"/>']
    for at, (name, colour) in enumerate(COLOURS.items()):
        out.append(f'<text x="{LEFT + at * 82}" y="16" fill="{colour}">{name}</text>')
    out.append(f'<text x="{LEFT}" y="32" fill="#444">share of usual, from 0 to 1.3 · black: the outage begins and ends · red: told · green: recovery told</text>')
    for at, (delay, case, t, started, end) in enumerate(slow):
        top = 46 + at * (HIGH + 34)
        length = t["end"] - t["start"]
        first, last = t["start"] - max(2 * ob.HOUR, length // 6), t["end"] + max(3 * ob.HOUR, length // 6)
        x = lambda when: LEFT + (when - first) / (last - first) * (WIDE - LEFT - 10)
        y = lambda share: top + HIGH - min(max(share, 0), 1.3) / 1.3 * HIGH
        out.append(f'<rect x="{LEFT}" y="{top}" width="{WIDE - LEFT - 10}" height="{HIGH}" fill="#f6f6f6"/>')
        out.append(f'<text x="4" y="{top + 14}" font-weight="bold">{t["entity"]} {t["kind"]}</text>')
        for row, text in enumerate([case.name, f'depth {float(t["depth"]):.2f}', f'{length / 3600:.1f} h long', f'told after {delay / 60:.0f} min']):
            out.append(f'<text x="4" y="{top + 29 + 14 * row}">{text}</text>')
        for signal, points in shares(case, t["entity"], first, last).items():
            path = " ".join(f"{x(when):.1f},{y(share):.1f}" for when, share in points)
            out.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[signal]}" stroke-width="1"/>')
        marks = [(t["start"], "black"), (t["end"], "black"), (started["at"], "red")] + ([(end["at"], "green")] if end else [])
        for when, colour in marks:
            if first <= when <= last:
                out.append(f'<line x1="{x(when):.1f}" x2="{x(when):.1f}" y1="{top}" y2="{top + HIGH}" stroke="{colour}" stroke-width="1.5"/>')
    return "\n".join(out + ["</svg>"])


def shares(case, entity, first, last):
    """Each signal's newest values as shares of the median of that hour of the day in the two weeks before."""
    values = defaultdict(dict)
    for row in csv.reader(open(f"{case.folder}/observations.csv")):
        if row[2] == entity and row[5] and int(row[1]) < last and int(row[1]) > first - 14 * ob.DAY:
            values[row[4]][int(row[1])] = float(row[5])
    found = {}
    for signal, bins in values.items():
        hours = defaultdict(list)
        for when, value in bins.items():
            if when < first:
                hours[when // 3600 % 24].append(value)
        usual = {hour: float(np.median(known)) for hour, known in hours.items()}
        step = max(1, int((last - first) / (WIDE - LEFT) / ob.SIGNALS[next(k for k in ob.SIGNALS if k[1] == signal)][0]))
        inside = sorted(when for when in bins if when >= first)
        points = []
        for at in range(0, len(inside), step):
            some = inside[at:at + step]
            normal = usual.get(some[0] // 3600 % 24, 0)
            if normal > 0:
                points.append((some[0], float(np.mean([bins[when] for when in some])) / normal))
        found[signal] = points
    return found


{"score": score, "sensitivity": sensitivity, "reliability": reliability, "cold": cold, "missing": missing, "parts": parts, "floor": floor, "worst": worst}[COMMAND]()
