"""Table 1 of the SC-UNeXt paper beside our own counts, with the reason for every difference."""

from __future__ import annotations

from dataclasses import dataclass

from scunext_edge.models.complexity import Profile, profile

SIZE = 256  # the only size at which the rows of UNeXt and SC-UNeXt come out as printed
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRow:
    """One network of the paper's Table 1 and the network of ours that stands for it."""

    method: str  # as the paper calls it
    paper_parameters: str  # as printed, e.g. "243.63 KB"
    paper_flops: str  # as printed, e.g. "0.13 GFLOPs"
    model: str  # name in our registry
    params: int
    macs: int
    thop_ops: int
    our_parameters: str  # params in the unit that the paper prints
    our_flops: str  # thop_ops in the unit that the paper prints
    agrees: bool  # both figures come out as printed
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Printed:
    method: str
    parameters: float
    unit: str
    flops_g: float


_PER_UNIT = {"KB": 1024, "MB": 1e6}  # counts of parameters, whatever the paper's unit says
_UNET = _Printed(method="U-Net", parameters=9.04, unit="MB", flops_g=25.06)
_RESUNETPP = _Printed(method="ResUNet++", parameters=7.67, unit="MB", flops_g=19.31)
_UNEXT = _Printed(method="UNeXt", parameters=247.62, unit="KB", flops_g=0.10)
_SCUNEXT = _Printed(method="SC-UNeXt", parameters=243.63, unit="KB", flops_g=0.13)


def paper_table() -> list[PaperRow]:
    """The paper's four networks beside ours at 256 x 256; takes a few seconds.

    U-Net and ResUNet++ appear twice: as the network that people train, and as the one whose
    widths were fitted to the printed figures.
    """
    unet, resunetpp = profile("unet", size=SIZE), profile("resunetpp", size=SIZE)
    unext, scunext = profile("unext", size=SIZE), profile("scunext", size=SIZE)
    return [
        _row(_UNET, unet, _not_reproducible(_UNET, unet)),
        _fitted(_UNET, profile("unet-paper", size=SIZE)),
        _row(_RESUNETPP, resunetpp, _not_reproducible(_RESUNETPP, resunetpp)),
        _fitted(_RESUNETPP, profile("resunetpp-paper", size=SIZE)),
        _row(_UNEXT, unext, _unext_reason(unext)),
        _row(_SCUNEXT, scunext, _scunext_reason(scunext, unext)),
    ]


def printed(model: str) -> tuple[str | None, str | None]:
    """Parameters and FLOPs as Table 1 prints them for the network that ``model`` stands for."""
    rows = {"unet": _UNET, "resunetpp": _RESUNETPP, "unext": _UNEXT, "scunext": _SCUNEXT}
    row = rows.get(model)
    if row is None:
        return None, None
    return f"{row.parameters:.2f} {row.unit}", f"{row.flops_g:.2f} GFLOPs"


def explained(ours: Profile) -> str | None:
    """Why our figures at 256 x 256 are, or are not, those that the paper prints."""
    if ours.model == "unet":
        return _not_reproducible(_UNET, ours)
    if ours.model == "resunetpp":
        return _not_reproducible(_RESUNETPP, ours)
    if ours.model == "unext":
        return _unext_reason(ours)
    if ours.model == "scunext":
        return _scunext_reason(ours, profile("unext", size=SIZE))
    return None


def _row(printed: _Printed, ours: Profile, explanation: str) -> PaperRow:
    paper_parameters = f"{printed.parameters:.2f} {printed.unit}"
    paper_flops = f"{printed.flops_g:.2f} GFLOPs"
    our_parameters = f"{ours.params / _PER_UNIT[printed.unit]:.2f} {printed.unit}"
    our_flops = f"{ours.thop.total / 1e9:.2f} GFLOPs"
    return PaperRow(
        method=printed.method,
        paper_parameters=paper_parameters,
        paper_flops=paper_flops,
        model=ours.model,
        params=ours.params,
        macs=ours.macs,
        thop_ops=ours.thop.total,
        our_parameters=our_parameters,
        our_flops=our_flops,
        agrees=(our_parameters, our_flops) == (paper_parameters, paper_flops),
        explanation=explanation,
    )


def _not_reproducible(printed: _Printed, ours: Profile) -> str:
    params, operations = printed.parameters * 1e6, printed.flops_g * 1e9
    fitting_side = SIZE * (operations / params / (ours.thop.total / ours.params)) ** 0.5
    return (
        f"The paper does not say which {printed.method} it ran, and none of the usual ones that "
        f"were tried gives both figures: it prints {operations / params:,.0f} operations per "
        f"parameter, this one does {ours.thop.total / ours.params:,.0f} at {SIZE} pixels and would "
        f"need images of {fitting_side:.0f} pixels for that ratio, while the rows of UNeXt and "
        f"SC-UNeXt hold at {SIZE}. "
        f"Ours has {ours.params / params - 1:+.0%} parameters and "
        f"{ours.thop.total / operations - 1:+.0%} operations."
    )


def _fitted(printed: _Printed, ours: Profile) -> PaperRow:
    norms, upsampling = ours.thop.norm_ops / 1e9, ours.thop.upsample_ops / 1e9
    explanation = (
        f"Widths fitted to the two printed figures; they mean nothing else. Of thop's "
        f"{ours.thop.total / 1e9:.2f} G, {ours.macs / 1e9:.2f} G are MACs, {norms:.2f} G norm "
        f"layers and {upsampling:.2f} G upsampling. MB stands for a million parameters: in "
        f"float32 they take {4 * ours.params / MIB:.1f} MiB."
    )
    return _row(printed, ours, explanation)


def _unext_reason(ours: Profile) -> str:
    return (
        f"The row is the small version, UNeXt-S: {ours.params:,} / 1024 = "
        f"{ours.params / 1024:.2f}, so KB counts parameters (in float32 they take "
        f"{4 * ours.params / MIB:.2f} MiB). FLOPs is thop's figure, "
        f"{_millions(ours.thop.total)}: {_millions(ours.macs)} MACs and "
        f"{_millions(ours.thop.norm_ops)} for norm layers."
    )


def _scunext_reason(ours: Profile, unext: Profile) -> str:
    return (
        f"Ours is a reconstruction chosen to meet both figures: {ours.params:,} / 1024 = "
        f"{ours.params / 1024:.2f}. Of thop's {_millions(ours.thop.total)}, "
        f"{_millions(ours.thop.transposed_overcount)} are transposed convolutions counted too "
        f"often and {_millions(ours.thop.norm_ops)} norm layers. The {_millions(ours.macs)} MACs "
        f"that remain are {ours.macs / unext.macs - 1:+.1%} against UNeXt-S, not the "
        f"{_SCUNEXT.flops_g / _UNEXT.flops_g - 1:+.0%} that the table suggests."
    )


def _millions(count: int) -> str:
    return f"{count / 1e6:.2f} M"
