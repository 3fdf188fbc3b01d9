"""Steps written as a plan: operations in order, tensors with their halos, weights."""

from __future__ import annotations

from dataclasses import replace

from scunext_edge.kernels.compile import weights
from scunext_edge.kernels.compile.channels import Lanes, lanes_of, padded
from scunext_edge.kernels.compile.network import Network, Step
from scunext_edge.kernels.compile.storage import F32, Form
from scunext_edge.kernels.plan import (
    INPUTS,
    NONE,
    Act,
    Blob,
    BlobType,
    Gather,
    Kind,
    Op,
    Plan,
    Tensor,
    TensorType,
)

_FILTERED = ("conv", "linear", "deconv")
_ADDEND_AT = {"conv": 1, "linear": 1, "depthwise": 1, "upsample": 1, "deconv": 3}


class Writer:
    """Fills a plan step by step."""

    def __init__(self, plan: Plan, forms: dict[Step, list[Form]]) -> None:
        self.plan = plan
        self.forms = forms
        self.lanes: dict[Step, Lanes] = {}
        self.places: dict[Step, list[int]] = {}  # of its forms among the tensors
        self.floats = BlobType.BF16 if plan.precision == "bf16" else BlobType.F32

    def write(self, network: Network) -> None:
        """All steps, in the order in which they run."""
        for step in network.steps():
            self.lanes[step] = lanes_of(step, self.lanes)
            if step.kind == "normalize":
                self._normalize(step)
            elif step.kind.startswith("tail"):
                self._append(step, ())
            else:
                self._append(step, self._outputs(step))

    def _normalize(self, step: Step) -> None:
        """One operation per form, since they differ in channels."""
        blobs = weights.of_arrays(step, ())
        self.places[step] = []
        for form in self.forms[step]:
            lanes = self._stored_lanes(step, form)
            place = self._tensor(step, form, lanes.count)
            self.places[step].append(place)
            self._op(step, inputs=(), outputs=(place,), blobs=blobs, values=())

    def _append(self, step: Step, outputs: tuple[int, ...]) -> None:
        before = [
            self._stored_lanes(source, self._form(source, self._takes_int8(step, index)))
            for index, source in enumerate(step.inputs)
            if source is not None
        ]
        values: tuple[float, ...] = (step.value,) if step.kind == "layernorm" else ()
        if step.kind in _FILTERED:
            blobs = self._filters(step, before)
        elif step.kind == "tail_deconv":
            hidden = padded(step.filters[0].values.shape[-1])
            form = self._form(step.x, step.filters[0].is_int8)
            blobs = weights.of_tail_deconv(step, form, before[0], hidden)
        elif step.kind in ("tail", "tail_upsample"):
            form = self._form(step.x, True)
            blobs, values = weights.of_tail(step, form, before[0])
        else:
            blobs = weights.of_arrays(step, before)
        self._op(step, self._inputs(step), outputs, blobs, values)

    def _filters(self, step: Step, before: list[Lanes]) -> list[Blob]:
        blobs = []
        after = self.lanes[step]
        for source, found, lanes in zip(step.sources, step.filters, before, strict=False):
            form = self._form(source, found.is_int8)
            made = weights.of_filter(found, form, lanes, after, floats=self.floats)
            blobs += made
            if step.kind == "deconv" and len(made) < 3:
                blobs += [_NO_BLOB]
        return blobs

    def _outputs(self, step: Step) -> tuple[int, ...]:
        lanes = self.lanes[step]
        if step.kind == "spatial_summary":  # mean and maximum, two maps
            self.places[step] = [self._tensor(step, F32, 1) for _ in range(2)]
        else:
            self.places[step] = [self._tensor(step, form, lanes.count) for form in self.forms[step]]
        return tuple(self.places[step])

    def _tensor(self, step: Step, form: Form, channels: int) -> int:
        self.plan.tensors.append(
            Tensor(
                type=form.type,
                channels=channels,
                down_h=step.down_h,
                down_w=step.down_w,
                scale=form.scale,
                nonnegative=_is_nonnegative(step),
            )
        )
        return len(self.plan.tensors) - 1

    def _inputs(self, step: Step) -> tuple[int, ...]:
        if step.kind == "spatial_gate":
            places = list(self.places[step.x])
        else:
            places = [
                NONE if source is None else self._place(source, self._takes_int8(step, index))
                for index, source in enumerate(step.inputs)
            ]
        for place in places:
            if place != NONE:
                self._reach(place, _reach(step))
        if step.addend is not None:
            at = _ADDEND_AT[step.kind]
            places += [NONE] * (at - len(places))
            places.append(self._place(step.addend, False))
        assert len(places) <= INPUTS
        return tuple(places)

    def _op(
        self,
        step: Step,
        inputs: tuple[int, ...],
        outputs: tuple[int, ...],
        blobs: list[Blob],
        values: tuple[float, ...],
    ) -> None:
        places = []
        for blob in blobs:
            places.append(NONE if blob is _NO_BLOB else len(self.plan.blobs))
            self.plan.blobs += [] if blob is _NO_BLOB else [blob]
        self.plan.ops.append(
            Op(
                kind=Kind[step.kind.upper()],
                inputs=inputs,
                outputs=outputs,
                blobs=tuple(places),
                values=values,
                act=step.act,
                stride=step.stride,
                dilation=step.dilation,
                pool=step.pool,
                gather=step.gather,
                mode=step.mode,
            )
        )

    def _takes_int8(self, step: Step, index: int) -> bool:
        """Whether its input ``index`` is the int8 form, where there are two."""
        if step.kind in (*_FILTERED, "tail_deconv"):
            return step.filters[index].is_int8
        hands_on = step.kind in ("max_pool", "upsample", "concat") and step.is_plain
        is_int8 = self.forms.get(step, [F32])[0].type is TensorType.Q8
        return step.kind.startswith("tail") or (hands_on and is_int8)

    def _place(self, source: Step, takes_int8: bool) -> int:
        return self.places[source][0 if takes_int8 else -1]

    def _form(self, source: Step, takes_int8: bool) -> Form:
        return self.forms[source][0 if takes_int8 else -1]

    def _stored_lanes(self, source: Step, form: Form) -> Lanes:
        if source.kind == "normalize" and form.type is TensorType.Q8:
            return padded(source.channels, 4)
        return self.lanes[source]

    def _reach(self, place: int, reach: int) -> None:
        tensor = self.plan.tensors[place]
        self.plan.tensors[place] = replace(tensor, halo=max(tensor.halo, reach))


_NO_BLOB = Blob(type=BlobType.F32, stored=weights.f32([]).stored)


def _reach(step: Step) -> int:
    """How many pixels beyond the edge ``step`` reads."""
    if step.kind == "conv":
        return step.dilation
    if step.gather in (Gather.ROWS, Gather.COLUMNS):
        return 2
    return {"depthwise": 1, "spatial_gate": 3}.get(step.kind, 0)


def _is_nonnegative(step: Step) -> bool:
    """Whether no value of its result can be below 0."""
    if step.addend is not None and not _is_nonnegative(step.addend):
        return False
    if step.kind == "channel_gate" or step.act in (Act.RELU, Act.SIGMOID):
        return True
    hands_on = step.kind in ("max_pool", "upsample", "concat") and step.act is Act.NONE
    return hands_on and all(_is_nonnegative(source) for source in step.sources)
