"""What a release says of itself: the report, the card, and the same for machines."""
