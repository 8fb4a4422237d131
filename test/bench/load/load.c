/*
 * A load generator that speaks FastCGI straight to a process manager's socket.
 *
 * One thread, a closed loop of N connections: each sends the next request when its last one was answered. Without
 * --keep-alive each request has a connection of its own, which this side closes as soon as it has seen END_REQUEST, as
 * nginx does. With --rate it is an open loop instead: requests come at that rate whatever becomes of the others, N under
 * way at most, and a full listen queue fails one at once, as nginx answers 502 then. Ends after --requests or --seconds or at SIGINT or SIGTERM, waits for what is under way, and prints one
 * line of JSON.
 */
#define _GNU_SOURCE
#include "histogram.h"
#include "request.h"
#include "response.h"

#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 128
#define MAX_PARAMS 64
#define MAX_CONNECTIONS 65536
#define NS_PER_SECOND 1000000000ull
#define NS_PER_MS 1000000ull
/* How often deadlines are looked at, and how long a connection waits before it tries a full backlog again. */
#define TICK_MS 100
#define RETRY_MS 1

enum failure { REFUSED, RESET, SHORT_ANSWER, BAD_STATUS, MALFORMED, TIMEOUT, OTHER, FAILURES };

static const char *const failure_names[FAILURES] = {
	[REFUSED] = "refused",     [RESET] = "reset",         [SHORT_ANSWER] = "short", [BAD_STATUS] = "status",
	[MALFORMED] = "malformed", [TIMEOUT] = "timeout",     [OTHER] = "other",
};

struct options {
	struct sockaddr_storage address;
	socklen_t address_len;
	const char *script;
	struct param params[MAX_PARAMS];
	size_t param_count;
	uint64_t connections;
	uint64_t requests;
	uint64_t duration_ns;
	uint64_t timeout_ns;
	double rate; /* requests per second; 0: a closed loop */
	bool keep_alive;
	bool print;
};

/* DONE: no request is left for it. PAUSED: to start or to try again at the next tick. */
enum phase { DONE, PAUSED, SENDING, RECEIVING };

struct connection {
	enum phase phase;
	int fd;
	uint32_t watched;
	/* The request is counted as begun; it may be waiting for its turn to connect again. */
	bool has_request;
	/* An answer came on this connection before. */
	bool reused;
	size_t sent;
	uint64_t started_ns;
	struct response response;
};

static struct options options = { .connections = 1, .timeout_ns = 10 * NS_PER_SECOND };
static struct request request;
static struct connection *connections;
static struct histogram latencies;
static unsigned char input[65536];
static int epoll_fd;

/* Open loop: the connections that are DONE. */
static struct connection **spare;
static uint64_t spare_count;

static volatile sig_atomic_t stopping;
static uint64_t start_ns, deadline_ns;
static uint64_t begun, answered, answered_early, failed, failures[FAILURES];
static uint64_t backlog_full, reconnects, stdout_bytes, stderr_bytes, paused, live;

static uint64_t now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

static bool may_begin(uint64_t now)
{
	return !stopping && (options.requests == 0 || begun < options.requests)
	       && (deadline_ns == 0 || now < deadline_ns);
}

static void set_phase(struct connection *connection, enum phase phase)
{
	paused += phase == PAUSED;
	paused -= connection->phase == PAUSED;
	live += phase != DONE;
	live -= connection->phase != DONE;
	if (options.rate > 0 && phase == DONE && connection->phase != DONE)
		spare[spare_count++] = connection;
	connection->phase = phase;
}

static void disconnect(struct connection *connection)
{
	/* Closing takes the descriptor out of the epoll set: it was never duplicated. */
	if (connection->fd >= 0)
		close(connection->fd);
	connection->fd = -1;
	connection->watched = 0;
	connection->reused = false;
}

static int watch(struct connection *connection, uint32_t events)
{
	if (connection->watched == events)
		return 0;
	struct epoll_event event = { .events = events, .data.ptr = connection };
	int operation = connection->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	connection->watched = events;
	return epoll_ctl(epoll_fd, operation, connection->fd, &event);
}

