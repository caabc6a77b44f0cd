#!/bin/sh
# Nothing on standard output.
echo "library not found" >&2
exit 2
