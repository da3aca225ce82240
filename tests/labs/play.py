#!/usr/bin/env python3
"""Play one lesson as the suite does: its solution and a wrong one, on every
topology that it names, and hold the capture against what the result claims.

    play.py MITMLAB LAB
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MITMLAB, LAB = sys.argv[1], sys.argv[2]
# What a capture shows only if the capture is wrong, or the network is.
UNCAUSED = ("tcp.analysis.retransmission or tcp.analysis.fast_retransmission "
            "or tcp.analysis.duplicate_ack or tcp.analysis.out_of_order "
            "or tcp.analysis.lost_segment or tcp.analysis.ack_lost_segment")
# What a reader of result.json, schema 1, may rely on.
MEMBERS = {
    "": {"schema", "lab", "title", "question", "seed", "topology", "status",
         "score", "started", "ended", "places", "capture", "steps",
         "questions", "versions", "artefacts"},
    "steps": {"title", "status", "predictions", "expectations", "evidence"},
    "predictions": {"question", "given", "answer", "right"},
    "questions": {"question", "given", "answer", "right"},
    "expectations": {"what", "expected", "observed", "held"},
    "evidence": {"what", "frame", "filter", "interface", "bytes"},
}
KINDS = set(re.findall(
    r'^EVENT\("([^"]+)"',
    (Path(__file__).parents[2] / "proxy/event.def").read_text(), re.M))
failures = []


def check(true, sentence):
    if not true:
        failures.append(sentence)
        print("  NOT: " + sentence)


def mitmlab(*arguments):
    return subprocess.run([MITMLAB, *arguments], capture_output=True,
                          text=True, errors="replace", timeout=120,
                          stdin=subprocess.DEVNULL)


def tshark(capture, *arguments):
    run = subprocess.run(["tshark", "-n", "-r", capture, *arguments],
                         capture_output=True, text=True, errors="replace",
                         timeout=60, stdin=subprocess.DEVNULL)
    check(run.returncode == 0, f"tshark {arguments}: {run.stderr.strip()}")
    return run.stdout.split("\n")[:-1]


def evidence_of(result):
    for step in result["steps"]:
        for item in step.get("evidence", []):
            yield step["title"], item


def hold_capture_against(result, out):
    capture = str(Path(out, "capture.pcapng"))
    info = subprocess.run(["capinfos", capture], capture_output=True)
    check(info.returncode == 0, "capinfos accepts the capture")
    if not shutil.which("tshark"):
        print("  skipped: tshark is not installed, filters are not checked")
        return
    check(tshark(capture, "-Y", UNCAUSED) == [],
          "no retransmission, duplicate or gap that the lab did not cause")
    seen = 0
    for title, item in evidence_of(result):
        frames = tshark(capture, "-Y", item["filter"], "-T", "fields",
                        "-e", "frame.number")
        check(str(item["frame"]) in frames,
              f"{title}: the filter {item['filter']!r} selects frame "
              f"{item['frame']}, not only {frames}")
        if item.get("interface"):
            name = tshark(capture, "-Y", f"frame.number == {item['frame']}",
                          "-T", "fields", "-e", "frame.interface_name")
            check(name == [item["interface"]],
                  f"frame {item['frame']} is on {item['interface']}: {name}")
        seen += 1
    check(seen > 0, "there is at least one frame of evidence")


def hold_members(name, value):
    missing = MEMBERS.get(name, set()) - set(value)
    check(not missing, f"{name or 'result.json'} has {sorted(missing)}")
    for key, items in value.items():
        if key in MEMBERS and isinstance(items, list):
            for item in items:
                hold_members(key, item)


def hold_digests(result, out):
    there = {str(path.relative_to(out)) for path in Path(out).rglob("*")
             if path.is_file()} - {"result.json"}
    check(there == set(result["artefacts"]), "every file is an artefact")
    for name, digest in result["artefacts"].items():
        true = hashlib.sha256(Path(out, name).read_bytes()).hexdigest()
        check(digest == "sha256:" + true, f"the digest of {name} is right")


def hold_events(out):
    # Not splitlines(), which takes U+0085 in a string for the end of a line.
    lines = Path(out, "events.jsonl").read_text().rstrip("\n").split("\n")
    events = [json.loads(line) for line in lines]
    kinds = {event["kind"] for event in events}
    check(kinds <= KINDS, f"event.def lists {sorted(kinds - KINDS)}")
    check(any(event.get("frame") for event in events), "events have frames")


def hold_bytes(result, capture):
    """The bytes that the report shows are in the frame that it names, as sent
    or as decrypted."""
    for title, item in evidence_of(result):
        dump = tshark(capture, "-x", "-Y", f"frame.number == {item['frame']}")
        sources = [""]
        for line in dump:
            row = re.match(r"([0-9a-f]{4,})  ((?:[0-9a-f]{2} ){1,16})", line)
            if row and int(row[1], 16) == 0:
                sources.append("")
            if row:
                sources[-1] += row[2].replace(" ", "")
        check(item["bytes"] and any(item["bytes"] in it for it in sources),
              f"{title}: frame {item['frame']} holds {item['bytes']}")


def hold_files(out):
    for name in ("result.json", "events.jsonl", "capture.pcapng", "keys.log",
                 "transcript.txt", "report.md", "report.html", "flows.har"):
        check(Path(out, name).is_file(), f"{name} is in the run folder")
    check(Path(out).stat().st_mode & 0o077 == 0, "the run folder is private")
    har = json.loads(Path(out, "flows.har").read_text())
    check(har["log"]["version"] == "1.2", "flows.har is HAR 1.2")


def play(way, topology, folder):
    where = ["--bare"] if topology == "bare" else ["--topology", topology]
    out = os.path.join(folder, f"{topology}-{way}")
    run = mitmlab("run", LAB, "--no-input", "--seed", "7", "--play", way,
                  "--out", out, *where)
    wanted = 0 if way == "solution" else 1
    print(f"{LAB} {topology} {way}: exit {run.returncode}")
    check(run.returncode == wanted,
          f"exit {wanted}, not {run.returncode}:\n{run.stdout}{run.stderr}")
    if run.returncode not in (0, 1):
        return
    result = json.loads(Path(out, "result.json").read_text())
    check(result["status"] == ("passed" if wanted == 0 else "failed"),
          f"status is {result['status']}")
    hold_files(out)
    if way == "solution":
        hold_members("", result)
        hold_digests(result, out)
        hold_events(out)
        hold_capture_against(result, out)
        if shutil.which("tshark"):
            hold_bytes(result, str(Path(out, "capture.pcapng")))


def main():
    listing = json.loads(mitmlab("list", "--json").stdout)
    (lab,) = [lab for lab in listing["labs"] if lab["id"] == LAB]
    topologies = lab["topology"] + (["bare"] if lab.get("bare") else [])
    doctor = mitmlab("doctor", "--json")
    if doctor.returncode != 0:
        print("skipped but for --bare: this machine gives no namespaces:\n"
              + doctor.stdout)
        topologies = [name for name in topologies if name == "bare"]
        if not topologies or os.environ.get("CI"):
            sys.exit(1 if os.environ.get("CI") else 77)
    with tempfile.TemporaryDirectory(prefix="mitmlab-play-") as folder:
        for topology in topologies:
            for way in ("solution", "wrong"):
                play(way, topology, folder)
    sys.exit(1 if failures else 0)


main()
