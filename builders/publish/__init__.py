"""From a release directory to a repository on the Hugging Face Hub: checked, planned, and committed as a whole."""

from builders.publish.check import check_release

__all__ = ["check_release"]
