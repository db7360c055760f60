"""Prints the scores of several cases as one table: table.py FOLDER NAME…, each score in FOLDER/NAME.json."""
import json
import sys

COLUMNS = [
    ("recall", lambda s: f"{s['recall']:.3f}"),
    ("false", lambda s: str(s["false_alarms"])),
    ("false/month", lambda s: f"{s['false_per_entity_month']:.3f}"),
    ("detect 50/90", lambda s: pair(s, "detect_min")),
    ("dating 50/90", lambda s: pair(s, "dating_error_min")),
    ("recover 50/90", lambda s: pair(s, "recover_min")),
    ("repeats", lambda s: str(s["repeats"])),
    ("early", lambda s: str(s["recovered_too_early"])),
    ("unresolved", lambda s: str(s["unresolved"])),
    ("stray", lambda s: str(s["stray"])),
    ("may told", lambda s: s["may_told"]),
]


def pair(score, name):
    values = (score[f"{name}_p50"], score[f"{name}_p90"])
    return " / ".join("-" if value is None else f"{value:g}" for value in values)


def table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths))).rstrip())


folder, names = sys.argv[1], sys.argv[2:]
scores = {name: json.load(open(f"{folder}/{name}.json")) for name in names}
print("Times in minutes: median / 90th percentile. false/month: false alarms in an entity-month.")
table([["case"] + [title for title, _ in COLUMNS]] + [[name] + [show(scores[name]) for _, show in COLUMNS] for name in names])
kinds = sorted({kind for score in scores.values() for kind in score["found_by_kind"]})
print("\nFound, of those owed:")
table([["kind"] + names] + [[kind] + [scores[name]["found_by_kind"].get(kind, "") for name in names] for kind in kinds])
