"""Fixtures for the tests of the stages."""

import pytest


@pytest.fixture
def tensorflow() -> None:
    """TensorFlow as the stages set it up; once it runs, its threads cannot be changed."""
    from stages.runtime import set_up

    set_up(seed=1, threads=1)