/* A failed request is over; its place pauses, so that a dead server is not asked in a busy loop. */
static void fail(struct connection *connection, enum failure kind)
{
	failed++;
	failures[kind]++;
	disconnect(connection);
	connection->has_request = false;
	set_phase(connection, options.rate > 0 ? DONE : PAUSED);
}

static void fail_errno(struct connection *connection, int code)
{
	if (code == ECONNREFUSED || code == ENOENT || code == EAGAIN)
		fail(connection, REFUSED);
	else if (code == ECONNRESET || code == EPIPE)
		fail(connection, RESET);
	else
		fail(connection, OTHER);
}

/* A kept connection that the server closed between two requests has lost nothing: as nginx, ask again on a new one. */
static bool retry_elsewhere(struct connection *connection)
{
	if (!connection->reused || connection->response.received > 0)
		return false;
	reconnects++;
	disconnect(connection);
	set_phase(connection, PAUSED);
	return true;
}

/* 0 when connected or on the way, -1 with errno; EAGAIN is a unix socket's full backlog. */
static int open_connection(struct connection *connection)
{
	int one = 1;

	connection->fd = socket(options.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (connection->fd < 0)
		return -1;
	if (options.address.ss_family != AF_UNIX)
		setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(connection->fd, (struct sockaddr *)&options.address, options.address_len) == 0)
		return 0;
	return errno == EINPROGRESS ? 0 : -1;
}

static void send_request(struct connection *connection)
{
	ssize_t n = send(connection->fd, request.bytes + connection->sent, request.len - connection->sent, MSG_NOSIGNAL);

	if (n < 0 && errno != EAGAIN && errno != ENOTCONN && errno != EINTR) {
		int code = errno;
		if (!retry_elsewhere(connection))
			fail_errno(connection, code);
		return;
	}
	if (n > 0)
		connection->sent += (size_t)n;
	bool is_sent = connection->sent == request.len;
	set_phase(connection, is_sent ? RECEIVING : SENDING);
	if (watch(connection, is_sent ? EPOLLIN : EPOLLIN | EPOLLOUT))
		fail(connection, OTHER);
}

/* Takes the connection's next request, or goes on with the one that could not be sent yet. */
static void begin(struct connection *connection, uint64_t now)
{
	if (!connection->has_request) {
		if (!may_begin(now)) {
			disconnect(connection);
			set_phase(connection, DONE);
			return;
		}
		begun++;
		connection->has_request = true;
		connection->started_ns = now;
	}
	connection->sent = 0;
	response_reset(&connection->response);
	if (connection->fd < 0 && open_connection(connection)) {
		int code = errno;
		if (code == EAGAIN)
			backlog_full++;
		if (code != EAGAIN || options.rate > 0) {
			fail_errno(connection, code);
			return;
		}
		disconnect(connection);
		set_phase(connection, PAUSED);
		return;
	}
	send_request(connection);
}

static void finish(struct connection *connection)
{
	int status = response_status(&connection->response);
	if (status < 200 || status > 399) {
		fail(connection, BAD_STATUS);
		return;
	}
	uint64_t now = now_ns();
	answered++;
	answered_early += deadline_ns == 0 || now < deadline_ns;
	stdout_bytes += connection->response.stdout_bytes;
	stderr_bytes += connection->response.stderr_bytes;
	histogram_add(&latencies, now - connection->started_ns);
	if (options.keep_alive)
		connection->reused = true;
	else
		disconnect(connection);
	connection->has_request = false;
	if (options.rate > 0) {
		disconnect(connection);
		set_phase(connection, DONE);
	} else {
		begin(connection, now);
	}
}

static void receive(struct connection *connection)
{
	ssize_t n = recv(connection->fd, input, sizeof(input), 0);

	if (n < 0) {
		int code = errno;
		if (code != EAGAIN && code != EINTR && !retry_elsewhere(connection))
			fail_errno(connection, code);
		return;
	}
	if (n == 0) {
		if (!retry_elsewhere(connection))
			fail(connection, SHORT_ANSWER);
		return;
	}
	response_take(&connection->response, input, (size_t)n, options.print ? stdout : NULL);
	if (connection->response.state == RESPONSE_ENDED)
		finish(connection);
	else if (connection->response.state == RESPONSE_MALFORMED)
		fail(connection, MALFORMED);
}

