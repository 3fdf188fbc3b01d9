from __future__ import annotations

import logging
import sys
import warnings

import pytest

from scunext_edge.errors import BackendMissing, ConfigError, ExportError
from scunext_edge.export.imports import optional_imports, silenced, translated


def test_a_part_of_an_absent_package_names_the_package():
    with pytest.raises(BackendMissing, match="'tensorrt'"), optional_imports("this"):
        raise ModuleNotFoundError("no", name="tensorrt.plugin")


def test_an_unknown_absent_package_is_not_blamed_on_an_extra():
    with pytest.raises(ModuleNotFoundError, match="no"), optional_imports("this"):
        raise ModuleNotFoundError("no", name="antlr4")


def test_an_error_of_theirs_becomes_ours_in_one_line():
    failed = pytest.raises(ExportError, match=r"^folding failed: bad axis$")
    with failed as caught, translated("folding"):
        raise RuntimeError("bad axis\nat line 3\nat line 4")
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_an_error_of_ours_stays_what_it_is():
    with pytest.raises(ConfigError, match="mine"), translated("folding"):
        raise ConfigError("mine")


def test_silence_ends_with_the_block(capfd, caplog):
    logger = logging.getLogger("nncf")
    before = logger.level
    with silenced():
        sys.stdout.write("talk")
        sys.stderr.write("talk")
        logger.warning("talk")
        logging.getLogger().warning("talk")
        warnings.warn("talk", stacklevel=1)
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert logger.level == before
    logging.getLogger().warning("heard again")
    assert [record.message for record in caplog.records] == ["heard again"]


def test_an_error_comes_through_the_silence():
    with pytest.raises(RuntimeError, match="loud"), silenced():
        raise RuntimeError("loud")
