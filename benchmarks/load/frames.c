/*
 * Sends one framed message over kept connections to an HSM simulator, and times the answers.
 *
 *     frames HOST PORT FILE CONNECTIONS MISBEHAVING COUNT
 *
 * FILE holds one frame, length bytes included; answers have two length bytes, most significant
 * first, and must begin like the first one but for their data: frame bytes 6 to 9, response code
 * and error code. Each connection sends its next frame when it has its answer, until COUNT were
 * answered. MISBEHAVING further connections send half a frame, a frame of length zero, a frame
 * that declares more than it sends, or nothing, in turns, and connect again when they are closed.
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

enum { ANSWER_BYTES = 70000, FRAME_BYTES = 70000, CODES_AT = 6, CODES_BYTES = 4 };

struct connection {
    int socket;
    int kind; /* -1 behaves; else how it does not */
    int64_t sent_ns;
    size_t received;
    unsigned char answer[ANSWER_BYTES];
};

static struct sockaddr_in server;
static unsigned char frame[FRAME_BYTES], codes[CODES_BYTES];
static size_t frame_size;
static int epoll, have_codes;
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
    /* A connection may be closed before it has said anything: that is not our business. */
    if (c->kind % 4 == 0) (void)!send(c->socket, frame, frame_size / 2, MSG_NOSIGNAL);
    if (c->kind % 4 == 1) (void)!send(c->socket, zero, sizeof zero, MSG_NOSIGNAL);
    if (c->kind % 4 == 2) (void)!send(c->socket, large, sizeof large, MSG_NOSIGNAL);
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
    size_t size = 2 + ((size_t)c->answer[0] << 8 | c->answer[1]);
    if (c->received < 2 || c->received < size) return;
    errno = 0;
    if (c->received > size || size < CODES_AT + CODES_BYTES) fail("an answer nobody asked for");
    if (!have_codes) memcpy(codes, c->answer + CODES_AT, CODES_BYTES);
    have_codes = 1;
    if (memcmp(codes, c->answer + CODES_AT, CODES_BYTES)) wrong++;
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
    if (argc != 7) fail("HOST PORT FILE CONNECTIONS MISBEHAVING COUNT");
    server.sin_family = AF_INET;
    server.sin_port = htons((uint16_t)atoi(argv[2]));
    if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) fail("an IPv4 address");
    FILE *file = fopen(argv[3], "rb");
    if (file == NULL) fail(argv[3]);
    frame_size = fread(frame, 1, sizeof frame, file);
    fclose(file);
    int behaving = atoi(argv[4]), misbehaving = atoi(argv[5]);
    wanted = (uint32_t)strtoul(argv[6], NULL, 10);
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
    printf("{\"seconds\": %.6f, \"wrong\": %u, \"reconnected\": %u, \"codes\": \"%.4s\", "
           "\"p50_us\": %u, \"p99_us\": %u}\n",
           seconds, wrong, reconnected, (const char *)codes, latencies_us[answered / 2],
           latencies_us[(uint64_t)answered * 99 / 100]);
    return 0;
}