static void handle(const struct epoll_event *event)
{
	struct connection *connection = event->data.ptr;

	if (connection->phase == SENDING && !(event->events & EPOLLIN))
		send_request(connection);
	else if (connection->phase == SENDING || connection->phase == RECEIVING)
		receive(connection);
}

static void tick(void)
{
	uint64_t now = now_ns();

	for (uint64_t i = 0; i < options.connections; i++) {
		struct connection *connection = &connections[i];
		if (connection->phase == DONE)
			continue;
		if (connection->has_request && now - connection->started_ns > options.timeout_ns)
			fail(connection, TIMEOUT);
		else if (connection->phase == PAUSED)
			begin(connection, now);
	}
}

/* Open loop: begins what is due by now. Where no connection is left, the generator itself cannot keep up. */
static void arrive(uint64_t now)
{
	uint64_t due = (uint64_t)((double)(now - start_ns) / 1e9 * options.rate) + 1;

	while (begun < due && spare_count > 0 && may_begin(now)) {
		struct connection *connection = spare[--spare_count];
		set_phase(connection, PAUSED);
		begin(connection, now);
	}
}

static void run(void)
{
	struct epoll_event events[EVENTS];
	uint64_t next_tick_ns = 0;

	while (live > 0 || (options.rate > 0 && may_begin(now_ns()))) {
		bool is_hasty = paused > 0 || options.rate > 0;
		int count = epoll_wait(epoll_fd, events, EVENTS, is_hasty ? RETRY_MS : TICK_MS);
		for (int i = 0; i < count; i++)
			handle(&events[i]);
		uint64_t now = now_ns();
		if (options.rate > 0)
			arrive(now);
		if (now >= next_tick_ns || count <= 0) {
			tick();
			next_tick_ns = now + (paused > 0 ? RETRY_MS : TICK_MS) * NS_PER_MS;
		} else if (paused > 0 && next_tick_ns > now + RETRY_MS * NS_PER_MS) {
			next_tick_ns = now + RETRY_MS * NS_PER_MS;
		}
	}
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double quantile_us(double part)
{
	return (double)histogram_quantile(&latencies, part) / 1e3;
}

static void report(uint64_t elapsed_ns)
{
	struct rusage usage;
	double elapsed_s = (double)elapsed_ns / 1e9;

	getrusage(RUSAGE_SELF, &usage);
	printf("{\"ok\":%llu,\"failed\":%llu,\"failures\":{", (unsigned long long)answered, (unsigned long long)failed);
	for (int kind = 0; kind < FAILURES; kind++)
		printf("%s\"%s\":%llu", kind ? "," : "", failure_names[kind], (unsigned long long)failures[kind]);
	printf("},\"okBeforeEnd\":%llu,\"backlogFull\":%llu,\"reconnects\":%llu,\"stdoutBytes\":%llu,\"stderrBytes\":%llu",
	       (unsigned long long)answered_early, (unsigned long long)backlog_full, (unsigned long long)reconnects, (unsigned long long)stdout_bytes,
	       (unsigned long long)stderr_bytes);
	printf(",\"requestBytes\":%zu,\"elapsedSeconds\":%.6f,\"requestsPerSecond\":%.2f", request.len, elapsed_s,
	       elapsed_s > 0 ? (double)answered / elapsed_s : 0);
	printf(",\"latencyUs\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}", quantile_us(0.5), quantile_us(0.9),
	       quantile_us(0.99), (double)latencies.max_ns / 1e3);
	printf(",\"cpuSeconds\":{\"user\":%.6f,\"system\":%.6f}}\n", seconds(usage.ru_utime), seconds(usage.ru_stime));
}

static _Noreturn void usage(const char *problem)
{
	fprintf(stderr,
	        "load: %s\n"
	        "usage: load --address PATH|HOST:PORT --script FILE [--param NAME=VALUE]... [--connections N]\n"
	        "            [--requests N] [--seconds S] [--rate N | --keep-alive] [--timeout-ms N] [--print]\n"
	        "Without --requests and --seconds: one request. --print writes the answer before the JSON line.\n",
	        problem);
	exit(64);
}

static void set_address(char *text)
{
	if (text[0] == '/') {
		struct sockaddr_un *address = (struct sockaddr_un *)&options.address;
		if (strlen(text) >= sizeof(address->sun_path))
			usage("the socket's path is too long");
		address->sun_family = AF_UNIX;
		strcpy(address->sun_path, text);
		options.address_len = sizeof(*address);
		return;
	}
	char *colon = strrchr(text, ':');
	if (!colon)
		usage("the address is neither a path nor HOST:PORT");
	*colon = '\0';
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	/* [::1]:9000 */
	char *host = text[0] == '[' ? text + 1 : text;
	host[strcspn(host, "]")] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		usage("the address is not known");
	memcpy(&options.address, found->ai_addr, found->ai_addrlen);
	options.address_len = found->ai_addrlen;
	freeaddrinfo(found);
}

static void add_param(char *text)
{
	char *equals = strchr(text, '=');
	if (!equals || options.param_count == MAX_PARAMS)
		usage("--param takes NAME=VALUE, 64 times at most");
	*equals = '\0';
	options.params[options.param_count++] = (struct param){ text, equals + 1 };
}

static double number(const char *text, double lowest, double highest)
{
	char *end;
	double value = strtod(text, &end);
	if (end == text || *end || !(value >= lowest && value <= highest))
		usage("a number is malformed or out of range");
	return value;
}

static void read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "address", required_argument, NULL, 'a' },  { "script", required_argument, NULL, 's' },
		{ "param", required_argument, NULL, 'p' },    { "connections", required_argument, NULL, 'c' },
		{ "requests", required_argument, NULL, 'n' }, { "seconds", required_argument, NULL, 'd' },
		{ "keep-alive", no_argument, NULL, 'k' },     { "timeout-ms", required_argument, NULL, 't' },
		{ "print", no_argument, NULL, 'b' },          { "rate", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};

	for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		switch (option) {
		case 'a': set_address(optarg); break;
		case 's': options.script = optarg; break;
		case 'p': add_param(optarg); break;
		case 'c': options.connections = (uint64_t)number(optarg, 1, MAX_CONNECTIONS); break;
		case 'n': options.requests = (uint64_t)number(optarg, 1, 1e15); break;
		case 'd': options.duration_ns = (uint64_t)(number(optarg, 0.001, 86400) * 1e9); break;
		case 'k': options.keep_alive = true; break;
		case 't': options.timeout_ns = (uint64_t)(number(optarg, 1, 3600e3) * 1e6); break;
		case 'b': options.print = true; break;
		case 'r': options.rate = number(optarg, 0.1, 1e6); break;
		default: usage("unknown option");
		}
	}
	if (optind < argc || options.address_len == 0 || !options.script)
		usage("--address and --script are needed");
	if (options.rate > 0 && options.keep_alive)
		usage("--rate needs a new connection for each request");
	if (options.requests == 0 && options.duration_ns == 0)
		options.requests = 1;
}

static void stop(int signal_number)
{
	(void)signal_number;
	stopping = 1;
}

int main(int argc, char **argv)
{
	read_options(argc, argv);
	if (request_build(&request, options.script, options.params, options.param_count, options.keep_alive))
		usage("the parameters do not fit one request");

	struct sigaction action = { .sa_handler = stop };
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	connections = calloc(options.connections, sizeof(*connections));
	spare = calloc(options.connections, sizeof(*spare));
	if (epoll_fd < 0 || !connections || !spare) {
		perror("load");
		return 71;
	}

	/*
	 * Under SCHED_BATCH each answer does not push a worker off its core to wake this process. It halves what the
	 * generator costs on a machine where both share the cores. Where it is refused, the numbers are still right.
	 */
	sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ .sched_priority = 0 });

	start_ns = now_ns();
	deadline_ns = options.duration_ns ? start_ns + options.duration_ns : 0;
	for (uint64_t i = 0; i < options.connections; i++)
		connections[i].fd = -1;
	for (uint64_t i = 0; i < options.connections; i++) {
		if (options.rate > 0)
			spare[spare_count++] = &connections[i];
		else
			begin(&connections[i], start_ns);
	}
	run();
	report(now_ns() - start_ns);
	return 0;
}
