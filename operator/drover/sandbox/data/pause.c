/* The first process of a pod: holds its namespaces, reaps what is left to it, ends when told to. */
#include <signal.h>
#include <sys/wait.h>

int main(void) {
	sigset_t awaited;
	sigemptyset(&awaited);
	sigaddset(&awaited, SIGTERM);
	sigaddset(&awaited, SIGINT);
	sigaddset(&awaited, SIGCHLD);
	sigprocmask(SIG_BLOCK, &awaited, 0);
	for (;;) {
		int number = 0;
		if (sigwait(&awaited, &number) == 0 && number != SIGCHLD) return 0;
		while (waitpid(-1, 0, WNOHANG) > 0) {
		}
	}
}
