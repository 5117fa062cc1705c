"""Golden files: the objects of each sample, as a person reviews them. `make generate` writes them anew."""

from __future__ import annotations

import pytest

from tests.operator.engines import ROOT, SAMPLES
from tools.generate import files


@pytest.mark.parametrize("sample", SAMPLES)
def test_rendered_sample_is_as_reviewed_when_built(sample: str) -> None:
    """A change of a builder shows as a change of these files in the same commit."""
    path = f"tests/golden/{sample}.yaml"

    assert (ROOT / path).read_text() == files()[path], f"{path}: please run `make generate` and review the difference"
