"""What generated architectures are worth: whether they are sound, new, and like real ones."""
