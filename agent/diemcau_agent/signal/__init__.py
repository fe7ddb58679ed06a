"""What a picture or a sound says about the device it came from: numpy only, nothing is kept."""
