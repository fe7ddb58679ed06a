"""``diemcau init``: all files of a district from a file of names."""
