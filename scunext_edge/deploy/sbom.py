"""A software bill of materials in CycloneDX 1.6: the models, and every package of the runtime."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.message import Message
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import (
    ExternalReference,
    ExternalReferenceType,
    HashAlgorithm,
    HashType,
    Property,
    XsUri,
)
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from scunext_edge import __version__
from scunext_edge.deploy.extras import metadata_of
from scunext_edge.deploy.ladder import Form
from scunext_edge.deploy.wheels import Wheel
from scunext_edge.storage import read_json
from scunext_edge.web.build import RECORD, read_engine

MODEL_CARD = "model-card.md"


def bill(
    name: str,
    forms: Sequence[Form],
    wheels: Sequence[Wheel] = (),
    *,
    created: datetime,
    engine: Path | None = None,
) -> str:
    """The bill of one bundle as JSON; the same parts at the same time give the same text.

    ``engine``: the folder of a page's engine, where there are no wheels.
    """
    root = Component(
        name=name, type=ComponentType.APPLICATION, version=__version__, bom_ref=f"bundle/{name}"
    )
    parts = [*(_model(form) for form in forms), *(_package(wheel) for wheel in wheels)]
    parts += [] if engine is None else _modules(engine)
    bom = Bom(components=parts)
    bom.metadata.component = root
    bom.metadata.timestamp = created
    digests = sorted(str(it.content) for part in parts for it in part.hashes)
    bom.serial_number = uuid5(NAMESPACE_URL, "\n".join([name, created.isoformat(), *digests]))
    bom.register_dependency(root, parts)
    return str(JsonV1Dot6(bom).output_as_string(indent=1)) + "\n"


def _model(form: Form) -> Component:
    card, digests = form.artifact.card, form.artifact.digests
    licence = card.details.get("licence_of_data")
    facts = {
        "format": card.format,
        "precision": card.precision,
        "engine": form.backend,
        "gate": form.gate,
        "parent": card.parent,
        "licence of the training data": licence,
    }
    return Component(
        name=f"{card.model}-{form.name}",
        type=ComponentType.MACHINE_LEARNING_MODEL,
        version=form.artifact.id,
        bom_ref=f"model/{form.name}",
        components=[
            Component(
                name=file,
                type=ComponentType.FILE,
                bom_ref=f"model/{form.name}/{file}",
                hashes=[_sha256(digest)],
            )
            for file, digest in sorted(digests.items())
        ],
        external_references=[
            ExternalReference(type=ExternalReferenceType.MODEL_CARD, url=XsUri(MODEL_CARD))
        ],
        properties=[
            Property(name=f"scunext-edge:{name}", value=str(value))
            for name, value in facts.items()
            if value is not None
        ],
    )


def _package(wheel: Wheel) -> Component:
    metadata = metadata_of(wheel.path)
    return Component(
        name=wheel.name,
        type=ComponentType.LIBRARY,
        version=wheel.version,
        bom_ref=f"package/{wheel.name}",
        description=metadata["Summary"],
        licenses=_licences(metadata),
        purl=PackageURL("pypi", name=wheel.name, version=wheel.version),
        hashes=[_sha256(wheel.sha256)],
    )


def _modules(engine: Path) -> list[Component]:
    """The native engine as WebAssembly: one module for each set of instructions."""
    record = read_json(engine / RECORD)
    facts = {name: str(record[name]) for name in ("compiler", "sources_sha256")}
    return [
        Component(
            name=name,
            type=ComponentType.LIBRARY,
            version=__version__,
            bom_ref=f"engine/{name}",
            description="libscunext as WebAssembly, with the C and C++ libraries of its compiler",
            licenses=[LicenseFactory().make_from_string("Apache-2.0")],
            hashes=[_sha256(digest)],
            properties=[
                Property(name=f"scunext-edge:{fact}", value=value) for fact, value in facts.items()
            ],
        )
        for name, digest in read_engine(engine).items()
    ]


def _licences(metadata: Message) -> list[License]:
    """The expression where there is one; else the classifiers; else a short name."""
    make = LicenseFactory().make_from_string
    if expression := metadata["License-Expression"]:
        return [make(expression)]
    classifiers = [it for it in metadata.get_all("Classifier", []) if it.startswith("License ::")]
    if classifiers:
        return [make(it.rsplit(" :: ", 1)[1]) for it in classifiers]
    named = (metadata["License"] or "").strip()
    return [make(named)] if named and "\n" not in named else []


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)
