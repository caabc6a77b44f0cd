/* Contracts. Uses only write(2) through stdio, so that it also works when memory is damaged. */
#include "orchestrator/base/contract.h"

#include <stdio.h>
#include <stdlib.h>

void contract_broken(const char *kind, const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s: %s\n", file, line, kind, what);
    abort();
}
