"""The explorer as a Space: the release that README.md names, behind the Hub's proxy."""

from pathlib import Path

import yaml

from younger_hf.cli.explore import explore

if __name__ == "__main__":
    settings = yaml.safe_load(Path("README.md").read_text(encoding="utf-8").split("---")[1])
    explore(settings["datasets"][0], port=settings["app_port"], share=True, behind_proxy=True)
