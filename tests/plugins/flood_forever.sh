#!/bin/sh
# Prints until it is stopped.
exec yes "FLOOD without end"
