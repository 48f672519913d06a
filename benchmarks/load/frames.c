/*
 * Sends one framed message over kept connections to an HSM simulator, and times the answers.
 *
 *     frames HOST PORT FILE CONNECTIONS MISBEHAVING COUNT END AT EXPECTED
 *
 * FILE holds one whole frame. Answers end with the character END, or have two length bytes, most
 * significant first, where END is `-`. EXPECTED is what stands in an answer from byte AT on: any
 * other answer counts as wrong. Each connection sends its next frame when it has its answer, until
 * COUNT were answered. MISBEHAVING further connections send half a frame, garbage, a frame that is
 * longer than any, or nothing, in turns, and connect again when they are closed.
 *
 * Prints one JSON document. Exit status 1, with the reason, if the simulator cannot be reached or
 * closes a connection that behaves. Linux: epoll.
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
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_BYTES = 70000, FRAME_BYTES = 70000, ENDLESS_BYTES = 66000 };

struct connection {
    int socket;
    int kind; /* -1 behaves; else how it does not */
    int64_t sent_ns;
    size_t received;
    unsigned char answer[ANSWER_BYTES];
};

static struct sockaddr_in server;
static unsigned char frame[FRAME_BYTES], endless[ENDLESS_BYTES];
static size_t frame_size, expected_at;
static const char *expected;
static char end; /* 0: two length bytes */
static int epoll;
static uint32_t wanted, sent, answered, wrong, reconnected;
static uint32_t *latencies_us;

static void fail(const char *what) {
    fprintf(stderr, "frames: %s: %s\n", what, errno ? strerror(errno) : "unexpected");
    exit(1);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void misbehave(struct connection *c) {
    static const unsigned char zero[] = {0, 0, 'x'};
    static const unsigned char large[] = {0xFF, 0xFF, '0', '0', '0', '0', 'C', 'C'};
    const unsigned char *longer = end ? endless : large;
    size_t longer_size = end ? sizeof endless : sizeof large;
    /* A connection may be closed before it has said anything: that is not our business. */
    if (c->kind % 4 == 0) (void)!send(c->socket, frame, frame_size / 2, MSG_NOSIGNAL);
    if (c->kind % 4 == 1) (void)!send(c->socket, zero, sizeof zero, MSG_NOSIGNAL);
    if (c->kind % 4 == 2) (void)!send(c->socket, longer, longer_size, MSG_NOSIGNAL);
}

static void send_next(struct connection *c) {
    if (sent == wanted) return;
    sent++;
    c->received = 0;
    c->sent_ns = now_ns();
    errno = 0;
    if (send(c->socket, frame, frame_size, MSG_NOSIGNAL) != (ssize_t)frame_size) fail("send");
}

static void open_connection(struct connection *c) {
    int on = 1;
    c->socket = socket(AF_INET, SOCK_STREAM, 0);
    if (c->socket < 0) fail("socket");
    if (connect(c->socket, (struct sockaddr *)&server, sizeof server)) fail("connect");
    setsockopt(c->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->socket, &event)) fail("epoll");
    c->received = 0;
}

static void take_answer(struct connection *c) {
    size_t size;
    if (end) {
        const unsigned char *last = memchr(c->answer, end, c->received);
        if (last == NULL) return;
        size = (size_t)(last - c->answer) + 1;
    } else {
        size = 2 + ((size_t)c->answer[0] << 8 | c->answer[1]);
        if (c->received < 2 || c->received < size) return;
    }
    errno = 0;
    if (c->received > size) fail("an answer nobody asked for");
    size_t length = strlen(expected);
    if (size < expected_at + length || memcmp(expected, c->answer + expected_at, length)) wrong++;
    latencies_us[answered++] = (uint32_t)((now_ns() - c->sent_ns) / 1000);
    send_next(c);
}

static void on_readable(struct connection *c) {
    errno = 0;
    ssize_t got = recv(c->socket, c->answer + c->received, ANSWER_BYTES - c->received, 0);
    if (c->kind >= 0) {
        if (got > 0) return;
        close(c->socket);
        reconnected++;
        open_connection(c);
        misbehave(c);
        return;
    }
    if (got <= 0) fail("the simulator hung up");
    c->received += (size_t)got;
    take_answer(c);
}

static int by_size(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

int main(int argc, char **argv) {
    if (argc != 10) fail("HOST PORT FILE CONNECTIONS MISBEHAVING COUNT END AT EXPECTED");
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[2]));
    if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) fail("an IPv4 address");
    FILE *file = fopen(argv[3], "rb");
    if (file == NULL) fail(argv[3]);
    frame_size = fread(frame, 1, sizeof frame, file);
    fclose(file);
    int behaving = atoi(argv[4]), misbehaving = atoi(argv[5]);
    wanted = (uint32_t)strtoul(argv[6], NULL, 10);
    end = argv[7][0] == '-' ? 0 : argv[7][0];
    expected_at = strtoul(argv[8], NULL, 10);
    expected = argv[9];
    /* A frame that begins like ours and does not end. */
    memset(endless, 'A', sizeof endless);
    memcpy(endless, frame, 4);
    latencies_us = malloc(wanted * sizeof *latencies_us);
    epoll = epoll_create1(0);
    int count = behaving + misbehaving;
    struct connection *connections = calloc((size_t)count, sizeof *connections);
    if (latencies_us == NULL || connections == NULL || epoll < 0) fail("memory");
    for (int i = 0; i < count; i++) {
        connections[i].kind = i < behaving ? -1 : i - behaving;
        open_connection(&connections[i]);
        if (i >= behaving) misbehave(&connections[i]);
    }
    int64_t started = now_ns();
    for (int i = 0; i < behaving; i++) send_next(&connections[i]);
    struct epoll_event events[256];
    while (answered < wanted) {
        int ready = epoll_wait(epoll, events, 256, 20000);
        if (ready <= 0 && errno != EINTR) fail("no answer");
        for (int i = 0; i < ready && answered < wanted; i++) on_readable(events[i].data.ptr);
    }
    double seconds = (double)(now_ns() - started) / 1e9;
    qsort(latencies_us, answered, sizeof *latencies_us, by_size);
    printf("{\"seconds\": %.6f, \"wrong\": %u, \"reconnected\": %u, "
           "\"p50_us\": %u, \"p99_us\": %u}\n",
           seconds, wrong, reconnected, latencies_us[answered / 2],
           latencies_us[(uint64_t)answered * 99 / 100]);
    return 0;
}
