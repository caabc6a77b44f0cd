#!/bin/sh
# Never answers.
echo "HANG begun"
exec sleep 600
