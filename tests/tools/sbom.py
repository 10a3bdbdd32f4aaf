# SPDX-FileCopyrightText: oCore collection contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the bill of materials of an archive (CycloneDX): ``python tests/tools/sbom.py ARCHIVE``.

The collection bundles nothing. It lists what the collection needs in the Python that runs it, with lower bounds and licences.
"""

from __future__ import annotations

import hashlib
import re
import sys
from datetime import UTC, datetime
from importlib.metadata import metadata
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import yaml
from archive import commit_time
from checkout import ROOT
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

REQUIREMENTS = "meta/ee-requirements.txt"
#: Where the metadata of a package says it in words of its own.
SPDX = {"Apache-2.0": "Apache-2.0", "Apache Software License": "Apache-2.0", "MIT": "MIT", "MIT License": "MIT"}


def bill(archive: Path) -> Bom:
    """Return the bill of an archive; the same for the same archive."""
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    licences = LicenseFactory()
    name = f"{galaxy['namespace']}.{galaxy['name']}"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    collection = Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=galaxy["version"],
        licenses=[licences.make_with_expression(galaxy["license"][0])],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        bom_ref=name,
    )
    bom = Bom(serial_number=uuid5(NAMESPACE_URL, digest))
    # Not the time of the build: two builds shall be the same.
    bom.metadata.timestamp = datetime.fromtimestamp(commit_time(ROOT), UTC)
    bom.metadata.component = collection
    needed = [
        Component(
            type=ComponentType.LIBRARY,
            name=package,
            purl=PackageURL("pypi", None, package),
            licenses=[licences.make_with_expression(licence(package))],
            properties=[Property(name="lower bound", value=bound)],
            bom_ref=package,
        )
        for package, bound in requirements()
    ]
    bom.components.update(needed)
    bom.register_dependency(collection, needed)
    return bom


def requirements(file: str = REQUIREMENTS) -> list[tuple[str, str]]:
    """Return the packages of a requirements file with their lower bounds."""
    return re.findall(r"^([A-Za-z0-9_.-]+)>=([0-9.]+)$", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def licence(package: str) -> str:
    """Return the licence that an installed package says it has, as SPDX calls it."""
    found = metadata(package)
    said = [found.get("License-Expression"), found.get("License")]
    said += [line.rpartition(" :: ")[2] for line in found.get_all("Classifier", []) if line.startswith("License")]
    return next(SPDX.get(text, text) for text in said if text and len(text) < 40)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    text = JsonV1Dot6(bill(target)).output_as_string(indent=2)
    target.with_name(target.name.replace(".tar.gz", ".cdx.json")).write_text(text + "\n", encoding="utf-8")
