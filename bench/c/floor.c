/*
 * A floor: a server that does nothing but respond, to measure the least that a response
 * costs. It only finds the ends of requests, and sends the same response to each.
 *
 *	floor PORT bytes FILE   sends the content of FILE, which it reads once
 *	floor PORT open FILE    opens FILE for each request; up to 64 KiB are read and sent with
 *	                        the head in one write, more with sendfile
 *	floor PORT spawn FILE   runs FILE for each request and sends its output
 *
 * It uses one thread and one level-triggered epoll. Requests for large files must not be
 * pipelined.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { small = 64 << 10, most_pipelined = 64, max_fds = 65536 };

struct conn {
	int in;         /* large file being sent, if left > 0 */
	long long left; /* bytes of it to send */
	size_t n;       /* bytes of an incomplete request */
	char buf[4096];
};

static struct conn *conns[max_fds];
static int ep;
static const char *file;
static char *answers;     /* the same response, most_pipelined times */
static size_t answer_len; /* length of one response */

static int head(char *b, size_t size, long long length)
{
	return snprintf(b, size, "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
		"Content-Type: text/plain; charset=utf-8\r\nContent-Length: %lld\r\n\r\n", length);
}

static int write_all(int fd, const char *b, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, b, n);
		if (w < 0 && errno == EAGAIN) {
			struct pollfd p = {.fd = fd, .events = POLLOUT};
			poll(&p, 1, -1);
			continue;
		}
		if (w < 0)
			return -1;
		b += w;
		n -= w;
	}
	return 0;
}

static int answer_bytes(int fd, int requests)
{
	return write_all(fd, answers, requests * answer_len);
}

static void watch(int op, int fd, int events)
{
	struct epoll_event e = {.events = events, .data.fd = fd};
	epoll_ctl(ep, op, fd, &e);
}

/* send_file sends what the socket accepts, and has epoll report when it accepts more. */
static int send_file(int fd)
{
	struct conn *c = conns[fd];

	while (c->left > 0) {
		ssize_t w = sendfile(fd, c->in, NULL, c->left);
		if (w < 0 && errno == EAGAIN)
			return 0;
		if (w <= 0)
			return -1;
		c->left -= w;
	}
	close(c->in);
	watch(EPOLL_CTL_MOD, fd, EPOLLIN);
	return 0;
}

static int answer_large(int fd, int in, const char *h, size_t n, long long size)
{
	int unsent = 16 << 10; /* with more unsent, its pages leave the CPU cache */

	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
	if (send(fd, h, n, MSG_MORE) != (ssize_t)n)
		return -1;
	conns[fd]->in = in;
	conns[fd]->left = size;
	watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
	return send_file(fd);
}

static int answer_open(int fd, int requests)
{
	static char b[512 + small];
	int result = 0;

	while (requests-- > 0 && result == 0) {
		struct stat st;
		int in = open(file, O_RDONLY | O_CLOEXEC);
		if (in < 0 || fstat(in, &st) < 0)
			err(1, "%s", file);
		int n = head(b, 512, st.st_size);
		if (st.st_size > small)
			return answer_large(fd, in, b, n, st.st_size);
		if (read(in, b + n, small) != st.st_size)
			result = -1;
		else
			result = write_all(fd, b, n + st.st_size);
		close(in);
	}
	return result;
}

