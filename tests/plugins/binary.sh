#!/bin/sh
# Bytes that are no text, then a NUL and more.
printf 'B\377\376\001\033[31mIN\r | a=1 b=\377 c=2\n\000hidden'
exit 1
