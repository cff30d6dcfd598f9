"""The error of a configuration that does not fit what is trained on."""

from stages.common.command import InputError


class UnfitError(InputError):
    """A configuration that its schema allows, but not the images, the devices or the training."""