static int answer_spawn(int fd, int requests)
{
	static char b[512 + small];
	char *argv[] = {(char *)file, NULL}, *envp[] = {NULL};

	while (requests-- > 0) {
		int out[2], status;
		pid_t pid;
		size_t n = 0;
		ssize_t r;
		posix_spawn_file_actions_t actions;

		if (pipe2(out, O_CLOEXEC) < 0)
			err(1, "pipe2");
		posix_spawn_file_actions_init(&actions);
		posix_spawn_file_actions_adddup2(&actions, out[1], 1);
		if (posix_spawn(&pid, file, &actions, NULL, argv, envp) != 0)
			errx(1, "cannot run %s", file);
		posix_spawn_file_actions_destroy(&actions);
		close(out[1]);
		while ((r = read(out[0], b + 512 + n, small - n)) > 0)
			n += r;
		close(out[0]);
		waitpid(pid, &status, 0);

		char *content = memmem(b + 512, n, "\r\n\r\n", 4);
		if (content == NULL)
			errx(1, "%s does not print a head", file);
		content += 4;
		size_t length = b + 512 + n - content;
		char h[512];
		int hn = head(h, sizeof h, length);
		memcpy(content - hn, h, hn); /* the head goes into the 512 bytes before the content */
		if (write_all(fd, content - hn, hn + length) < 0)
			return -1;
	}
	return 0;
}

static void read_file(void)
{
	struct stat st;
	char h[512];
	int in = open(file, O_RDONLY);

	if (in < 0 || fstat(in, &st) < 0)
		err(1, "%s", file);
	int n = head(h, sizeof h, st.st_size);
	answer_len = n + st.st_size;
	answers = malloc(most_pipelined * answer_len);
	if (answers == NULL)
		err(1, "malloc");
	memcpy(answers, h, n);
	if (read(in, answers + n, st.st_size) != st.st_size)
		err(1, "%s", file);
	close(in);
	for (int i = 1; i < most_pipelined; i++)
		memcpy(answers + i * answer_len, answers, answer_len);
}

static int listen_on(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, ln = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(ln, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(ln, (struct sockaddr *)&a, sizeof a) < 0 || listen(ln, 1024) < 0)
		err(1, "port %d", port);
	return ln;
}

static void accept_one(int ln)
{
	int one = 1, fd = accept4(ln, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (fd >= max_fds || (conns[fd] = calloc(1, sizeof(struct conn))) == NULL)
		errx(1, "too many connections");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	watch(EPOLL_CTL_ADD, fd, EPOLLIN);
}

/* drop closes a connection. */
static void drop(int fd)
{
	if (conns[fd]->left > 0)
		close(conns[fd]->in);
	free(conns[fd]);
	conns[fd] = NULL;
	close(fd);
}

/* serve reads the available data and responds to each complete request, or continues
 * sending a large file. */
static int serve(int fd, int (*answer)(int fd, int requests))
{
	struct conn *c = conns[fd];
	char *p = c->buf, *end;
	int requests = 0;
	ssize_t r;

	if (c->left > 0)
		return send_file(fd);
	r = read(fd, c->buf + c->n, sizeof c->buf - c->n);
	if (r <= 0)
		return -1;
	c->n += r;
	while ((end = memmem(p, c->buf + c->n - p, "\r\n\r\n", 4)) != NULL) {
		p = end + 4;
		requests++;
	}
	c->n -= p - c->buf;
	memmove(c->buf, p, c->n);
	return requests > 0 ? answer(fd, requests) : 0;
}

int main(int argc, char **argv)
{
	int (*answer)(int, int) = NULL;
	struct epoll_event events[256];

	if (argc != 4)
		errx(2, "usage: floor PORT bytes|open|spawn FILE");
	file = argv[3];
	if (strcmp(argv[2], "bytes") == 0)
		answer = answer_bytes;
	else if (strcmp(argv[2], "open") == 0)
		answer = answer_open;
	else if (strcmp(argv[2], "spawn") == 0)
		answer = answer_spawn;
	else
		errx(2, "%s: want bytes, open or spawn", argv[2]);
	if (answer == answer_bytes)
		read_file();
	signal(SIGPIPE, SIG_IGN);

	int ln = listen_on(atoi(argv[1]));
	ep = epoll_create1(EPOLL_CLOEXEC);
	watch(EPOLL_CTL_ADD, ln, EPOLLIN);
	for (;;) {
		int n = epoll_wait(ep, events, 256, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == ln)
				accept_one(ln);
			else if (serve(fd, answer) < 0)
				drop(fd);
		}
	}
}
