"""`nightcast up`: starts, watches and restarts the servers of one machine."""
