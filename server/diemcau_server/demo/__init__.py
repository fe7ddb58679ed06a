"""``diemcau demo``: a district of stand-ins on one machine, with faults to find."""
