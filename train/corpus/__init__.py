"""From text of any kind to clean, distinct documents, and from these to token stores."""
