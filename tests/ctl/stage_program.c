/* The stage as a program: stage SOCKET, commands on standard input. */
#include "tests/ctl/stage.h"

#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: stage SOCKET\n", stderr);
        return 2;
    }
    return stage_play(STDIN_FILENO, STDOUT_FILENO, argv[1]);
}
