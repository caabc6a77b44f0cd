/* Contracts: what must be true of a program that is right. They stay on in production: a broken
 * one prints the expression and aborts, the supervisor starts the process again, and the state is
 * safe in the log. Failures of the environment are never asserted; they are errors (err.h). */
#ifndef BASE_CONTRACT_H
#define BASE_CONTRACT_H

#define PRE(x) ((x) ? (void)0 : contract_broken("precondition", #x, __FILE__, __LINE__))
#define POST(x) ((x) ? (void)0 : contract_broken("postcondition", #x, __FILE__, __LINE__))
#define NEVER(why) contract_broken("must not happen", why, __FILE__, __LINE__)

/* Print what was broken to standard error and abort. */
_Noreturn void contract_broken(const char *kind, const char *what, const char *file, int line);

#endif
