"""The tree of errors is as its docstring draws it, and packages are looked for unimported."""

from __future__ import annotations

import inspect
import re
import sys

import pytest

from scunext_edge import errors
from scunext_edge.errors import BackendMissing, ScunextEdgeError, require


def test_the_docstring_draws_every_error_with_its_exit_code():
    drawn = dict(re.findall(r"[├└]── (\w+) +(\d)", inspect.getdoc(errors)))
    real = {
        name: str(kind.exit_code)
        for name, kind in vars(errors).items()
        if isinstance(kind, type)
        and issubclass(kind, ScunextEdgeError)
        and kind is not ScunextEdgeError
    }
    assert drawn == real


def test_no_error_ends_with_the_code_of_success_of_a_gate_or_of_ctrl_c():
    codes = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ScunextEdgeError)
    } - {ScunextEdgeError.exit_code}
    assert codes == {2, 3, 4, 5}


def test_a_missing_package_is_named_with_the_extra_that_brings_it():
    with pytest.raises(BackendMissing, match="flying needs the package 'no_such_wing'") as caught:
        require("no_such_wing", "wings", needed_for="flying")
    assert caught.value.hint == "pip install 'scunext-edge[wings]'"


def test_looking_for_a_package_does_not_import_it():
    sys.modules.pop("colorsys", None)
    require("colorsys", "colours", needed_for="colours")
    assert "colorsys" not in sys.modules
