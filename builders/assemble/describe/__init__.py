"""How a release describes itself: the report, the card, and `croissant.json`."""
