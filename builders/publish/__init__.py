"""From a release directory to a repository on the Hugging Face Hub: checked, planned, and committed as a whole."""

from builders.publish.commit_plan import CommitPlan
from builders.publish.publication import Published, publish
from builders.publish.release_check import check_release
from builders.publish.space import PublishedSpace, publish_space

__all__ = ["CommitPlan", "Published", "PublishedSpace", "check_release", "publish", "publish_space"]
