/*
 * Replays signed requests over kept HTTP connections and measures how long the answers take.
 *
 *     load HOST PORT FILE CONNECTIONS COUNT RATE
 *
 * FILE holds whole requests, each behind its length (4 bytes, little-endian); they are sent in
 * turns until COUNT were answered. With RATE 0 every connection sends its next request as soon as
 * it has its answer. With another RATE requests are due at fixed times, so many a second, and an
 * answer is timed from the moment its request was due: a server that falls behind cannot slow down
 * the clock it is measured by.
 *
 * Prints one JSON document. Exit status 1, with the reason, if the server cannot be reached or
 * hangs up. Linux: epoll and timerfd.
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_BYTES = 1 << 20, SHOWN_BYTES = 300 };

struct request {
    const char *bytes;
    uint32_t size;
};

struct connection {
    int socket;
    int busy;
    int64_t since_ns; /* when the request it waits for was sent, or due */
    size_t received;
    char answer[ANSWER_BYTES + 1];
};

static struct sockaddr_in server;
static struct request *requests;
static uint32_t request_count;
static struct connection **connections;
static int epoll;
static uint32_t wanted, sent, answered, refused;
static uint32_t *latencies_us;
static char refusal[SHOWN_BYTES + 1];

static void fail(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void read_requests(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail(path);
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *bytes = malloc(size);
    if (bytes == NULL || fread(bytes, 1, size, file) != (size_t)size) fail(path);
    fclose(file);
    for (long at = 0; at + 4 <= size;) {
        uint32_t length;
        memcpy(&length, bytes + at, 4); /* every machine this runs on is little-endian */
        if (at + 4 + (long)length > size) fail("a request is cut short");
        requests = realloc(requests, (request_count + 1) * sizeof *requests);
        requests[request_count++] = (struct request){bytes + at + 4, length};
        at += 4 + length;
    }
    if (request_count == 0) fail("there is no request");
}

static void open_connection(struct connection *connection) {
    connection->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->socket < 0) fail("socket");
    int one = 1;
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(connection->socket, (struct sockaddr *)&server, sizeof server) < 0) fail("connect");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->socket, &event) < 0) fail("epoll_ctl");
}

static void send_next(struct connection *connection, int64_t since_ns) {
    const struct request *request = &requests[sent++ % request_count];
    connection->busy = 1;
    connection->since_ns = since_ns;
    connection->received = 0;
    for (uint32_t written = 0; written < request->size;) {
        ssize_t count =
            send(connection->socket, request->bytes + written, request->size - written, MSG_NOSIGNAL);
        if (count < 0) fail("send");
        written += count;
    }
}

/* Whether the answer is whole; `closes` tells whether the server ends the connection with it. */
static int is_whole(const struct connection *connection, int ended, int *closes) {
    const char *head = connection->answer;
    const char *end = strstr(head, "\r\n\r\n");
    if (end == NULL) return 0;
    long length = -1;
    *closes = strncmp(head, "HTTP/1.0", 8) == 0;
    for (const char *line = strstr(head, "\r\n"); line < end; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, "content-length:", 15) == 0) length = atol(line + 15);
        if (strncasecmp(line, "connection: close", 17) == 0) *closes = 1;
    }
    if (length < 0) return ended;
    return connection->received >= (size_t)(end + 4 - head) + (size_t)length;
}

static void receive(struct connection *connection) {
    ssize_t count = recv(connection->socket, connection->answer + connection->received,
                         ANSWER_BYTES - connection->received, 0);
    if (count < 0) fail("recv");
    if (!connection->busy) { /* an idle connection the server closed */
        close(connection->socket);
        open_connection(connection);
        return;
    }
    connection->received += count;
    connection->answer[connection->received] = 0;
    int closes = 0;
    if (!is_whole(connection, count == 0, &closes)) {
        if (count == 0) {
            errno = ECONNRESET;
            fail("the server hung up");
        }
        return;
    }
    latencies_us[answered++] = (now_ns() - connection->since_ns) / 1000;
    if (strncmp(connection->answer + 8, " 200", 4) != 0 && refused++ == 0)
        snprintf(refusal, sizeof refusal, "%.*s", SHOWN_BYTES, connection->answer);
    connection->busy = 0;
    if (closes || count == 0) {
        close(connection->socket);
        open_connection(connection);
    }
}

static int compare(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static uint32_t percentile(double part) {
    uint32_t at = (uint32_t)(part * wanted);
    return latencies_us[at < wanted ? at : wanted - 1];
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: load HOST PORT FILE CONNECTIONS COUNT RATE\n");
        return 1;
    }
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(argv[2]));
    if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) fail("HOST is no IPv4 address");
    read_requests(argv[3]);
    int connection_count = atoi(argv[4]);
    wanted = atoi(argv[5]);
    double rate = atof(argv[6]);
    if (connection_count < 1 || wanted < 1 || rate < 0) fail("a number is too small");
    latencies_us = malloc(wanted * sizeof *latencies_us);
    connections = malloc(connection_count * sizeof *connections);
    epoll = epoll_create1(0);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event tick = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll < 0 || timer < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, timer, &tick) < 0) fail("epoll");
    for (int i = 0; i < connection_count; i++) {
        connections[i] = calloc(1, sizeof **connections);
        if (connections[i] == NULL) fail("calloc");
        open_connection(connections[i]);
    }

    struct epoll_event events[64];
    int64_t start = now_ns();
    while (answered < wanted) {
        int64_t now = now_ns();
        int64_t due_ns = 0;
        for (int i = 0; i < connection_count && sent < wanted; i++) {
            if (connections[i]->busy) continue;
            due_ns = rate > 0 ? start + (int64_t)(sent * 1e9 / rate) : now;
            if (due_ns > now) break;
            send_next(connections[i], due_ns);
            due_ns = 0;
        }
        /* Without a free connection, or a request to send, only an answer is waited for. */
        struct itimerspec alarm = {{0, 0}, {due_ns / 1000000000, due_ns % 1000000000}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &alarm, NULL);
        int ready = epoll_wait(epoll, events, 64, 10000);
        if (ready == 0) {
            errno = ETIMEDOUT;
            fail("no answer");
        }
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection != NULL) receive(connection);
        }
    }
    double seconds = (now_ns() - start) / 1e9;
    qsort(latencies_us, wanted, sizeof *latencies_us, compare);
    for (char *at = refusal; *at; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < 32) *at = ' ';
    printf("{\"seconds\": %.6f, \"refused\": %u, \"refusal\": \"%s\", \"p50_us\": %u,"
           " \"p99_us\": %u, \"p999_us\": %u, \"max_us\": %u}\n",
           seconds, refused, refusal, percentile(0.5), percentile(0.99), percentile(0.999),
           latencies_us[wanted - 1]);
    return 0;
}
