#!/bin/sh
# A plugin: ten pings in quick succession, told in the words of check_ping.
#   lossy_ping.sh ADDRESS
loss=$(ping -n -q -c 10 -i 0.2 -W 1 -- "$1" | sed -n 's/.* \([0-9]*\)[.0-9]*% packet loss.*/\1/p')
case $loss in
0) echo "PING OK - Packet loss = 0%" ;;
100) echo "PING CRITICAL - Packet loss = 100%"; exit 2 ;;
*) echo "PING WARNING - Packet loss = ${loss:-100}%"; exit 1 ;;
esac
