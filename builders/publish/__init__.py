"""From a release directory to a repository on the Hugging Face Hub: checked, planned, and committed as a whole."""

from builders.publish.check import check_release
from builders.publish.plan import Plan
from builders.publish.publication import Published, publish

__all__ = ["Plan", "Published", "check_release", "publish"]
