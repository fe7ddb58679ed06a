"""Equipment of a room as real network peers of the tests' own: projector, codec, camera."""
