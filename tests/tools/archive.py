# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the archive of the collection so that the same files give the same bytes: ``python tests/tools/archive.py DIRECTORY``.

``ansible-galaxy collection build`` keeps the order of the file system and the times of files. Here entries are sorted, and all
times are those of the last commit. Standard library only, beside ansible-galaxy.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from checkout import ROOT

LISTING, MANIFEST = "FILES.json", "MANIFEST.json"


def build(directory: Path, source: Path = ROOT) -> Path:
    """Build the archive and its checksum, ``<archive>.sha256``.

    :param source: the collection.
    :returns: the archive.
    """
    with tempfile.TemporaryDirectory() as made:
        command = ["ansible-galaxy", "collection", "build", "--output-path", made, str(source)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        [archive] = Path(made).glob("*.tar.gz")
        data = repacked(archive, commit_time(source))
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / archive.name
    target.write_bytes(data)
    target.with_name(f"{target.name}.sha256").write_text(f"{hashlib.sha256(data).hexdigest()}  {target.name}\n")
    return target


def commit_time(source: Path) -> int:
    """Return the time of the last commit, or that of the variable ``SOURCE_DATE_EPOCH``; 0 outside of a repository."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "-C", str(source), "log", "-1", "--format=%ct"]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    return int(said.stdout) if said.returncode == 0 and said.stdout.strip() else 0


def repacked(archive: Path, time: int) -> bytes:
    """Return the archive with its entries in order, and with one time for all of them."""
    with tarfile.open(archive) as opened:
        entries = {entry.name: entry for entry in opened}
        content = {name: opened.extractfile(entry).read() for name, entry in entries.items() if entry.isfile()}
    listing = json.loads(content[LISTING])
    listing["files"].sort(key=lambda file: file["name"])
    content[LISTING] = _json(listing)
    manifest = json.loads(content[MANIFEST])
    manifest["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(content[LISTING]).hexdigest()
    content[MANIFEST] = _json(manifest)
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as packed:
        # Galaxy wants these two first.
        for name in sorted(entries, key=lambda name: (name != MANIFEST, name != LISTING, name)):
            entry = entries[name]
            entry.mtime, entry.size, entry.pax_headers = time, len(content.get(name, b"")), {}
            entry.uid = entry.gid = 0
            entry.uname = entry.gname = ""
            packed.addfile(entry, io.BytesIO(content[name]) if name in content else None)
    return gzip.compress(tar.getvalue(), mtime=0)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1).encode()


if __name__ == "__main__":
    print(build(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
